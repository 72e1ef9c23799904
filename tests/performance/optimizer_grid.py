"""A grid of learning rates: several rates in one stack against a stack for each rate and against a plain loop.

    python -m tests.performance.optimizer_grid [--steps 60]

For each optimizer that stacks: CPU microseconds per trial and step on the baseline of ``fraud`` (MLP 16-64-64-2, batch
256), one thread, 13 rates x 5 repeats. *together*: all 65 in one stack; *apart*: 13 stacks of 5; *plain*: a torch model
and the library's optimizer, one trial at a time. Four of the rates stand for 13 in the latter two. In turns, so that
a machine that slows down does so for all.
"""

import argparse
import dataclasses
import time
from collections.abc import Sequence

import torch
from torch import nn

from bench import training
from bench.baselines import baseline
from bench.catalogue.optimizers import RATES
from bench.datasets import create
from bench.keys import Streams
from bench.preparation import Prepared, prepare
from bench.process import denormals_flushed, settle_process
from bench.recipe import Recipe
from bench.splits import split
from bench.stages.optimizers import Optimizer
from tests import reference
from tests.test_optimizers import LIBRARY, STACKING

REPEATS = 5
SOME = RATES[1::3]


def trials() -> list[Prepared]:
    """Return one prepared trial for each repeat."""
    dataset = create("fraud", {})
    made = []
    for repeat in range(REPEATS):
        data = dataset.make(1, repeat)
        parts = split(dataset, data, 5, 1, repeat, 0)
        made.append(prepare(dataset, data, parts, baseline(dataset), Streams(1, "fraud", repeat, 0)))
    return made


def fitted(recipe: Recipe, rows: Sequence[Prepared], stages: Sequence[Optimizer]) -> float:
    """Return CPU microseconds per trial and step of a stack in which each trial has its own optimizer."""
    fit = training.fit(recipe, rows, 2, recipe.steps, optimizers=stages)
    return 1e6 * fit.seconds / recipe.steps


@denormals_flushed()
def plain(recipe: Recipe, trial: Prepared, name: str, rate: float) -> float:
    """Return CPU microseconds per step of a plain loop."""
    context = training._context(recipe, [trial], 2, torch.device("cpu"))
    model = reference.mlp_like(recipe.network.build(trial.inputs.shape[1:], context))
    optimizer = LIBRARY[name](list(model.parameters()), rate)
    getattr(optimizer, "train", lambda: None)()
    rng, count = trial.streams.numpy("batches"), len(trial.inputs)
    order = reference.epochs_of_batches(rng, count, recipe.batch_size, recipe.steps)
    began = time.thread_time()
    reference.train(model, optimizer, trial.inputs, trial.targets, order, nn.CrossEntropyLoss())
    return 1e6 * (time.thread_time() - began) / recipe.steps


def main() -> None:
    """Measure every optimizer that stacks and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=60, help="optimizer steps of each trial")
    steps = parser.parse_args().steps
    settle_process()
    rows, base = trials(), dataclasses.replace(baseline(create("fraud", {})), steps=steps)
    sums = [0.0, 0.0, 0.0]
    print("optimizer | together | apart | plain | plain over together")
    for name, stage in STACKING.items():
        recipe = dataclasses.replace(base, optimizer=stage)
        every = [dataclasses.replace(stage, lr=rate) for rate in RATES for _ in rows]
        fitted(dataclasses.replace(recipe, steps=2), rows, every[:REPEATS])  # what is loaded at first use
        each = [dataclasses.replace(stage, lr=rate) for rate in SOME]
        measured = [
            fitted(recipe, rows * len(RATES), every),
            sum(fitted(recipe, rows, [one] * REPEATS) for one in each) / len(each),
            sum(plain(recipe, rows[0], name, rate) for rate in SOME) / len(each),
        ]
        print(f"{name} | {' | '.join(f'{one:.0f}' for one in measured)} | {measured[2] / measured[0]:.2f}", flush=True)
        sums = [total + one for total, one in zip(sums, measured, strict=True)]
    means = [total / len(STACKING) for total in sums]
    print(f"mean | {' | '.join(f'{one:.0f}' for one in means)} | {means[2] / means[0]:.2f}")


if __name__ == "__main__":
    main()
