"""Which rows of T trials make up the batches of a training, and of what is measured again for averaged weights."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch

from bench.keys import Streams
from bench.networks.layers import Network
from bench.prediction import Rows
from bench.preparation import Prepared
from bench.recipe import Recipe

BLOCK = 64  # steps whose batches are drawn at once
REFRESH_BATCHES = 50  # at most, on which running statistics are measured again for averaged weights


def draw_batches(
    recipe: Recipe,
    labels: Sequence[np.ndarray | None],
    rows: Sequence[int],
    streams: Sequence[Streams],
    steps: int,
    purpose: str,
) -> Iterator[torch.Tensor]:
    """Yield row numbers int64 [T, B] without end, drawn from each trial's own stream ``BLOCK`` steps at a time.

    labels: of each trial's rows, None for a regression; rows: how many; steps: how many batches will be used at most.
    """
    draws = [
        recipe.batches.start(own, count, recipe.batch_size, stream.numpy(purpose), steps)
        for own, count, stream in zip(labels, rows, streams, strict=True)
    ]
    drawn = 0
    while True:
        count = min(BLOCK, max(1, steps - drawn))
        drawn += count
        yield from torch.from_numpy(np.stack([draw(count) for draw in draws], axis=1))


def plain_inputs(
    recipe: Recipe, trials: Sequence[Prepared], network: Network, inputs: Rows, count: int, purpose: str
) -> Iterator[torch.Tensor]:
    """Yield inputs [T, B, ...] of batches drawn as training draws them, from a stream of their own, not augmented.

    count: it depends on the steps alone, so that it is the same whatever trials are in the stack.
    """
    labels = [None if trial.row_prior is None else trial.targets for trial in trials]
    streams = [trial.streams for trial in trials]
    batches = draw_batches(recipe, labels, inputs.counts, streams, count, purpose)
    for _ in range(count):
        yield network.entry(inputs.at(next(batches)))
