"""A results folder made without training: planted effects, known truth, every tier but the logits."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from bench.keys import digest
from bench.metrics import METRICS, confusion, from_confusion
from bench.plan import trial_key
from bench.store import Store

CLASSES = ("upper", "lower", "middle", "rare")
SHARES = (0.5, 0.3, 0.19, 0.01)
ROWS = 500


@dataclass(frozen=True)
class World:
    """What is planted: per technique, how much its accuracy (or its RMSE, in percent) differs from the baseline's."""

    effects: dict[str, float]
    datasets: tuple[str, ...] = ("generator", "fixed-test", "folds", "errors")
    repeats: int = 6
    folds: int = 2
    not_applicable: tuple[tuple[str, str], ...] = ()
    statuses: dict[tuple[str, str, int, int], str] = field(default_factory=dict)
    same_training: tuple[str, ...] = ()
    seed: int = 7
    noise: float = 0.02
    focus: str = ""
    trained: dict[str, float] = field(default_factory=dict)  # how much the training score differs; empty: as tests do
    stops: dict[str, float] = field(default_factory=dict)  # techniques that stop, after what fraction of the steps
    marked: tuple[str, ...] = ()  # techniques with test curves
    strengths: dict[str, float] = field(default_factory=dict)  # of plain techniques whose recipe is remembered

    def facts(self, label: str) -> dict[str, Any]:
        """Return the dataset's entry of the plan."""
        regression = kind_of(label) == "errors"
        return {
            "label": label, "name": label, "task": "regression" if regression else "classification", "kind": "table",
            "repeats": "independent" if kind_of(label) in ("generator", "errors") else "fixed",
            "has_test": kind_of(label) != "folds", "classes": [] if regression else list(CLASSES),
            "class_counts": None if regression else [int(4000 * share) for share in SHARES],
            "metric": "rmse" if regression else "macro_f1", "equivalence": 0.02 if regression else 0.01,
            "folds": 5, "folds_per_repeat": self.folds, "repeat_count": self.repeats, "parameters": {"name": label},
            "offers": [], "absent": "", "origin": "",
        }  # fmt: skip

    @property
    def places(self) -> list[tuple[int, int]]:
        return [(repeat, fold) for repeat in range(self.repeats) for fold in range(self.folds)]

    def training(self, dataset: str, technique: str) -> str:
        shared = "baseline" if technique in self.same_training else technique
        return digest({"dataset": dataset, "technique": shared})

    def key(self, dataset: str, technique: str, repeat: int, fold: int) -> str:
        return trial_key(self.training(dataset, technique), repeat, fold)

    def rule(self, dataset: str, technique: str) -> str:
        return (
            "" if kind_of(dataset) == "errors" else digest(technique if technique in self.same_training else "argmax")
        )

    def plan(self) -> dict[str, Any]:
        """Return the plan of this world."""
        left_out = set(self.not_applicable)
        return {
            "suite": "synthetic", "question": "Which planted effect is found?", "seed": self.seed,
            "baseline": "baseline", **({"focus": self.focus} if self.focus else {}),
            "datasets": [self.facts(label) for label in self.datasets],
            "techniques": [
                {"label": name, "family": "planted", "claim": f"shifts by {effect}", "source": "none",
                 **(_parts_of(name) if self.focus in ("gap", "levers") else {"parts": [name], "setting": {}})}
                for name, effect in self.effects.items()
            ],
            "cells": [
                {"dataset": label, "technique": name, "training": None, "rule": "", "not_applicable": "it must not",
                 "keys": [], "repeat_fold": []}
                if (label, name) in left_out
                else {"dataset": label, "technique": name, "training": self.training(label, name),
                      "rule": self.rule(label, name), "not_applicable": "",
                      "keys": [self.key(label, name, *place) for place in self.places],
                      "repeat_fold": [list(place) for place in self.places]}
                for label in self.datasets
                for name in self.effects
            ],
        }  # fmt: skip


