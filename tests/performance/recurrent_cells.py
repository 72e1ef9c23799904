"""Recurrent cells: time per trial and step of this project's loop against bare kernels, in one process and run.

    python -m tests.performance.recurrent_cells

For each network: ``library``, torch's own layer with tensors in place (forward, backward, optimizer step) one trial at
a time; ``stacked``, this project's module stepped bare, many trials at once; ``bench``, the whole loop (batches
gathered, losses, schedule, clipping, progress), validation apart. Length 50, 32 units, batch 64, one thread.
skorch trains the library's layer under its own loop.
"""

import dataclasses
import time
from collections.abc import Callable

import numpy as np
import torch
from skorch import NeuralNetClassifier
from torch import nn

from bench import training
from bench.baselines import BASELINES
from bench.keys import Streams
from bench.networks.specs import Gru, Lstm, NetworkSpec, Rnn
from bench.preparation import Prepared
from bench.process import settle_process
from bench.recipe import Recipe
from bench.stages.context import Context
from bench.stages.losses import CrossEntropy
from bench.stages.preprocessing import Fitted

LENGTH, UNITS, BATCH, CLASSES, ROWS, STEPS, STACK = 50, 32, 64, 6, 2000, 60, 20


def trial(seed: int) -> Prepared:
    """One prepared trial of random windows."""
    rng = np.random.default_rng(seed)
    inputs = rng.normal(size=(ROWS, LENGTH, 1)).astype(np.float32)
    targets = rng.integers(0, CLASSES, ROWS)
    shares = np.full(CLASSES, 1 / CLASSES)
    same = Fitted(lambda x: x, lambda x: x, lambda x: x)
    few = slice(0, 100)
    return Prepared(
        Streams(1, "speed", seed, 0), np.arange(ROWS), inputs, targets, inputs[few], targets[few], inputs[few],
        targets[few], np.ones(100), shares, shares, shares, shares, same, False, 0.0, 0.0,
    )  # fmt: skip


class LastState(nn.Module):
    """torch's layer and a linear head on its last output."""

    def __init__(self, kind: Callable[..., nn.Module]) -> None:
        super().__init__()
        self.layer = kind(1, UNITS, batch_first=True)
        self.head = nn.Linear(UNITS, CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits of windows [B, L, 1]."""
        return self.head(self.layer(x)[0][:, -1])


def library(kind: Callable[..., nn.Module]) -> float:
    """Microseconds per step of the bare library kernel."""
    model = LastState(kind)
    optimizer = torch.optim.AdamW(model.parameters(), fused=True)
    x, y = torch.randn(BATCH, LENGTH, 1), torch.randint(0, CLASSES, (BATCH,))
    return _step_time(lambda: nn.functional.cross_entropy(model(x), y), optimizer)


def stacked(spec: NetworkSpec, trials: int) -> float:
    """Microseconds per trial and step of this project's module, stepped bare."""
    streams = [Streams(1, "speed", index, 0) for index in range(trials)]
    context = Context([], [], None, CLASSES, False, streams, torch.device("cpu"))
    network = spec.build((LENGTH, 1), context)
    optimizer = torch.optim.AdamW(network.parameters(), foreach=False)
    x, y = torch.randn(trials, BATCH, LENGTH, 1), torch.randint(0, CLASSES, (trials, BATCH))
    loss = CrossEntropy().begin(context)
    return _step_time(lambda: loss(network(x, training=True), y).sum(), optimizer) / trials


def _step_time(loss, optimizer: torch.optim.Optimizer) -> float:
    began = 0.0
    for step in range(STEPS + 10):
        if step == 10:
            began = time.thread_time()
        optimizer.zero_grad(set_to_none=True)
        loss().backward()
        optimizer.step()
    return 1e6 * (time.thread_time() - began) / STEPS


def loop(recipe: Recipe, stack: list[Prepared]) -> float:
    """Microseconds per trial and step of the whole loop, validation apart."""
    training.fit(recipe, stack, CLASSES, 5)
    return 1e6 * training.fit(recipe, stack, CLASSES, STEPS).seconds / STEPS


def with_skorch(kind: Callable[..., nn.Module], one: Prepared) -> float:
    """Microseconds per step of skorch, validation off."""
    net = NeuralNetClassifier(
        LastState(kind), criterion=nn.CrossEntropyLoss, optimizer=torch.optim.AdamW, batch_size=BATCH,
        max_epochs=2, train_split=None, iterator_train__shuffle=True, verbose=0,
    )  # fmt: skip
    net.initialize()
    net.partial_fit(one.inputs[:BATCH], one.targets[:BATCH])
    began = time.thread_time()
    net.partial_fit(one.inputs, one.targets)
    return 1e6 * (time.thread_time() - began) / (2 * -(-ROWS // BATCH))


def main() -> None:
    """Print a row per network."""
    settle_process()
    trials = [trial(seed) for seed in range(STACK)]
    base = dataclasses.replace(BASELINES["sine-events"], batch_size=BATCH)
    print("microseconds per trial and step: library, stacked, bench; bench / faster bare one; skorch / bench")
    kinds: tuple[tuple[NetworkSpec, Callable[..., nn.Module]], ...] = (
        (Rnn(units=UNITS), nn.RNN), (Gru(units=UNITS), nn.GRU), (Lstm(units=UNITS), nn.LSTM),
    )  # fmt: skip
    for spec, kind in kinds:
        many = STACK if spec.stacks else 1
        bare, ours = library(kind), stacked(spec, many)
        whole = loop(dataclasses.replace(base, network=spec), trials[:many])
        theirs = with_skorch(kind, trials[0])
        faster = min(bare, ours)
        times = f"{bare:6.0f} {ours:6.0f} {whole:6.0f}"
        print(f"{spec.kind:5} {times}   {whole / faster:.2f} times   {theirs / whole:.1f} times")


if __name__ == "__main__":
    main()
