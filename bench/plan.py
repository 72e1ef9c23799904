"""Plan: a suite's cells, the trainings behind them, and the keys of their trials.

Cells that differ in the decision rule alone share one training. A trial's key is a hash of its training (suite seed,
dataset, folds, resolved recipe up to ``stopping`` with the revisions of its stages, trainer), repeat, fold and replica.
"""

import dataclasses
import fnmatch
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from bench.companions import COMPANIONS
from bench.datasets.base import Dataset
from bench.errors import UsageError, unknown
from bench.keys import Place, canonical, digest
from bench.recipe import Recipe
from bench.splits import folds_of_repeat
from bench.stages.decisions import Rule
from bench.suite import AGAIN, BASELINE, Suite, SuiteDataset, SuiteTechnique

TRAINER_REVISION = 1  # raised when the training loop, the splits or the random streams change their meaning
FILTER_FIELDS = ("dataset", "technique")
REPLICA = 1  # the random streams of A/A trials: other initial weights and batch order, the same data and splits


@dataclass(frozen=True)
class Cell:
    """Dataset x technique: the trials that its score comes from, or why there are none.

    training, rule  digests; ``rule`` is empty for a regression, both are where the technique is not applicable
    keys, places    of its trials, in the order of repeat and fold
    absent          why none of them can be trained on this machine
    replica         0, or 1 in the cell that trains the baseline once more, with which the baseline is compared (A/A)
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


@dataclass(frozen=True)
class Training:
    """What one or more cells train: its trials, and the rules (digest, stage) scored on each.

    rules         those of its cells and, where the suite is on class imbalance, the companion rules
    description   the plain data that ``digest`` is the hash of
    *_label       of the first cell that needs it
    curve_metric  where a cell is marked: the metric of its curve on test rows, which is no part of the training
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


@dataclass(frozen=True)
class Plan:
    """All cells of a suite (or of a filter on it) and the trainings they need, in the order of the suite.

    Cells whose data are not on this machine are there, without a training.
    """

    suite: Suite
    cells: tuple[Cell, ...]
    trainings: tuple[Training, ...]

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
        return {name: digest(rule) for name, rule in _companions(self.suite).items()}

    def rules(self, cell: Cell) -> tuple[str, ...]:
        """Return the digests of the rules that a cell's trials are scored under; '' of a regression."""
        return tuple(dict.fromkeys([cell.rule, *self.companions.values()])) if cell.rule else (cell.rule,)

    def as_dict(self) -> dict[str, Any]:
        """Return everything a report needs beside the stored parts, as plain data."""
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
                for one in self.suite.techniques
            ],
            "cells": [
                {
                    "dataset": cell.dataset,
                    "technique": cell.technique,
                    "training": cell.training or None,
                    "rule": cell.rule if cell.training else None,
                    "not_applicable": cell.not_applicable,
                    "keys": list(cell.keys),
                    "repeat_fold": [list(place) for place in cell.places],
                    "replica": cell.replica,
                }
                for cell in self.cells
            ],
        }


def _companions(suite: Suite) -> Mapping[str, Rule]:
    """Return the rules that every classification of a suite is scored under beside its cells' own."""
    return COMPANIONS if suite.focus == "imbalance" else {}


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


def make_plan(suite: Suite) -> Plan:
    """Cross datasets with techniques."""
    cells: list[Cell] = []
    trainings: dict[str, Training] = {}
    for dataset in suite.datasets:
        identity, absent = dataset.dataset.identity(), dataset.dataset.absent()
        places = tuple(
            (repeat, fold)
            for repeat in range(dataset.repeats)
            for fold in folds_of_repeat(dataset.folds, dataset.folds_per_repeat, repeat)
        )
        for technique in suite.techniques:
            reason = technique.not_applicable(dataset)
            if reason:
                cells.append(Cell(dataset.label, technique.label, "", "", (), (), reason))
                continue
            recipe = technique.recipe(dataset)
            for replica in (0, REPLICA) if technique.label == BASELINE else (0,):
                training = _training(suite, dataset, technique, recipe, identity, places, replica)
                if not absent:
                    held = trainings.get(training.digest)
                    trainings[training.digest] = _joined(held, training) if held else training
                rule = training.rules[0][0] if training.rules else ""
                keys = tuple(place.key for place in training.trials)
                label = AGAIN if replica else technique.label
                cells.append(
                    Cell(dataset.label, label, training.digest, rule, keys, places, absent=absent, replica=replica)
                )
    return Plan(suite, tuple(cells), tuple(trainings.values()))


def _training(
    suite: Suite,
    dataset: SuiteDataset,
    technique: SuiteTechnique,
    recipe: Recipe,
    identity: Mapping[str, object],
    places: Sequence[tuple[int, int]],
    replica: int,
) -> Training:
    """Return what one cell trains."""
    description = {
        "seed": suite.seed,
        "dataset": identity,
        "folds": dataset.folds,
        "recipe": recipe.training(),
        "trainer": TRAINER_REVISION,
    }
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
        rules=_rules(suite, recipe),
        curve_metric=dataset.metric if technique.test_curve else "",
    )


def _rules(suite: Suite, recipe: Recipe) -> tuple[tuple[str, Rule], ...]:
    """Return the rules (digest, stage) that a cell's trials are scored under, its own first; none of a regression."""
    if not isinstance(recipe.decide, Rule):
        return ()
    return tuple({digest(rule): rule for rule in (recipe.decide, *_companions(suite).values())}.items())


def _joined(first: Training, second: Training) -> Training:
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
        there = "; ".join(f"{name}s here: {', '.join(values)}" for name, values in names.items())
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
    return Plan(plan.suite, tuple(cells), trainings)


def _fits(label: str, pattern: str) -> bool:
    """Return whether a label is meant by a pattern."""
    return label == pattern or fnmatch.fnmatchcase(label, pattern)
