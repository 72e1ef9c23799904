"""One fraud cell (the baseline, 5 folds of several worlds) three ways, in one run, on the same rows and steps.

    python -m tests.performance.fraud_cell [--repeats 8]

skorch     skorch under an imbalanced-learn pipeline (scaler, net) and scikit-learn's cross_validate(n_jobs=2)
plain      a loop over trials: tensors indexed directly, fused AdamW, no loader, in two processes; training,
           validation and test rows scored by scikit-learn at the end (five metrics)
bench      this project: stacks on a local cluster of two workers; planning, ten validations, scoring and storing
           included
No clock counts the making of the worlds or the starting of processes. All train the same network, batch, steps and
folds. Prints seconds per trial and the ratios. Needs `pip install -e '.[performance]'`.
"""

import argparse
import dataclasses
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import torch
from imblearn.pipeline import make_pipeline
from sklearn.model_selection import PredefinedSplit, cross_validate
from sklearn.preprocessing import StandardScaler
from skorch import NeuralNetClassifier
from skorch.callbacks import LRScheduler
from torch import nn

from bench import execution, runner
from bench.datasets import create
from bench.plan import filter_plan, make_plan
from bench.splits import split
from bench.store import Store
from bench.suitefile import load_suite
from tests.performance import plain
from tests.performance.plain import BATCH, network

FOLDS, STEPS, LR, DECAY = 5, 800, 1e-2, 1.0
SEED = 99


def world(repeat: int):
    """One world and its five splits."""
    dataset = create("fraud", {})
    data = dataset.make(SEED, repeat)
    return data, [split(dataset, data, FOLDS, SEED, repeat, fold) for fold in range(FOLDS)]


def with_skorch(worlds) -> float:
    """Seconds for one repeat's five folds, times the number of repeats."""
    data, splits = worlds[0]
    rows = len(splits[0].train)
    epochs = max(1, round(STEPS * BATCH / rows))
    net = NeuralNetClassifier(
        network(),
        criterion=nn.CrossEntropyLoss,
        optimizer=torch.optim.AdamW,
        optimizer__weight_decay=DECAY,
        lr=LR,
        batch_size=BATCH,
        max_epochs=epochs,
        train_split=None,
        iterator_train__shuffle=True,
        iterator_train__drop_last=True,
        callbacks=[LRScheduler(torch.optim.lr_scheduler.CosineAnnealingLR, T_max=epochs)],
        verbose=0,
    )
    labels = np.full(len(data.targets), -1)
    for fold, parts in enumerate(splits):
        labels[parts.validation] = fold
    cross_validate(
        make_pipeline(StandardScaler(), net), data.inputs, data.targets, cv=PredefinedSplit(labels), n_jobs=2,
        scoring=("average_precision", "roc_auc", "f1_macro", "neg_log_loss"),
    )  # fmt: skip
    return epochs * (rows // BATCH) / STEPS  # the share of the steps that whole epochs came to


def plain_trial(job) -> float:
    """Train and score one trial the plain way."""

    def begin(parameters: list[torch.Tensor]) -> torch.optim.Optimizer:
        return torch.optim.AdamW(parameters, lr=LR, weight_decay=DECAY, fused=True)

    data, parts = job
    return plain.trial(data, parts, STEPS, begin, torch.optim.lr_scheduler.CosineAnnealingLR)


def main() -> None:
    """Measure the three ways in turn and print the ratios."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--repeats", type=int, default=8)
    repeats = parser.parse_args().repeats
    worlds = [world(repeat) for repeat in range(repeats)]
    jobs = [(data, parts) for data, splits in worlds for parts in splits]
    trials = len(jobs)

    began = time.perf_counter()
    done = with_skorch(worlds)
    skorch = (time.perf_counter() - began) / FOLDS / done

    with ProcessPoolExecutor(2) as pool:
        list(pool.map(plain_trial, jobs[:2]))  # start the processes before the clock
        began = time.perf_counter()
        list(pool.map(plain_trial, jobs))
        looped = (time.perf_counter() - began) / trials

    suite = load_suite("suites/imbalance.yaml")
    fraud = dataclasses.replace(suite.datasets[0], repeats=repeats, folds=FOLDS, folds_per_repeat=FOLDS)
    suite = dataclasses.replace(suite, seed=SEED, datasets=(fraud,))
    plan = filter_plan(make_plan(suite), "technique=baseline")

    class Clock:
        """Notes when the first job was handed out; the workers stand by then."""

        def started(self, jobs) -> None:
            self.jobs = len(jobs)

        def stored(self, job, part) -> None:
            rows = part.runs
            self.worker = getattr(self, "worker", 0.0) + sum(
                row["cpu_seconds"] + row["evaluate_seconds"] + row["prepare_seconds"] + row["score_seconds"]
                for row in rows
            )
            self.overhead = getattr(self, "overhead", 0.0) + sum(row["score_seconds"] for row in rows)

    with tempfile.TemporaryDirectory() as folder, execution.local_cluster(2) as cluster:
        execute = execution.remote(cluster)
        other = filter_plan(make_plan(suite), "technique=dropout")  # leaves the worlds in the workers' memory
        runner.run(other, Store(Path(folder) / "warm"), execute, Clock())
        clock = Clock()
        began = time.perf_counter()
        runner.run(plan, Store(Path(folder) / "run"), execute, clock)
        bench = (time.perf_counter() - began) / trials
    print(f"{trials} trials of {STEPS} steps, seconds per trial on two cores")
    print(f"skorch  {skorch:.3f}   {skorch / bench:.1f} times bench")
    print(f"plain   {looped:.3f}   {looped / bench:.1f} times bench")
    print(f"bench   {bench:.3f}   worker CPU {clock.worker / trials:.3f}, of it scoring {clock.overhead / trials:.4f}")


if __name__ == "__main__":
    main()
