"""Trainings: what cells and searches train, the rules that score it, and the keys of its trials.

A trial's key is a hash of its training (suite seed, dataset, folds, resolved recipe up to ``stopping`` with the
revisions of its stages, trainer), repeat, fold and replica.
"""

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.companions import COMPANIONS
from bench.datasets.base import Dataset
from bench.keys import Place, digest
from bench.recipe import Recipe
from bench.searchrows import Use
from bench.stages.decisions import Rule
from bench.suite import Suite, SuiteDataset, SuiteTechnique

TRAINER_REVISION = 1  # raised when the training loop, the splits or the random streams change their meaning


@dataclass(frozen=True)
class Training:
    """What one or more cells train: its trials, and the rules (digest, stage) scored on each.

    rules         those of its cells and, where the suite is on class imbalance, the companion rules
    description   the plain data that ``digest`` is the hash of
    *_label       of the first cell that needs it
    curve_metric  where a cell is marked: the metric of its curve on test rows, which is no part of the training
    use           of the dataset's rows: whether some are set apart for searches, or this is the training of one
    """

    digest: str
    description: dict[str, Any]
    dataset: Dataset
    dataset_label: str
    technique_label: str
    recipe: Recipe
    folds: int
    trials: tuple[Place, ...]
    rules: tuple[tuple[str, Rule], ...] = ()
    curve_metric: str = ""
    use: Use = "all"


def training_of(
    suite: Suite,
    dataset: SuiteDataset,
    technique: SuiteTechnique,
    recipe: Recipe,
    identity: Mapping[str, object],
    places: Sequence[tuple[int, int]],
    replica: int = 0,
    use: Use = "all",
) -> Training:
    """Return what one cell, or one value of a search, trains.

    use: of the dataset's rows; it is a part of the key where some are set apart for searches.
    """
    description = {
        "seed": suite.seed,
        "dataset": identity,
        "folds": dataset.folds,
        "recipe": recipe.training(),
        "trainer": TRAINER_REVISION,
    } | ({} if use == "all" else {"rows": use})
    name = digest(description)
    return Training(
        digest=name,
        description=description,
        dataset=dataset.dataset,
        dataset_label=dataset.label,
        technique_label=technique.label,
        recipe=recipe,
        folds=dataset.folds,
        trials=tuple(Place(repeat, fold, replica, trial_key(name, repeat, fold, replica)) for repeat, fold in places),
        rules=rules_of(suite, recipe),
        curve_metric=dataset.metric if technique.test_curve and use != "search" else "",
        use=use,
    )


def rules_of(suite: Suite, recipe: Recipe) -> tuple[tuple[str, Rule], ...]:
    """Return the rules (digest, stage) that a cell's trials are scored under, its own first; none of a regression."""
    if not isinstance(recipe.decide, Rule):
        return ()
    return tuple({digest(rule): rule for rule in (recipe.decide, *companions_of(suite).values())}.items())


def companions_of(suite: Suite) -> Mapping[str, Rule]:
    """Return the rules that every classification of a suite is scored under beside its cells' own."""
    return COMPANIONS if suite.focus == "imbalance" else {}


def joined(first: Training, second: Training) -> Training:
    """Return one training with the trials and rules of two that have the same digest."""
    trials = first.trials
    if second.trials != trials:  # the baseline once more, or one dataset under two labels with other repeats
        trials = tuple(sorted({*trials, *second.trials}, key=lambda place: (place.replica, place)))
    rules = tuple(dict([*first.rules, *second.rules]).items())
    curve_metric = first.curve_metric or second.curve_metric
    return dataclasses.replace(first, trials=trials, rules=rules, curve_metric=curve_metric)


def trial_key(training: str, repeat: int, fold: int, replica: int = 0) -> str:
    """Return a trial's key: 128 bits, in hex, of the hash of canonical JSON of what it is."""
    text = f'{{"fold":{fold},"repeat":{repeat},"replica":{replica},"training":"{training}"}}'
    return hashlib.sha256(text.encode()).hexdigest()[:32]
