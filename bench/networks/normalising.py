"""Normalisation with a trial axis: activations [T, ..., H] of H units, gain and bias of each trial's own.

Names of gain and bias do not end in 'weight': they are never penalised and do not decay.
"""

from typing import Any

import torch
from torch import nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

MOMENTUM = 0.1  # of the running statistics, and EPSILON below, as torch's defaults
EPSILON = 1e-5


class Running(nn.Module):
    """Base of what may keep running statistics: buffers mean and variance [T, H], from training batches only.

    momentum: the share that the newest batch has in them.
    """

    mean: torch.Tensor
    variance: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.momentum = MOMENTUM

    def track(self, trials: int, units: int, device: torch.device) -> None:
        """Begin with mean 0 and variance 1."""
        self.register_buffer("mean", torch.zeros(trials, units, device=device))
        self.register_buffer("variance", torch.ones(trials, units, device=device))

    @property
    def tracks(self) -> bool:
        """Return whether there are running statistics."""
        return "mean" in self._buffers


class Unnormalised(nn.Module):
    """Leaves activations as they are."""

    def forward(self, x: torch.Tensor, training: bool) -> torch.Tensor:
        """Return x."""
        return x


class BatchNorm(Running):
    """torch.nn.BatchNorm1d per trial: over the batch, and over every axis between it and the units (Ioffe 2015)."""

    def __init__(self, trials: int, units: int, device: torch.device) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(trials, 1, units, device=device))
        self.bias = nn.Parameter(torch.zeros(trials, 1, units, device=device))
        self.track(trials, units, device)

    def forward(self, x: torch.Tensor, training: bool) -> torch.Tensor:
        """Return x [T, ..., H] normalised; running statistics follow in training and are used otherwise.

        Raises ValueError for a training batch of a single value of each unit, which has no variance.
        """
        flat = x.flatten(1, -2)
        if not training:
            scale = (self.variance[:, None] + EPSILON).rsqrt() * self.gain
            return torch.addcmul(self.bias, flat - self.mean[:, None], scale).view(x.shape)
        rows = flat.shape[1]
        if rows < 2:
            raise ValueError("batch normalisation needs at least 2 rows in a batch, got 1")
        y, mean, variance = _Normalise.apply(flat, self.gain, self.bias)
        self._follow(self.mean, mean)
        self._follow(self.variance, variance * (rows / (rows - 1)))
        return y.view(x.shape)

    @torch.no_grad()
    def _follow(self, running: torch.Tensor, newest: torch.Tensor) -> None:
        # Products, then a sum: one call with alpha or lerp rounds otherwise where a vector of numbers is not full.
        running.mul_(1 - self.momentum).add_(newest.squeeze(1) * self.momentum)


class _Normalise(torch.autograd.Function):
    """Batch normalisation over axis 1 with its gradient by hand: half the time of what autograd makes of it."""

    @staticmethod
    def forward(
        ctx: Any, x: torch.Tensor, gain: torch.Tensor, bias: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return y [T, N, H], and mean and biased variance [T, 1, H] of x [T, N, H]."""
        mean = x.mean(1, keepdim=True)
        centred = x - mean
        variance = centred.square().mean(1, keepdim=True)
        inverse = (variance + EPSILON).rsqrt()
        ctx.save_for_backward(centred, inverse, gain)
        ctx.mark_non_differentiable(mean, variance)
        return torch.addcmul(bias, centred, inverse * gain), mean, variance

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, *gradients: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return the gradients of x, gain and bias (Ioffe 2015, section 3)."""
        centred, inverse, gain = ctx.saved_tensors
        of_y, rows = gradients[0], centred.shape[1]
        of_bias = of_y.sum(1, keepdim=True)
        of_gain = (of_y * centred).sum(1, keepdim=True).mul_(inverse)
        of_x = torch.addcmul(of_y - of_bias / rows, centred, of_gain * inverse / -rows)
        return of_x.mul_(inverse * gain), of_gain, of_bias


class LayerNorm(nn.Module):
    """torch.nn.LayerNorm over the units of each example, with gain and bias per trial (Ba 2016)."""

    def __init__(self, trials: int, units: int, device: torch.device) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(trials, 1, units, device=device))
        self.bias = nn.Parameter(torch.zeros(trials, 1, units, device=device))

    def forward(self, x: torch.Tensor, training: bool) -> torch.Tensor:
        """Return x [T, ..., H] normalised, in training and at evaluation alike."""
        normalised = functional.layer_norm(x.flatten(1, -2), x.shape[-1:], eps=EPSILON)
        return torch.addcmul(self.bias, normalised, self.gain).view(x.shape)


def normaliser(normalisation: str, trials: int, units: int, device: torch.device) -> nn.Module:
    """Return the module for a spec's ``normalisation``."""
    kinds = {"batch": BatchNorm, "layer": LayerNorm}
    return kinds[normalisation](trials, units, device) if normalisation in kinds else Unnormalised()
