"""Results of hundreds of comparisons of two small classifiers (or regressions) that are equal by construction.

Every comparison is a dataset of its own: class-conditional normal features, half of which the baseline sees and the
other half, which are as good, the technique. Both are trained (nearest centroid, or least squares), so that folds
share training rows, repeats share test rows, and so on, as in a benchmark. D comparisons, R repeats, m folds, N rows.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from bench.keys import digest
from bench.metrics import METRICS, from_confusion
from bench.store import Store

Kind = Literal["independent", "fixed test set", "folds", "regression"]
FEATURES = 3  # of each of the two
NAMES = ("baseline", "technique")


@dataclass(frozen=True)
class Simulation:
    """How many comparisons of which kind, on how many rows.

    planted: what share of its errors the technique is spared (of a regression: by how much they are smaller).
    """

    kind: Kind
    comparisons: int = 500
    repeats: int = 6
    folds: int = 2  # trained in each repeat
    cut: int = 5  # folds that rows are cut into
    rows: int = 100  # development rows
    test_rows: int = 200
    planted: float = 0.0
    seed: int = 3

    @property
    def metric(self) -> str:
        return "rmse" if self.kind == "regression" else "macro_f1"

    @property
    def fixed_test(self) -> bool:
        return self.kind in ("fixed test set", "regression")


@dataclass(frozen=True)
class Simulated:
    """truth [D, R, m, N] and predicted [2, D, R, m, N]: classes, or values."""

    truth: np.ndarray
    predicted: np.ndarray


def simulate(of: Simulation) -> Simulated:
    """Draw the data, train both on every fold of every repeat, and predict the test rows."""
    rng = np.random.default_rng([of.seed, of.comparisons, len(of.kind)])
    shape = (of.comparisons, of.repeats)
    if of.kind == "folds":  # one set of rows, that every repeat shuffles
        inputs, targets = _rows(rng, of, (of.comparisons, 1), of.rows)
        order = rng.permuted(np.broadcast_to(np.arange(of.rows), (*shape, of.rows)), axis=-1)
        inputs = np.take_along_axis(np.broadcast_to(inputs, (*shape, *inputs.shape[2:])), order[..., None], axis=2)
        targets = np.take_along_axis(np.broadcast_to(targets, (*shape, of.rows)), order, axis=2)
    else:  # every repeat draws its own rows
        inputs, targets = _rows(rng, of, shape, of.rows)
    tests = _rows(rng, of, (of.comparisons, 1 if of.fixed_test else of.repeats), of.test_rows)
    size = of.rows // of.cut
    truths, predictions = [], []
    for fold in range(of.folds):
        held = np.arange(fold * size, (fold + 1) * size)
        kept = np.setdiff1d(np.arange(of.rows), held)
        train = inputs[:, :, kept], targets[:, :, kept]
        test = (inputs[:, :, held], targets[:, :, held]) if of.kind == "folds" else tests
        truth = np.broadcast_to(test[1], (*shape, test[1].shape[-1]))
        truths.append(truth)
        fit = _regress if of.kind == "regression" else _classify
        halves = slice(0, FEATURES), slice(FEATURES, None)
        both = [fit(train[0][..., half], train[1], test[0][..., half]) for half in halves]
        predictions.append(np.stack([both[0], _plant(rng, both[1], truth, of)]))
    return Simulated(np.stack(truths, axis=2), np.stack(predictions, axis=3))


def _rows(rng: np.random.Generator, of: Simulation, shape: tuple[int, int], rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Return inputs [*shape, N, 2 x features] and targets [*shape, N]; the targets are the same everywhere."""
    targets = np.linspace(-1.7, 1.7, rows) if of.kind == "regression" else np.arange(rows) % 2
    targets = np.broadcast_to(np.random.default_rng(rows).permutation(targets), (*shape, rows))
    return 0.6 * targets[..., None] + rng.normal(size=(*shape, rows, 2 * FEATURES)), targets


def _classify(inputs: np.ndarray, targets: np.ndarray, tests: np.ndarray) -> np.ndarray:
    """Return the class of the nearer centroid of the training rows."""
    ones = targets[..., None] == 1
    centres = [np.sum(inputs * side, axis=2) / side.sum(axis=2) for side in (~ones, ones)]
    apart, middle = centres[1] - centres[0], (centres[1] + centres[0]) / 2
    return ((tests - middle[:, :, None]) * apart[:, :, None]).sum(axis=-1) > 0


def _regress(inputs: np.ndarray, targets: np.ndarray, tests: np.ndarray) -> np.ndarray:
    """Return least squares with an intercept."""
    design = np.concatenate([inputs, np.ones((*inputs.shape[:-1], 1))], axis=-1)
    turned = design.swapaxes(-1, -2)
    weights = np.linalg.solve(turned @ design, turned @ targets[..., None])
    return (tests @ weights[..., :-1, :] + weights[..., -1:, :])[..., 0]


