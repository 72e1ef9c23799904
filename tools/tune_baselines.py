"""Tune the baseline of each dataset, fairly: on validation rows, under a seed that no suite uses.

    python tools/tune_baselines.py fraud sine sine-events digits cifar10

Every point of a grid (network size, learning rate, steps, decay) trains on the same worlds and folds; the mean
ranking metric on the validation rows, weighted to the target prior where it is made of counts, decides; test rows are
not scored. Writes results/baselines/<dataset>.csv,
best first. What was chosen from it stands in bench/baselines.py, with the reason in docs/baselines.md.
"""

import csv
import itertools
import sys
from pathlib import Path
from typing import Any

import numpy as np

from bench.baselines import baseline
from bench.datasets import create
from bench.datasets.base import Dataset
from bench.keys import Streams
from bench.metrics import METRICS, classification, from_confusion, regression
from bench.preparation import Prepared, prepare
from bench.process import settle_process
from bench.recipe import Recipe, apply
from bench.splits import split
from bench.stages.decisions import log_softmax
from bench.training import fit, predict

SEED = 77_001  # no suite uses it, so no world, split or initial weight of a suite is seen here
FOLDS = 5
REPEATS = {"fraud": 8, "sine-events": 8, "sine": 8, "digits": 8, "cifar10": 2}
PARAMETERS: dict[str, dict[str, Any]] = {"digits": {"imbalance": 10}}
GRIDS: dict[str, dict[str, tuple[Any, ...]]] = {
    "fraud": {
        "network.width": (32, 64, 128),
        "optimizer.lr": (3e-3, 1e-2, 3e-2),
        "optimizer.weight_decay": (1e-1, 1.0, 3.0),
        "steps": (400, 800),
    },
    "sine-events": {
        "network.width": (64, 128, 256),
        "optimizer.lr": (1e-3, 3e-3, 1e-2),
        "optimizer.weight_decay": (1e-2, 1e-1, 1.0),
        "steps": (400, 800),
    },
    "sine": {
        "network.units": (16, 32),
        "optimizer.lr": (3e-3, 1e-2, 3e-2),
        "optimizer.weight_decay": (1e-2, 1e-1),
        "steps": (200, 400),
    },
    "digits": {
        "network.width": (64, 128, 256),
        "optimizer.lr": (1e-3, 3e-3, 1e-2),
        "optimizer.weight_decay": (1e-2, 1e-1, 1.0),
        "steps": (200, 400),
    },
    "cifar10": {
        "network.width": (16,),
        "optimizer.lr": (3e-3, 1e-2, 3e-2),
        "optimizer.weight_decay": (1e-2, 1e-1, 1.0),
        "steps": (400,),
    },
}


def trials(dataset: Dataset, recipe: Recipe) -> list[Prepared]:
    """Return one prepared trial per repeat, its fold rotating."""
    ready = []
    for repeat in range(REPEATS[dataset.name]):
        fold = repeat % FOLDS
        data = dataset.make(SEED, repeat)
        parts = split(dataset, data, FOLDS, SEED, repeat, fold)
        ready.append(prepare(dataset, data, parts, recipe, Streams(SEED, dataset.name, repeat, fold)))
    return ready


def score(dataset: Dataset, recipe: Recipe, stack: list[Prepared]) -> tuple[float, float]:
    """Return the mean ranking metric on validation rows over the trials, and CPU seconds per trial."""
    outputs = len(dataset.classes()) or stack[0].targets.shape[1]
    groups = [stack] if recipe.network.stacks else [[one] for one in stack]
    scores, seconds = [], 0.0
    for group in groups:
        done = fit(recipe, group, outputs, recipe.steps)
        seconds += done.seconds * len(group)
        logits = predict(done.network, [one.validation_inputs for one in group])
        for one, output in zip(group, logits, strict=True):
            scores.append(_metric(dataset, one, output))
    return float(np.mean(scores)), seconds / len(stack)


def _metric(dataset: Dataset, one: Prepared, output: np.ndarray) -> float:
    if dataset.task == "regression":
        return regression(one.validation_targets, output, 1.0)[dataset.metric]
    found = log_softmax(output.astype(np.float64))
    true, predicted, classes = one.validation_targets, found.argmax(1), output.shape[1]
    if METRICS[dataset.metric].kind == "count":
        cells = np.bincount(true * classes + predicted, one.validation_weights, classes**2)
        return float(from_confusion(cells.reshape(classes, classes))[dataset.metric])
    return classification(true, found, predicted, None)[0][dataset.metric]


def tune(name: str) -> None:
    """Score the grid of one dataset and write it, best first."""
    dataset = create(name, PARAMETERS.get(name, {}))
    base = baseline(dataset)
    stack = trials(dataset, base)
    grid = GRIDS[name]
    rows = []
    for values in itertools.product(*grid.values()):
        point = dict(zip(grid, values, strict=True))
        mean, seconds = score(dataset, apply(base, point), stack)
        rows.append({**point, f"validation {dataset.metric}": round(mean, 5), "seconds": round(seconds, 3)})
        sys.stdout.write(f"{name}: {rows[-1]}\n")
        sys.stdout.flush()
    rows.sort(key=lambda row: row[f"validation {dataset.metric}"], reverse=METRICS[dataset.metric].better == "higher")
    target = Path("results/baselines") / f"{name}.csv"
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    settle_process()
    for chosen in sys.argv[1:] or GRIDS:
        tune(chosen)
