"""Plan: a suite's cells, the trainings behind them, and which of their trials are stored, missing or stale.

Cells that differ in the decision rule alone share one training. A trial's key is a hash of its training (suite seed,
dataset, folds, resolved recipe up to ``stopping`` with the revisions of its stages, trainer), repeat, fold and replica.
"""

import dataclasses
import fnmatch
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from bench.datasets.base import Dataset
from bench.errors import UsageError, unknown
from bench.keys import canonical, digest
from bench.recipe import Recipe
from bench.splits import folds_of_repeat
from bench.stages.decisions import Rule
from bench.store import differences
from bench.suite import BASELINE, Suite, SuiteDataset

TRAINER_REVISION = 1  # raised when the training loop, the splits or the random streams change their meaning
FINAL = frozenset({"ok", "failed", "diverged"})
FILTER_FIELDS = ("dataset", "technique")


@dataclass(frozen=True)
class Cell:
    """Dataset x technique: the trials that its score comes from, or why there are none."""

    dataset: str
    technique: str
    training: str
    rule: str
    keys: tuple[str, ...]
    places: tuple[tuple[int, int], ...]
    not_applicable: str = ""


@dataclass
class Training:
    """What one or more cells train: (repeat, fold, key) per trial, and the rules scored on each."""

    digest: str
    description: dict[str, Any]
    dataset: Dataset
    dataset_label: str
    technique_label: str
    recipe: Recipe
    folds: int
    trials: tuple[tuple[int, int, str], ...]
    rules: list[tuple[str, Rule]] = field(default_factory=list)


@dataclass(frozen=True)
class Plan:
    """All cells of a suite (or of a filter on it) and the trainings they need, in the order of the suite."""

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

    def as_dict(self) -> dict[str, Any]:
        """Return everything a report needs beside the stored parts, as plain data."""
        return {
            "suite": self.suite.name,
            "question": self.suite.question,
            "seed": self.suite.seed,
            "baseline": BASELINE,
            "datasets": [_dataset_facts(one) for one in self.suite.datasets],
            "techniques": [
                {
                    "label": one.label,
                    "family": one.parts[0].family if len(one.parts) == 1 else "combination",
                    "claim": "; ".join(part.claim for part in one.parts),
                    "source": "; ".join(part.source for part in one.parts),
                    "parts": [part.name for part in one.parts],
                    "setting": canonical(one.setting),
                }
                for one in self.suite.techniques
            ],
            "cells": [
                {
                    "dataset": cell.dataset,
                    "technique": cell.technique,
                    "training": cell.training or None,
                    "rule": cell.rule,
                    "not_applicable": cell.not_applicable,
                    "keys": list(cell.keys),
                    "repeat_fold": [list(place) for place in cell.places],
                }
                for cell in self.cells
            ],
        }


def _dataset_facts(one: SuiteDataset) -> dict[str, Any]:
    dataset = one.dataset
    counts = dataset.class_counts()
    return {
        "label": one.label,
        "name": dataset.name,
        "task": dataset.task,
        "kind": dataset.kind,
        "repeats": dataset.repeats,
        "has_test": dataset.has_test,
        "classes": list(dataset.classes()),
        "class_counts": None if counts is None else list(counts),
        "metric": one.metric,
        "equivalence": one.equivalence,
        "folds": one.folds,
        "folds_per_repeat": one.folds_per_repeat,
        "repeat_count": one.repeats,
        "parameters": dataset.identity(),
    }


def make_plan(suite: Suite) -> Plan:
    """Cross datasets with techniques."""
    cells: list[Cell] = []
    trainings: dict[str, Training] = {}
    for dataset in suite.datasets:
        identity = dataset.dataset.identity()
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
            description = {
                "seed": suite.seed,
                "dataset": identity,
                "folds": dataset.folds,
                "recipe": recipe.training(),
                "trainer": TRAINER_REVISION,
            }
            name = digest(description)
            if name not in trainings:
                trials = tuple((repeat, fold, trial_key(name, repeat, fold)) for repeat, fold in places)
                trainings[name] = Training(
                    name, description, dataset.dataset, dataset.label, technique.label, recipe, dataset.folds, trials
                )
            training = trainings[name]
            rule = ""
            if isinstance(recipe.decide, Rule):
                rule = digest(recipe.decide)
                if rule not in (known for known, _ in training.rules):
                    training.rules.append((rule, recipe.decide))
            keys = tuple(key for _, _, key in training.trials)
            cells.append(Cell(dataset.label, technique.label, name, rule, keys, places))
    return Plan(suite, tuple(cells), tuple(trainings.values()))