def kind_of(label: str) -> str:
    """Return how a dataset repeats: its label, or what stands before a number ('folds-2')."""
    return re.sub(r"-[0-9]+$", "", label)


def _parts_of(name: str) -> dict[str, Any]:
    """Return a technique's catalogue names and settings, as its label says them ('a + b [loss.gamma=2.0]')."""
    parts, _, bracketed = name.removesuffix("]").partition(" [")
    pairs = [one.split("=") for one in bracketed.split(", ")] if bracketed else []
    return {"parts": parts.split(" + "), "setting": {path: _value_of(text) for path, text in pairs}}


def _value_of(text: str) -> float | str:
    """Return a setting as a suite's file would have it."""
    try:
        return float(text)
    except ValueError:
        return text


def write(path: Path, world: World) -> Store:
    """Write a world's plan and parts, and return the store."""
    store = Store(path)
    store.writable()
    store.write_plan(world.plan())
    left_out = set(world.not_applicable)
    part = 0
    for dataset in world.datasets:
        for name in world.effects:
            if (dataset, name) not in left_out:
                _write_cell(store, world, dataset, name, part)
                part += 1
                if name in world.strengths:
                    recipe = {"strength": {name: world.strengths[name]}}
                    store.remember(world.training(dataset, name), {"recipe": recipe}, dataset, name)
    return store


def _write_cell(store: Store, world: World, dataset: str, name: str, part: int) -> None:
    runs, scores, labels, truths = [], [], [], {}
    for repeat, fold in world.places:
        status = world.statuses.get((dataset, name, repeat, fold), "ok")
        if status == "missing":
            continue
        key = world.key(dataset, name, repeat, fold)
        run = _run(world, dataset, name, repeat, fold, status)
        if status == "ok":
            made = _regression(world, name, repeat, fold) if kind_of(dataset) == "errors" else None
            if made is None:
                truth, score, predicted = _classification(world, dataset, name, repeat, fold)
                run["truth"] = digest(truth.tolist())
                truths[run["truth"]] = {"target": truth, "day": None}
                labels.append({"key": key, "rule": world.rule(dataset, name), "predicted": predicted, "values": []})
            else:
                score = made
            common = {"key": key, "rule": world.rule(dataset, name), "rows": ROWS}
            train = _training(world, name, repeat, fold, score)
            scores += [{**common, "part": "test", **score}, {**common, "part": "train", **train, "confusion": []}]
            if world.focus == "gap":
                luck = np.random.default_rng([world.seed, 11, repeat, fold]).normal(0, 0.03)
                held = {metric: value + luck for metric, value in score.items() if metric in METRICS}
                scores.append({**common, "part": "validation", **held, "confusion": []})
        if name not in world.same_training:
            runs.append(run)
    store.write(f"{part:06d}-{name}", runs, scores, labels, [], truths)


def _training(world: World, name: str, repeat: int, fold: int, score: dict[str, Any]) -> dict[str, float]:
    """Return the scores on training rows: those on test rows made better, or planted where the world has that."""
    errors = {metric: value for metric, value in score.items() if metric in ("rmse", "mae")}
    if world.trained:
        origin = "baseline" if name in world.same_training else name
        shared = np.random.default_rng([world.seed, 8, repeat, fold]).normal(0, 0.01)
        own = np.random.default_rng([world.seed, 9, repeat, fold, *origin.encode()]).normal(0, world.noise / 4)
        effect = world.trained.get(origin, 0.0) + shared + own
        return {metric: 0.9 + effect for metric in score if metric in METRICS} | dict.fromkeys(errors, 0.6 - effect)
    gap = 0.02 + 0.1 * abs(np.sin(len(name)))
    raised = {metric: min(1.0, value + gap) for metric, value in score.items() if metric in METRICS}
    return raised | {metric: value - 0.03 - gap for metric, value in errors.items()}


