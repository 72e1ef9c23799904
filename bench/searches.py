"""Searches of a suite: per dataset and technique with ``choose``, the values to try and the trials that try them.

A search trial is one of a repeat that no score comes from (numbered from ``FIRST_REPEAT`` on, so with splits, initial
weights and, of generators, worlds of its own), on one fold. It is given no test rows.
"""

import dataclasses
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from bench.choosing import FIRST_REPEAT, Axes, Choice, Point, points
from bench.errors import UsageError
from bench.metrics import METRICS
from bench.paths import value_at
from bench.recipe import Recipe
from bench.searchrows import THIRDS
from bench.splits import folds_of_repeat
from bench.suite import Suite, SuiteDataset, SuiteTechnique
from bench.trainings import Training, training_of


@dataclass(frozen=True)
class Search:
    """The search for a technique's values on one dataset, and what it has come to."""

    suite: Suite
    dataset: SuiteDataset
    technique: SuiteTechnique
    choice: Choice
    made: dict[Point, Training] = field(default_factory=dict, compare=False, repr=False)

    @property
    def name(self) -> tuple[str, str]:
        """Return the labels of its dataset and technique, which name its cell."""
        return self.dataset.label, self.technique.label

    @property
    def higher(self) -> bool:
        """Return whether the larger score is the better one."""
        return METRICS[self.dataset.metric].better == "higher"

    @cached_property
    def places(self) -> tuple[tuple[int, int], ...]:
        """Return the (repeat, fold) of each value's trials: one fold per repeat, in turn."""
        repeats = range(FIRST_REPEAT, FIRST_REPEAT + self.suite.choosing.repeats)
        return tuple((repeat, folds_of_repeat(self.dataset.folds, 1, repeat)[0]) for repeat in repeats)

    @property
    def trainings(self) -> dict[Point, Training]:
        """Return what trains each point that is known so far."""
        return {point: self.training(point) for point in points(self.choice.axes)}

    @property
    def keys(self) -> list[str]:
        """Return the keys of its trials, point by point."""
        return [place.key for training in self.trainings.values() for place in training.trials]

    def training(self, point: Point) -> Training:
        """Return what trains one point, with the cell's own rule alone. Raises UsageError where its recipe cannot be.

        Made once for all stages of a search, which share ``made``.
        """
        if point not in self.made:
            self.made[point] = self._training(point)
        return self.made[point]

    def _training(self, point: Point) -> Training:
        identity, technique = self.dataset.dataset.identity(), self.technique.at(point)
        recipe = technique.recipe(self.dataset)
        made = training_of(self.suite, self.dataset, technique, recipe, identity, self.places, use="search")
        return dataclasses.replace(made, rules=made.rules[:1])

    def fits(self, axes: Axes) -> bool:
        """Return whether recipes can be made of all points of some axes."""
        try:
            for point in points(axes):
                self.technique.at(point).recipe(self.dataset)
        except UsageError:
            return False
        return True

    def came_to(self, choice: Choice) -> "Search":
        """Return the search with what it has come to."""
        return dataclasses.replace(self, choice=choice)

    def as_dict(self) -> dict[str, Any]:
        """Return what a report needs of it, as plain data; its choice is made again from the records."""
        described = self.technique.recipe(self.dataset).training()
        return {
            "dataset": self.dataset.label,
            "technique": self.technique.label,
            "metric": self.dataset.metric,
            "rule": next((name for one in self.trainings.values() for name, _ in one.rules), ""),
            "extend": self.suite.choosing.extend,
            "declared": {path: list(axis.values) for path, axis in self.technique.choose.items()},
            "axes": {path: list(axis.values) for path, axis in self.choice.axes.items()},
            "default": {path: value_at(described, path) for path in self.technique.choose},
            "done": self.choice.done,
            "points": [
                {
                    "point": list(point),
                    "training": one.digest,
                    "keys": [place.key for place in one.trials],
                    "repeat_fold": [list(place) for place in self.places],
                }
                for point, one in self.trainings.items()
            ],
        }


def declared(suite: Suite, dataset: SuiteDataset, technique: SuiteTechnique) -> Search:
    """Return a search as the suite writes it, of which nothing is known yet."""
    return Search(suite, dataset, technique, Choice(technique.choose))


# ---- budgets


@dataclass(frozen=True)
class Budget:
    """What a search may cost: values, trials of each, and examples in all, each as often as gradients are taken of it.

    What an axis gains is not counted.
    """

    values: int
    repeats: int
    examples: int

    def __str__(self) -> str:
        return f"{self.values} values x {self.repeats} trials, gradients of {self.examples:,} examples in all"


def check_budgets(suite: Suite) -> None:
    """Raise UsageError where techniques of one dataset are chosen at different budgets and the suite does not say why.

    Likewise where it says why and they do not differ.
    """
    unequal = [found for dataset in suite.datasets if (found := _unequal(suite, dataset))]
    if unequal and not suite.choosing.why_budgets_differ:
        raise UsageError(
            f"{unequal[0]}; give them equal grids, steps and batches, or say why under "
            "'choosing: {why_budgets_differ: ...}'"
        )
    if not unequal and suite.choosing.why_budgets_differ:
        raise UsageError(
            "'why_budgets_differ' is given, but all techniques are chosen at the same budget; leave it out"
        )


def _unequal(suite: Suite, dataset: SuiteDataset) -> str:
    """Return two techniques of a dataset whose budgets differ, in words, or an empty string."""
    held: dict[Budget, list[str]] = defaultdict(list)
    for technique in suite.techniques:
        if technique.choose and not technique.not_applicable(dataset):
            held[_budget(suite, dataset, technique)].append(technique.label)
    if len(held) < 2:
        return ""
    (one, first), (other, second) = list(held.items())[:2]
    return f"on {dataset.label} '{first[0]}' is chosen from {one}, but '{second[0]}' from {other}"


def _budget(suite: Suite, dataset: SuiteDataset, technique: SuiteTechnique) -> Budget:
    recipes = list(_recipes(dataset, technique))
    repeats = suite.choosing.repeats
    examples = sum(one.steps * one.batch_size * one.members * one.optimizer.gradients for one in recipes)
    return Budget(len(recipes), repeats, repeats * examples)


def _recipes(dataset: SuiteDataset, technique: SuiteTechnique) -> Iterator[Recipe]:
    for point in points(technique.choose):
        yield technique.at(point).recipe(dataset)


def sentence(search: Search) -> str:
    """Return what a search does, and what it has chosen, in one sentence."""
    dataset, choosing = search.dataset, search.suite.choosing
    axes = " x ".join(f"{len(axis.values)} values of {path}" for path, axis in search.choice.axes.items())
    count = len(points(search.choice.axes)) * choosing.repeats
    apart = "" if dataset.dataset.has_test else f", on 1/{THIRDS} of the rows, which are never tested"
    tried = f"{axes} x {choosing.repeats} repeats = {count} trials{apart}"
    return f"{dataset.label}, {search.technique.label}: {tried}{_chosen(search.choice)}"


def _chosen(choice: Choice) -> str:
    """Return the chosen values, with the ends on which they lie, as an end of a sentence; nothing where none is."""
    if choice.point is None:
        return ""
    on = choice.edges or {}
    values = (
        f"{path}={value:g}{f' (still on the {on[path]} end of its values)' if path in on else ''}"
        for path, value in zip(choice.axes, choice.point, strict=True)
    )
    return f"; chosen: {', '.join(values)}"
