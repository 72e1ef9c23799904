"""Plan: a suite's cells, the trainings behind them, and the keys of their trials.

Cells that differ in the decision rule alone share one training. A trial's key is a hash of its training (suite seed,
dataset, folds, resolved recipe up to ``stopping`` with the revisions of its stages, trainer), repeat, fold and replica.
"""

import dataclasses
import fnmatch
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from bench.errors import UsageError, some, unknown
from bench.keys import canonical, digest
from bench.searches import Search, declared
from bench.searchrows import use_of
from bench.splits import folds_of_repeat
from bench.suite import AGAIN, BASELINE, Suite, SuiteDataset
from bench.trainings import Training, companions_of, joined, training_of, trial_key

__all__ = ["Cell", "Plan", "Training", "filter_plan", "make_plan", "restrict", "trial_key"]


NOT_CHOSEN = "no value is chosen yet: its search on validation rows is not done"
NO_VALUE = "no value can be chosen: trials of every value diverged or failed"
FILTER_FIELDS = ("dataset", "technique")
REPLICA = 1  # the random streams of A/A trials: other initial weights and batch order, the same data and splits


@dataclass(frozen=True)
class Cell:
    """Dataset x technique: the trials that its score comes from, or why there are none.

    training, rule  digests; ``rule`` is empty for a regression, both are where the technique is not applicable
    keys, places    of its trials, in the order of repeat and fold
    absent          why none of them can be trained on this machine
    replica         0, or 1 in the cell that trains the baseline once more, with which the baseline is compared (A/A)
    waiting         why no value is chosen for it yet; coming: how many trials it will have once one is
    """

    dataset: str
    technique: str
    training: str
    rule: str
    keys: tuple[str, ...]
    places: tuple[tuple[int, int], ...]
    not_applicable: str = ""
    absent: str = ""
    replica: int = 0
    waiting: str = ""
    coming: int = 0


@dataclass(frozen=True)
class Plan:
    """All cells of a suite (or of a filter on it) and the trainings they need, in the order of the suite.

    Cells whose data are not on this machine are there, without a training; so are those that wait for a search.
    """

    suite: Suite
    cells: tuple[Cell, ...]
    trainings: tuple[Training, ...]
    searches: tuple[Search, ...] = ()

    @cached_property
    def by_key(self) -> dict[tuple[str, str], list[Cell]]:
        """Return the cells that use a (trial key, rule)."""
        found: dict[tuple[str, str], list[Cell]] = {}
        for cell in self.cells:
            for key in cell.keys:
                found.setdefault((key, cell.rule), []).append(cell)
        return found

    @cached_property
    def companions(self) -> dict[str, str]:
        """Return the digests of the companion rules by name; none unless the suite is on class imbalance."""
        return {name: digest(rule) for name, rule in companions_of(self.suite).items()}

    def rules(self, cell: Cell) -> tuple[str, ...]:
        """Return the digests of the rules that a cell's trials are scored under; '' of a regression."""
        return tuple(dict.fromkeys([cell.rule, *self.companions.values()])) if cell.rule else (cell.rule,)

    def as_dict(self) -> dict[str, Any]:
        """Return everything a report needs beside the stored parts, as plain data.

        A cell that waits for its search is not applicable so far. Searches are told of where there are any.
        """
        return {
            "suite": self.suite.name,
            "question": self.suite.question,
            "focus": self.suite.focus,
            "seed": self.suite.seed,
            "baseline": BASELINE,
            "companions": self.companions,
            "datasets": [_dataset_facts(one) for one in self.suite.datasets],
            "techniques": [
                {
                    "label": one.label,
                    "family": one.parts[0].family if len(one.parts) == 1 else "combination",
                    "claim": "; ".join(part.claim for part in one.parts),
                    "source": "; ".join(part.source for part in one.parts),
                    "parts": [part.name for part in one.parts],
                    "setting": canonical(one.setting),
                    "test_curve": one.test_curve,
                }
                | ({"choose": list(one.choose)} if one.choose else {})
                for one in self.suite.techniques
            ],
            "cells": [
                {
                    "dataset": cell.dataset,
                    "technique": cell.technique,
                    "training": cell.training or None,
                    "rule": cell.rule if cell.training else None,
                    "not_applicable": cell.not_applicable or cell.waiting,
                    "keys": list(cell.keys),
                    "repeat_fold": [list(place) for place in cell.places],
                    "replica": cell.replica,
                }
                for cell in self.cells
            ],
        } | (self._choosing() if self.searches else {})

    def _choosing(self) -> dict[str, Any]:
        """Return how values are chosen, and the searches for them, as plain data."""
        return {
            "choosing": dataclasses.asdict(self.suite.choosing),
            "searches": [one.as_dict() for one in self.searches],
        }