def _plant(rng: np.random.Generator, predicted: np.ndarray, truth: np.ndarray, of: Simulation) -> np.ndarray:
    if of.kind == "regression":
        return truth + (predicted - truth) * (1 - of.planted)
    return np.where(rng.random(predicted.shape) < of.planted, truth, predicted)


def scores(of: Simulation, made: Simulated) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Return metrics [2, D, R, m] and confusion matrices [2, D, R, m, 2, 2] (empty for a regression)."""
    truth = np.broadcast_to(made.truth, made.predicted.shape)
    if of.kind == "regression":
        error = made.predicted - truth
        return {"rmse": np.sqrt(np.square(error).mean(-1)), "mae": np.abs(error).mean(-1)}, np.empty(0)
    cells = [((truth == a) & (made.predicted == b)).sum(-1) for a in (0, 1) for b in (0, 1)]
    matrices = np.stack(cells, axis=-1).reshape(*truth.shape[:-1], 2, 2)
    return from_confusion(matrices), matrices


def write(path: Path, of: Simulation, made: Simulated) -> Store:
    """Write plan, records, scores and predictions as a run would."""
    store = Store(path)
    store.writable()
    store.write_plan(_plan(of))
    found, matrices = scores(of, made)
    known = {name: values for name, values in found.items() if name in METRICS}
    runs, rows, labels = [], [], []
    truth = digest(made.truth[0, 0, 0].tolist()) if of.fixed_test else ""
    for place in np.ndindex(*made.predicted.shape[:-1]):
        technique, comparison, repeat, fold = place
        key = _key(*place)
        name = _label(comparison)
        runs.append({
            "key": key, "training": f"{technique}-{comparison}", "dataset": name, "technique": NAMES[technique],
            "repeat": repeat, "fold": fold,
            "replica": 0, "status": "ok", "reason": "", "no_op": False, "rows_own": of.rows - of.rows // of.cut,
            "rows_validation": 0, "rows_test": made.truth.shape[-1], "truth": truth, "cpu_seconds": 1.0,
            "resample_seconds": 0.0, "machine": "a processor", "stack": 1, "flops": 1.0, "steps": 1, "examples": 1,
            "versions": "{}", "commit": "", "dirty": False,
        })  # fmt: skip
        test = {metric: float(values[place]) for metric, values in known.items()}
        counts = matrices[place].ravel().tolist() if matrices.size else []
        common = {"key": key, "rule": "", "rows": made.truth.shape[-1], "reason": ""}
        train = {metric: value - (0.1 if METRICS[metric].better == "lower" else -0.1) for metric, value in test.items()}
        rows += [{**common, "part": "test", **test, "confusion": counts},
                 {**common, "part": "train", **train, "confusion": []}]  # fmt: skip
        if of.fixed_test:
            own = made.predicted[place]
            values = own.astype(np.float32) if of.kind == "regression" else []
            labels.append({"key": key, "rule": "", "values": values,
                           "predicted": [] if len(values) else own.astype(np.uint8)})  # fmt: skip
    target = made.truth[0, 0, 0]
    column = target[:, None].astype(np.float32) if of.kind == "regression" else target.astype(np.int64)
    store.write("000000-all", runs, rows, labels, [], {truth: {"target": column, "day": None}} if truth else {})
    return store


def _label(comparison: int) -> str:
    return f"comparison-{comparison:04d}"


def _key(technique: int, comparison: int, repeat: int, fold: int) -> str:
    return f"{technique}-{comparison}-{repeat}-{fold}"


def _plan(of: Simulation) -> dict[str, Any]:
    regression = of.kind == "regression"
    shared = {
        "task": "regression" if regression else "classification", "kind": "table",
        "repeats": "independent" if of.kind == "independent" else "fixed", "has_test": of.kind != "folds",
        "classes": [] if regression else ["0", "1"], "class_counts": None if regression else [of.rows // 2] * 2,
        "metric": of.metric, "equivalence": 1e-9, "folds": of.cut, "folds_per_repeat": of.folds,
        "repeat_count": of.repeats, "parameters": {}, "offers": [], "absent": "", "origin": "",
    }  # fmt: skip
    places = [[repeat, fold] for repeat in range(of.repeats) for fold in range(of.folds)]
    labels = [_label(comparison) for comparison in range(of.comparisons)]
    return {
        "suite": "simulated", "question": "How often are equals told apart?", "seed": of.seed, "baseline": NAMES[0],
        "datasets": [{"label": label, "name": label, **shared} for label in labels],
        "techniques": [{"label": name, "family": "simulated"} for name in NAMES],
        "cells": [
            {"dataset": label, "technique": name, "training": f"{technique}-{comparison}", "rule": "",
             "not_applicable": "", "keys": [_key(technique, comparison, *place) for place in places],
             "repeat_fold": places}
            for comparison, label in enumerate(labels) for technique, name in enumerate(NAMES)
        ],
    }  # fmt: skip
