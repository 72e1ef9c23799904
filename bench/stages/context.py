"""What a stage may know when a stack starts: the sizes, the class counts that the loss will see, and random streams.

T trials, B rows per batch, C classes (or K targets of a regression).
"""

import functools
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bench.keys import Streams

if TYPE_CHECKING:
    import numpy as np
    import torch


@dataclass
class Context:
    """The stack a stage works in.

    inputs, targets  each trial's own training rows: lists of T arrays, [N_t, ...] and [N_t] or [N_t, K]
    seen             class shares float64 [T, C] that reach the loss (after resampling and batch sampling)
    outputs          C for classification, K for regression
    pixels           mean and standard deviation of each channel of images, float32 [T, 2, channels]; else None
    mirrors          an image and its mirror image show the same class
    prefix           what purposes of random streams begin with, where something is drawn beside the training's own
    """

    inputs: "list[np.ndarray]"
    targets: "list[np.ndarray]"
    seen: "np.ndarray | None"
    outputs: int
    regression: bool
    streams: list[Streams]
    device: "torch.device"
    pixels: "np.ndarray | None" = None
    mirrors: bool = False
    prefix: str = ""
    _generators: "dict[str, list[torch.Generator]]" = field(default_factory=dict)

    @property
    def trials(self) -> int:
        """Return T."""
        return len(self.streams)

    def generators(self, purpose: str) -> "list[torch.Generator]":
        """Return each trial's generator for a purpose; asking again continues the same streams."""
        if purpose not in self._generators:
            self._generators[purpose] = [streams.torch(self.prefix + purpose) for streams in self.streams]
        return self._generators[purpose]

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Draw without a trace: afterwards every random stream stands where it stood before."""
        before = {purpose: [one.get_state() for one in streams] for purpose, streams in self._generators.items()}
        yield
        for purpose in [*self._generators]:
            if purpose not in before:
                del self._generators[purpose]
                continue
            for generator, state in zip(self._generators[purpose], before[purpose], strict=True):
                generator.set_state(state)

    def normal(self, purpose: str, shape: tuple[int, ...]) -> "torch.Tensor":
        """Return standard normal draws [T, *shape], each trial's from its own stream."""
        import torch

        out = torch.empty((self.trials, *shape))
        for row, generator in zip(out, self.generators(purpose), strict=True):
            row.normal_(generator=generator)
        return out.to(self.device)

    def integers(self, purpose: str, low: int, high: int, shape: tuple[int, ...]) -> "torch.Tensor":
        """Return integers in [low, high) as int64 [T, *shape], each trial's from its own stream."""
        import torch

        out = torch.empty((self.trials, *shape), dtype=torch.int64)
        for row, generator in zip(out, self.generators(purpose), strict=True):
            row.random_(low, high, generator=generator)
        return out.to(self.device)

    def octets(self, purpose: str, count: int) -> "torch.Tensor":
        """Return ``count`` uniform random bytes per trial as uint8 [T, count], eight from each 64-bit draw.

        Drawing floats instead makes a step with dropout about three times as slow.
        """
        import torch

        return self._words(purpose, -(-count // 8)).view(torch.uint8)[:, :count].to(self.device)

    def quick_normal(self, purpose: str, shape: tuple[int, ...]) -> "torch.Tensor":
        """Return standard normal draws [T, *shape] of 65,536 equally likely levels, four from each 64-bit draw.

        They take half of the time of ``normal``, and end at 4.3 standard deviations. Noise that is added afresh in
        every step has no use for more.
        """
        import torch

        count = math.prod(shape)
        words = self._words(purpose, -(-count // 4)).view(torch.uint16)[:, :count]
        levels = _quantiles().index_select(0, words.to(torch.int64).flatten())
        return levels.view(self.trials, *shape).to(self.device)

    def _words(self, purpose: str, count: int) -> "torch.Tensor":
        """Return uniform 64-bit draws int64 [T, count], each trial's from its own stream."""
        import torch

        words = torch.empty((self.trials, count), dtype=torch.int64)
        for row, generator in zip(words, self.generators(purpose), strict=True):
            row.random_(-(2**63), None, generator=generator)
        return words

    def class_weights(self, power: float) -> "np.ndarray":
        """Return n_c^power up to a factor, as float64 [T, C], from the shares seen.

        Raises ValueError where a class has no training row.
        """
        return self.require_seen() ** power

    def require_seen(self) -> "np.ndarray":
        """Return the shares seen, or raise ValueError where they do not exist or a class is empty."""
        if self.seen is None:
            raise ValueError("this loss needs class labels; the task is a regression")
        if (self.seen <= 0).any():
            empty = int((self.seen <= 0).any(axis=0).argmax())
            raise ValueError(f"class {empty} has no training row, so its weight or prior is undefined")
        return self.seen


@functools.cache
def _quantiles() -> "torch.Tensor":
    """Return 65,536 levels float32 in rising order: the normal's quantiles at the middles of as many equal shares.

    Scaled so that their variance is 1; without that it would be 0.99998.
    """
    import torch

    middles = (torch.arange(65_536, dtype=torch.float64) + 0.5) / 65_536
    levels = torch.special.ndtri(middles)
    return (levels / levels.square().mean().sqrt()).float()
