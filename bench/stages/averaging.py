"""Slot ``stopping``: keep an average of the weights over steps instead of the last ones.

Training goes on untouched: the optimizer never sees the average, nor do validations and the learning curve, which are
of the running weights. The average is put in after the last step, and the running statistics of batch normalisation,
which belong to weights, are then measured again for it. The averaging itself is torch's AveragedModel.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from bench.stages.base import require
from bench.stages.stopping import Stopping

if TYPE_CHECKING:
    import torch

    from bench.networks.layers import Network


class Average:
    """An average of a network's parameters, each [T, ...], over the steps from number ``first`` (from 0) on."""

    def __init__(self, network: "Network", first: int, decay: float | None = None) -> None:
        """Start; plain mean without a decay, else exponential."""
        from torch.nn import ParameterList
        from torch.optim.swa_utils import AveragedModel, get_swa_multi_avg_fn

        self._first = first
        self._parameters = list(network.parameters())
        self._running = ParameterList(self._parameters)  # AveragedModel copies what it is given: weights and no rows
        if decay is None:
            self._averaged = AveragedModel(self._running, multi_avg_fn=get_swa_multi_avg_fn())
        else:
            self._averaged = AveragedModel(self._running, avg_fn=_exponential(decay))

    def update(self, step: int) -> None:
        """Take in the weights after a step."""
        if step >= self._first:
            self._averaged.update_parameters(self._running)

    def put(self) -> bool:
        """Put the average into the network; return False, and leave it, where training ended before the first."""
        import torch

        if not self._averaged.n_averaged:
            return False
        with torch.no_grad():
            for own, averaged in zip(self._parameters, self._averaged.parameters(), strict=True):
                own.copy_(averaged)
        return True


def _exponential(decay: float) -> "Callable[[torch.Tensor, torch.Tensor, torch.Tensor | int], torch.Tensor]":
    """Return (average, weights, updates so far) -> average, as AveragedModel takes it."""

    def update(average: "torch.Tensor", weights: "torch.Tensor", updates: "torch.Tensor | int") -> "torch.Tensor":
        return average.lerp(weights, 1 - warmed(decay, int(updates)))

    return update


def warmed(decay: float, updates: int) -> float:
    """Return the decay after a number of updates: min(decay, (1 + updates) / (10 + updates))."""
    return min(decay, (1 + updates) / (10 + updates))


@dataclass(frozen=True)
class Swa(Stopping):
    """Stochastic weight averaging: the plain mean of the weights after each step from ``start`` on. Izmailov 2018.

    They average once per epoch under a constant or cyclic rate, so that the weights keep wandering; here every step
    counts, and the recipe's schedule goes on as it is.

    start: fraction of the steps after which averaging begins.
    """

    kind: ClassVar[str] = "swa"
    start: float = 0.75

    def __post_init__(self) -> None:
        """Check the start."""
        require(0 <= self.start < 1, f"start must be at least 0 and below 1, got {self.start}")

    def average(self, network: "Network", steps: int) -> Average:
        """Return the mean from the start on; the last step always counts."""
        return Average(network, min(int(self.start * steps), steps - 1))


@dataclass(frozen=True)
class Ema(Stopping):
    """Exponential moving average of the weights: a <- d a + (1 - d) w after each step. Polyak and Juditsky 1992.

    d is the smaller of ``decay`` and (1 + t) / (10 + t) after t updates, as in TensorFlow's
    ExponentialMovingAverage with num_updates: after 400 steps a plain 0.999 would still be two thirds first weights.
    Until t = 10 decay / (1 - decay) or so the decay has no say: 0.999 is reached after 9,000 steps, 0.99 after 900, 0.9
    after 80. At decay 0 the last weights are kept as they are.
    """

    kind: ClassVar[str] = "ema"
    decay: float = 0.999

    def __post_init__(self) -> None:
        """Check the decay."""
        require(0 <= self.decay < 1, f"decay must be at least 0 and below 1, got {self.decay}")

    def average(self, network: "Network", steps: int) -> Average | None:
        """Return the moving average, or None where it is the last weights."""
        return Average(network, 0, self.decay) if self.decay > 0 else None