def _curves(world: World, name: str, repeat: int, fold: int) -> dict[str, Any]:
    """Return the learning curves of a trial and where it stopped: losses that fall, and rise again on other rows."""
    last = 300
    if name in world.stops:
        share = world.stops[name] + np.random.default_rng([repeat, fold, len(name)]).normal(0, 0.1)
        last = 30 * int(np.clip(round(10 * share), 1, 10))
    steps = np.arange(30, last + 1, 30)
    each = np.random.default_rng([world.seed, 10, repeat, fold, *name.encode()]).normal(0, 0.02)
    train, other = np.exp(-steps / 120), 0.4 + 0.6 * np.exp(-steps / 60) + steps / 1500 + each
    test = {"curve_test_step": steps, "curve_test": other + 0.03, "curve_test_score": 1 - other / 2}
    return {
        "steps": last, "stop_step": max(30, last - 60) if name in world.stops and last < 300 else last,
        "curve_step": steps.tolist(), "curve_train": train.tolist(), "curve_validation": other.tolist(),
        **({key: values.tolist() for key, values in test.items()} | {"curve_metric": "macro_f1"}
           if name in world.marked else {}),
    }  # fmt: skip


def _run(world: World, dataset: str, name: str, repeat: int, fold: int, status: str) -> dict[str, Any]:
    rng = np.random.default_rng([len(name), repeat, fold])
    return {
        "key": world.key(dataset, name, repeat, fold), "training": world.training(dataset, name), "dataset": dataset,
        "technique": name, "repeat": repeat, "fold": fold, "replica": 0, "status": status,
        "reason": "" if status == "ok" else f"it was made to be {status}", "no_op": False, "steps": 300,
        "stop_step": 300, "examples": 300 * 64, "flops": 1e9, "cpu_seconds": 0.3 * rng.uniform(0.9, 2.0),
        "resample_seconds": 0.01, "prepare_seconds": 0.02, "evaluate_seconds": 0.02, "score_seconds": 0.01,
        "stack": 20, "rows_train": 2400, "rows_own": 1600, "rows_validation": 400, "rows_test": ROWS, "truth": "",
        "fingerprint": "f", "seen_prior": list(SHARES), "validation_prior": list(SHARES),
        "target_prior": list(SHARES), "curve_step": [100, 200, 300], "curve_train": [1.0, 0.7, 0.5],
        "curve_validation": [1.1, 0.8, 0.7], "machine": "a processor", "device": "cpu", "threads": 1,
        "versions": "{}", "commit": "abc", "dirty": False,
    } | (_curves(world, name, repeat, fold) if world.focus == "gap" else {})  # fmt: skip


def _classification(
    world: World, dataset: str, name: str, repeat: int, fold: int
) -> tuple[np.ndarray, dict[str, Any], np.ndarray]:
    """Return truth, scores and predictions: all techniques err on shared rows, each also on some of its own."""
    place = {"generator": [1, repeat], "fixed-test": [2], "folds": [3, repeat, fold]}[kind_of(dataset)]
    truth = np.random.default_rng([world.seed, *place]).choice(len(CLASSES), ROWS, p=SHARES)
    shared = np.random.default_rng([world.seed, 4, repeat, fold, len(dataset)])
    origin = "baseline" if name in world.same_training else name
    own = np.random.default_rng([world.seed, 5, repeat, fold, *origin.encode()])
    luck = shared.random(ROWS) + own.normal(0, world.noise, ROWS)
    guess = shared.integers(0, len(CLASSES), ROWS)
    wrong = luck > 0.8 + world.effects[origin]
    predicted = np.where(wrong, guess, truth).astype(np.uint8)
    matrix = confusion(truth, predicted.astype(np.int64), len(CLASSES))
    found: dict[str, Any] = {metric: float(value) for metric, value in from_confusion(matrix).items()}
    return truth, found | {"confusion": matrix.ravel().tolist()}, predicted


