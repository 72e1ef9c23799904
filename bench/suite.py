"""Suite: the question and the protocol as values; ``bench.suitefile`` reads them from YAML."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from bench.absence import LEFT_OUT
from bench.choosing import Axes, Choosing, Point
from bench.datasets.base import Dataset
from bench.errors import UsageError
from bench.recipe import Recipe, Technique, apply, combine
from bench.splits import check_folds
from bench.stages.base import Stage
from bench.yamlfile import Node, placed

Focus = Literal["score", "gap", "imbalance", "levers"]
BASELINE = "baseline"
AGAIN = "A/A"  # the baseline once more, with other initial weights and batch order: the noise floor
SMOKE_STEPS = 40  # and an eighth of them where trials train one at a time, which are the slow ones
MOST_OF_RECIPE = {"steps": 10_000_000, "batch_size": 1_000_000}


@dataclass(frozen=True)
class SuiteDataset:
    """One dataset of a suite: its label, baseline recipe and protocol.

    equivalence  half-width of the region of practical equivalence, absolute for scores, a fraction of the baseline's
                 for errors
    parts        catalogue entries that are part of the baseline here; ``recipe`` has them in it
    left_out     labels of the suite's techniques that are not tried here
    brief        whether this is for a trial run: no stage trains a model of its own for longer than the network
    """

    label: str
    dataset: Dataset
    recipe: Recipe
    metric: str
    equivalence: float
    repeats: int
    folds: int
    folds_per_repeat: int
    optional: bool
    parts: tuple[Technique, ...] = ()
    left_out: frozenset[str] = frozenset()
    brief: bool = False


@dataclass(frozen=True)
class SuiteTechnique:
    """One technique of a suite: a label, the catalogue entries it combines, and settings on top.

    datasets    labels of those that the suite asks for it on; None: all
    test_curve  whether its loss and score on test rows are recorded along the training, for people to look at
    choose      settings of which the suite wants the values that are best on validation rows: path -> values
    """

    label: str
    parts: tuple[Technique, ...]
    setting: Mapping[str, Any]
    datasets: tuple[str, ...] | None = None
    test_curve: bool = False
    choose: Axes = field(default_factory=dict)

    def at(self, point: Point) -> "SuiteTechnique":
        """Return the technique with one value for each setting that is to be chosen."""
        return dataclasses.replace(self, setting={**self.setting, **dict(zip(self.choose, point, strict=True))})

    def not_applicable(self, dataset: SuiteDataset) -> str:
        """Return why it does not apply to a dataset, or an empty string."""
        if self.datasets is not None and dataset.label not in self.datasets:
            return f"{LEFT_OUT} asks for it on {', '.join(self.datasets)} only"
        if self.label in dataset.left_out:
            return f"{LEFT_OUT} leaves it out on {dataset.label}"
        task, kind, offers = dataset.dataset.task, dataset.dataset.kind, dataset.dataset.offers()
        reasons = (part.not_applicable(task, kind, dataset.recipe, offers) for part in self.parts)
        return next((reason for reason in reasons if reason), "")

    def recipe(self, dataset: SuiteDataset) -> Recipe:
        """Return the recipe it makes of a dataset's baseline. Raises UsageError where changes contradict."""
        recipe = apply(dataset.recipe, combine(self.parts, dataset.dataset.kind))
        made = with_settings(recipe, self.setting).resolved()
        return made.brief() if dataset.brief else made


@dataclass(frozen=True)
class Suite:
    """Datasets crossed with techniques, and the protocol.

    focus: what the report leads with: the score, the gap between training rows and test rows, what is left of each
           gain where the baseline's threshold is moved too (imbalance; trials are then scored under companion rules),
           or how much each tuning lever moves (levers)
    choosing: how values are chosen, for techniques that say ``choose``
    """

    name: str
    question: str
    seed: int
    datasets: tuple[SuiteDataset, ...]
    techniques: tuple[SuiteTechnique, ...]
    focus: Focus = "score"
    choosing: Choosing = field(default_factory=Choosing)

    def chooses(self, dataset: SuiteDataset) -> bool:
        """Return whether a value is chosen for any technique on a dataset."""
        return any(one.choose and not one.not_applicable(dataset) for one in self.techniques)


def with_settings(recipe: Recipe, setting: Mapping[str, Any], nodes: Mapping[str, Node] | None = None) -> Recipe:
    """Return the recipe with settings from a file made, whole slots first.

    ``nodes`` holds where each stands. Raises UsageError for a path or value that does not fit.
    """
    for path in sorted(setting, key=lambda path: path.count(".")):
        with placed(nodes[path] if nodes else None):
            recipe = _with_setting(recipe, path, setting[path])
    return recipe


def _with_setting(recipe: Recipe, path: str, value: Any) -> Recipe:
    """Return the recipe with one value from a file, which is never a stage; nothing at all empties a slot."""
    slots = {slot.name: slot for slot in dataclasses.fields(recipe)}
    if path in slots and not isinstance(getattr(recipe, path), (int, float, str)):
        if value is None and slots[path].default in (None, ()) and path != "decide":
            return dataclasses.replace(recipe, **{path: slots[path].default})
        raise UsageError(f"'{path}' {_stage_sentence(path, getattr(recipe, path))}")
    if value is None:
        raise UsageError(f"'{path}' has no value")
    if path in MOST_OF_RECIPE and isinstance(value, int) and value > MOST_OF_RECIPE[path]:
        raise UsageError(f"'{path}' must be at most {MOST_OF_RECIPE[path]}, got {value}")
    return apply(recipe, {path: value})


def _stage_sentence(slot: str, held: Any) -> str:
    """Return what to write instead of a value for a slot that holds stages."""
    for stage in held if isinstance(held, tuple) else (held,):
        names = [f.name for f in dataclasses.fields(stage)] if isinstance(stage, Stage) else []
        if names:
            inside = f"{stage.kind}." if isinstance(held, tuple) else ""
            return f"is a stage, not a value; set one of its fields, as in '{slot}.{inside}{names[0]}'"
    return "is a stage, not a value; name a technique that fills it, then set the stage's fields"


def smoke(suite: Suite) -> Suite:
    """Return a suite of the same cells that takes under a minute: too short to conclude anything from."""
    datasets = []
    for one in suite.datasets:
        most = SMOKE_STEPS if one.recipe.stacks else SMOKE_STEPS // 8
        recipe = dataclasses.replace(one.recipe, steps=min(one.recipe.steps, most))
        small = _smaller(one)
        datasets.append(
            dataclasses.replace(one, dataset=small, recipe=recipe, repeats=2, folds_per_repeat=1, brief=True)
        )
    choosing = dataclasses.replace(suite.choosing, repeats=1, extend=0)
    return dataclasses.replace(suite, name=f"{suite.name}-smoke", datasets=tuple(datasets), choosing=choosing)


def _smaller(one: SuiteDataset) -> Dataset:
    """Return the dataset at the size of a smoke run; as it is where its other parameters or folds forbid that."""
    sizes = {key: _least(value, getattr(one.dataset, key)) for key, value in one.dataset.smoke.items()}
    try:
        small = dataclasses.replace(one.dataset, **sizes)
        check_folds(small, one.folds)
    except (ValueError, UsageError):
        return one.dataset
    return small


def _least(wanted: Any, held: Any) -> Any:
    """Return the smaller of two numbers; what is wanted where one of them is none."""
    return min(wanted, held) if isinstance(wanted, (int, float)) and held is not None else wanted