def _dataset_facts(one: SuiteDataset) -> dict[str, Any]:
    dataset = one.dataset
    counts = dataset.class_counts()
    return {
        "label": one.label,
        "name": dataset.name,
        "task": dataset.task,
        "kind": dataset.kind,
        "with": [part.name for part in one.parts],
        "repeats": dataset.repeats,
        "has_test": dataset.has_test,
        "classes": list(dataset.classes()),
        "class_counts": None if counts is None else list(counts),
        "metric": one.metric,
        "equivalence": one.equivalence,
        "folds": one.folds,
        "folds_per_repeat": one.folds_per_repeat,
        "repeat_count": one.repeats,
        "offers": sorted(dataset.offers()),
        "absent": dataset.absent(),
        "origin": dataset.origin(),
        "parameters": dataset.identity(),
    }


def make_plan(suite: Suite, searches: Collection[Search] = ()) -> Plan:
    """Cross datasets with techniques.

    searches: what is known of those of the suite; a technique of which nothing is chosen yet has no trainings.
    """
    cells: list[Cell] = []
    trainings: dict[str, Training] = {}
    known = {search.name: search for search in searches}
    found: list[Search] = []
    for dataset in suite.datasets:
        identity, absent = dataset.dataset.identity(), dataset.dataset.absent()
        places = tuple(
            (repeat, fold)
            for repeat in range(dataset.repeats)
            for fold in folds_of_repeat(dataset.folds, dataset.folds_per_repeat, repeat)
        )
        use = use_of(dataset.dataset, suite.chooses(dataset))
        for technique in suite.techniques:
            reason = technique.not_applicable(dataset)
            if reason:
                cells.append(Cell(dataset.label, technique.label, "", "", (), (), reason))
                continue
            if technique.choose:
                search = known.get((dataset.label, technique.label)) or declared(suite, dataset, technique)
                found += [] if absent else [search]
                if absent or search.choice.point is None:
                    cells.append(_without_value(search, absent, len(places)))
                    continue
                technique = technique.at(search.choice.point)
            recipe = technique.recipe(dataset)
            for replica in (0, REPLICA) if technique.label == BASELINE else (0,):
                training = training_of(suite, dataset, technique, recipe, identity, places, replica, use)
                if not absent:
                    held = trainings.get(training.digest)
                    trainings[training.digest] = joined(held, training) if held else training
                rule = training.rules[0][0] if training.rules else ""
                keys = tuple(place.key for place in training.trials)
                label = AGAIN if replica else technique.label
                cells.append(
                    Cell(dataset.label, label, training.digest, rule, keys, places, absent=absent, replica=replica)
                )
    return Plan(suite, tuple(cells), tuple(trainings.values()), tuple(found))


def _without_value(search: Search, absent: str, planned: int) -> Cell:
    """Return the cell of a technique of which no value is chosen, so far or at all."""
    done = search.choice.done and not absent
    waiting = "" if absent else NO_VALUE if done else NOT_CHOSEN
    return Cell(*search.name, "", "", (), (), absent=absent, waiting=waiting, coming=0 if done or absent else planned)


def filter_plan(plan: Plan, text: str) -> Plan:
    """Return the part of a plan whose cells match, as in 'technique=smote*,dataset=fraud'.

    A pattern is a label as it stands, or one with ``*`` and ``?``. Raises UsageError for an unknown field, or where
    nothing matches.
    """
    wanted: dict[str, str] = {}
    for part in re.split(r",(?![^\[]*\])", text):  # labels of grid points hold commas within brackets
        name, equals, pattern = (piece.strip() for piece in part.partition("="))
        if name not in FILTER_FIELDS or not equals:
            raise UsageError(f"--filter '{text}': {unknown('field', name, FILTER_FIELDS)}; as in 'technique=smote*'")
        if name in wanted:
            raise UsageError(f"--filter '{text}': '{name}' is given twice; write one pattern for it, as in 'smote*'")
        wanted[name] = pattern
    cells = tuple(cell for cell in plan.cells if all(_fits(getattr(cell, name), wanted[name]) for name in wanted))
    if not cells:
        names = {name: dict.fromkeys(getattr(cell, name) for cell in plan.cells) for name in wanted}
        there = "; ".join(f"{name}s here: {some(wanted[name], list(held))}" for name, held in names.items())
        raise UsageError(f"--filter '{text}' matches no cell; {there}")
    return restrict(plan, cells)


def restrict(plan: Plan, cells: Sequence[Cell]) -> Plan:
    """Return the part of a plan that some of its cells need."""
    used = {(cell.training, rule) for cell in cells for rule in plan.rules(cell)}
    keys = {key for cell in cells for key in cell.keys}
    trainings = tuple(
        dataclasses.replace(
            training,
            trials=tuple(trial for trial in training.trials if trial.key in keys),
            rules=tuple(rule for rule in training.rules if (training.digest, rule[0]) in used),
        )
        for training in plan.trainings
        if any(training.digest == name for name, _ in used)
    )
    names = {(cell.dataset, cell.technique) for cell in cells}
    return Plan(plan.suite, tuple(cells), trainings, tuple(one for one in plan.searches if one.name in names))


def _fits(label: str, pattern: str) -> bool:
    """Return whether a label is meant by a pattern."""
    return label == pattern or fnmatch.fnmatchcase(label, pattern)