def _regression(world: World, name: str, repeat: int, fold: int) -> dict[str, Any]:
    shared = np.random.default_rng([world.seed, 6, repeat, fold]).normal(0, 0.05)
    origin = "baseline" if name in world.same_training else name
    own = np.random.default_rng([world.seed, 7, repeat, fold, *origin.encode()]).normal(0, world.noise)
    value = 1.0 + shared + own - world.effects[origin]
    return {"rmse": value, "mae": 0.8 * value, "r2": 1 - value**2 / 4, "confusion": []}


NAMES = (
    "under-sampling", "over-sampling", "under-over-sampling", "smote", "weighted-sampling", "balanced-batches",
    "class-weights", "class-weights-inverse-mean", "class-weights-share-mean", "class-weights-balanced-mean",
    "focal [loss.gamma=2.0]", "focal [loss.gamma=5.0]", "logit-adjusted-loss", "logit-adjustment", "tuned-threshold",
    "augmentation", "dropout", "early-stopping", "l2", "label-smoothing", "over-sampling + tuned-threshold",
    "class-weights + tuned-threshold", "dropout + early-stopping", "mixup",
)  # fmt: skip


def wide(repeats: int = 10, folds: int = 2) -> World:
    """Return a world of the size of a real suite: 25 techniques on four datasets, all kinds of outcome."""
    effects = {"baseline": 0.0} | {name: 0.15 * np.sin(1.7 * place) ** 3 for place, name in enumerate(NAMES)}
    effects |= {"l2": 0.0005, "logit-adjustment": 0.0, "dropout": 0.0, "mixup": 0.0}
    return World(
        effects,
        repeats=repeats,
        folds=folds,
        same_training=("logit-adjustment",),
        not_applicable=tuple(("errors", name) for name in NAMES[:10]),
        statuses={("folds", "mixup", 0, 0): "diverged", ("generator", "mixup", 1, 0): "missing",
                  ("fixed-test", "smote", 1, 0): "failed"},
    )  # fmt: skip


GRIDS: dict[str, tuple[float, ...]] = {
    "dropout": (0.1, 0.2, 0.35, 0.5, 0.8), "l2": (1e-5, 1e-4, 1e-3, 1e-2), "mixup": (0.1, 0.2, 0.4, 1.0),
    "label-smoothing": (0.05, 0.1, 0.2), "weight-noise": (0.01, 0.03, 0.1, 0.3), "max-norm": (0.5, 1.0, 2.0, 4.0),
    "early-stopping": (2, 3, 5), "ema": (0.9, 0.99, 0.999),
}  # fmt: skip


def overfit(repeats: int = 6, folds: int = 1, datasets: int = 8) -> World:
    """Return a world that leads with the gap: 45 techniques, eight grids, all ways in which a gap can change."""
    effects, trained = {"baseline": 0.0}, {"baseline": 0.0}
    names = [*GRIDS, *(f"{name} [strength.{name}={value}]" for name, values in GRIDS.items() for value in values)]
    names += ["last-value", "linear-autoregression", "dropout + early-stopping", "l1", "again-the-same"]
    for place, name in enumerate(names):
        effects[name] = 0.12 * np.sin(1.3 * place) ** 3
        trained[name] = -0.15 * max(0.0, np.cos(0.7 * place)) ** 2
    kinds = ("generator", "errors", "fixed-test", "folds")
    labels = [kinds[at % 4] + (f"-{at // 4 + 1}" if at >= 4 else "") for at in range(datasets)]
    stops = {name: 0.4 + 0.1 * (place % 5) for place, name in enumerate(names) if "early-stopping" in name}
    return World(
        effects | {"again-the-same": 0.0}, tuple(labels), repeats, folds, trained=trained, stops=stops, focus="gap",
        marked=("baseline", "early-stopping", "dropout"),
        strengths={"dropout": 0.6, "l2": 3e-3, "mixup": 0.3}, same_training=("again-the-same",),
        not_applicable=tuple((label, "mixup") for label in labels if kind_of(label) == "errors"),
    )  # fmt: skip