def trial_key(training: str, repeat: int, fold: int, replica: int = 0) -> str:
    """Return a trial's key: 128 bits, in hex, of the hash of canonical JSON of what it is."""
    text = f'{{"fold":{fold},"repeat":{repeat},"replica":{replica},"training":"{training}"}}'
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def filter_plan(plan: Plan, text: str) -> Plan:
    """Return the part of a plan whose cells match, as in 'technique=smote*,dataset=fraud'.

    Raises UsageError for an unknown field, or where nothing matches.
    """
    wanted: dict[str, str] = {}
    for part in text.split(","):
        name, equals, pattern = part.strip().partition("=")
        if not equals or name not in FILTER_FIELDS:
            raise UsageError(f"--filter '{text}': {unknown('field', name, FILTER_FIELDS)}; as in 'technique=smote*'")
        wanted[name] = pattern
    cells = tuple(
        cell
        for cell in plan.cells
        if all(fnmatch.fnmatchcase(getattr(cell, name), pattern) for name, pattern in wanted.items())
    )
    if not cells:
        names = {name: sorted({getattr(cell, name) for cell in plan.cells}) for name in wanted}
        there = "; ".join(f"{name}s here: {', '.join(values)}" for name, values in names.items())
        raise UsageError(f"--filter '{text}' matches no cell; {there}")
    used = {(cell.training, cell.rule) for cell in cells}
    trainings = []
    for training in plan.trainings:
        rules = [(name, rule) for name, rule in training.rules if (training.digest, name) in used]
        if rules or (training.digest, "") in used:
            trainings.append(dataclasses.replace(training, rules=rules))
    return Plan(plan.suite, cells, tuple(trainings))


@dataclass(frozen=True)
class CellState:
    """What the store holds of a cell. ``changed`` names the fields in which a stored, now stale, training differs."""

    cell: Cell
    planned: int
    stored: int
    missing_keys: tuple[str, ...]
    to_score: int
    changed: tuple[str, ...]

    @property
    def missing(self) -> int:
        """Return how many trials are to be trained."""
        return len(self.missing_keys)

    @property
    def note(self) -> str:
        """Return the state in words: stored, missing, stale (and why), or not applicable."""
        if self.cell.not_applicable:
            return f"not applicable: {self.cell.not_applicable}"
        if self.missing and self.changed:
            return f"stale: {'; '.join(self.changed)}"
        if self.missing:
            return "missing"
        return "stored; a decision rule is to be scored" if self.to_score else "stored"


def compare(
    plan: Plan, statuses: Mapping[str, str], scored: set[tuple[str, str]], remembered: Mapping[str, Mapping[str, Any]]
) -> list[CellState]:
    """Return, per cell, what is stored, what is missing, and for stale ones which fields changed."""
    descriptions = {training.digest: training.description for training in plan.trainings}
    by_labels: dict[tuple[str, str], list[str]] = {}
    for name, held in remembered.items():
        by_labels.setdefault((held["dataset"], held["technique"]), []).append(name)
    states = []
    for cell in plan.cells:
        missing = tuple(key for key in cell.keys if statuses.get(key) not in FINAL)
        to_score = sum(statuses.get(key) == "ok" and (key, cell.rule) not in scored for key in cell.keys)
        changed: tuple[str, ...] = ()
        if missing:
            older = [name for name in by_labels.get((cell.dataset, cell.technique), ()) if name != cell.training]
            candidates = [differences(remembered[name]["description"], descriptions[cell.training]) for name in older]
            changed = tuple(min(candidates, key=len, default=()))
        states.append(CellState(cell, len(cell.keys), len(cell.keys) - len(missing), missing, to_score, changed))
    return states


