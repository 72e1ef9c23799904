"""Slot ``updates``: what happens to weights and gradients around an optimizer step.

A step calls the hooks of all updates in this order, and within a hook in the order in which the recipe lists them:

1. ``before_forward``  the weights that the pass will see are changed (weight noise)
2. the forward and backward pass
3. ``recompute``       the gradient is taken again elsewhere (SAM), from the weights of the pass
4. ``restore``         the weights are put back, the last change first
5. ``before_step``     the gradients are changed, one update after another (gradient noise, clipping)
6. the optimizer's step
7. ``after_step``      the new weights are changed (max-norm)

So noise listed before clipping is clipped, and noise listed after it is not. Every parameter and gradient is [T, ...],
and whatever is done to a trial depends on its own values alone.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from bench.stages.base import Stage, require

if TYPE_CHECKING:
    import torch

    from bench.networks.layers import Network
    from bench.stages.context import Context


class Updater:
    """An update at work on one stack. A hook that an update has no use for does nothing."""

    def before_forward(self) -> None:
        """Change the weights for the coming pass."""

    def recompute(self, again: Callable[[], object]) -> None:
        """Replace the gradients. ``again`` runs another forward and backward pass on the same batch."""

    def restore(self) -> None:
        """Put back weights that were changed for the pass, to the bit."""

    def before_step(self) -> None:
        """Change the gradients in place."""

    def after_step(self) -> None:
        """Change the weights that the step gave."""


@dataclass(frozen=True)
class Update(Stage):
    """Base of the updates."""

    def begin(self, context: "Context", network: "Network") -> Updater:
        """Return the update at work on one stack."""
        raise NotImplementedError


@dataclass(frozen=True)
class ClipNorm(Update):
    """Scale each trial's gradient so that its norm over all parameters is at most ``maximum``.

    The norm is taken per trial: torch's clip_grad_norm_ would take one over the whole stack. Source: Pascanu 2013.
    """

    kind: ClassVar[str] = "clip-norm"
    maximum: float = 1.0

    def __post_init__(self) -> None:
        """Check the maximum."""
        require(self.maximum > 0, f"maximum must be above 0, got {self.maximum}")

    def begin(self, context: "Context", network: "Network") -> Updater:
        """Return the clipping."""
        return _Clip(list(network.parameters()), self.maximum)


class _Clip(Updater):
    def __init__(self, parameters: "Sequence[torch.Tensor]", maximum: float) -> None:
        self._parameters, self._maximum = parameters, maximum

    def before_step(self) -> None:
        gradients = gradients_of(self._parameters)
        factor = (self._maximum / (norms(gradients) + 1e-6)).clamp(max=1.0)
        for gradient in gradients:
            gradient.mul_(along(factor, gradient))


@dataclass(frozen=True)
class GradientNoise(Update):
    """Gaussian noise on every gradient, in units of the standard deviation of that parameter tensor's own gradient.

    Source: Neelakantan 2015, who add noise of one absolute variance, falling with the step as eta / (1 + t)^0.55.
    Here it is relative, per tensor and trial, so that one setting fits every network and loss, and it falls as the
    gradient does. A tensor of one value has no spread and gets no noise.

    sigma: in those standard deviations.
    """

    kind: ClassVar[str] = "gradient-noise"
    sigma: float = 1.0

    def __post_init__(self) -> None:
        """Check sigma."""
        require(self.sigma >= 0, f"sigma must be at least 0, got {self.sigma}")

    def begin(self, context: "Context", network: "Network") -> Updater:
        """Return the noise, or nothing at sigma 0."""
        return _GradientNoise(context, list(network.parameters()), self.sigma) if self.sigma else Updater()


class _GradientNoise(Updater):
    def __init__(self, context: "Context", parameters: "Sequence[torch.Tensor]", sigma: float) -> None:
        self._context, self._parameters, self._sigma = context, parameters, sigma

    def before_step(self) -> None:
        add_noise(gradients_of(self._parameters), self._sigma, self._context, "gradient noise")


@dataclass(frozen=True)
class MaxNorm(Update):
    """Scale the incoming weights of every unit so that their norm is at most ``maximum``, after each step.

    Biases are left alone; output units count. Source: Srivastava 2014, section 5.1 and A.4 (hidden units, 3 to 4: here
    that would bind nothing, since the baselines' units end at norms of 0.6 to 2).
    """

    kind: ClassVar[str] = "max-norm"
    maximum: float = 1.0

    def __post_init__(self) -> None:
        """Check the maximum."""
        require(self.maximum > 0, f"maximum must be above 0, got {self.maximum}")

    def begin(self, context: "Context", network: "Network") -> Updater:
        """Return the projection."""
        return _MaxNorm(network, self.maximum)


class _MaxNorm(Updater):
    def __init__(self, network: "Network", maximum: float) -> None:
        self._network, self._maximum = network, maximum

    def after_step(self) -> None:
        import torch

        with torch.no_grad():
            for weights in self._network.per_unit():  # [T, units, incoming]
                length = weights.square().sum(2, keepdim=True).sqrt()
                weights.mul_((self._maximum / length).clamp(max=1.0))


def gradients_of(parameters: "Sequence[torch.Tensor]") -> "list[torch.Tensor]":
    """Return the gradients there are."""
    return [p.grad for p in parameters if p.grad is not None]


def norms(tensors: "Sequence[torch.Tensor]") -> "torch.Tensor":
    """Return the norm over several tensors [T, ...] together, per trial: [T]."""
    import torch

    return torch.stack([t.flatten(1).square().sum(1) for t in tensors]).sum(0).sqrt()


def along(factor: "torch.Tensor", tensor: "torch.Tensor") -> "torch.Tensor":
    """Return one factor per trial, [T], in a shape that multiplies a tensor [T, ...]."""
    return factor.view(-1, *[1] * (tensor.dim() - 1))


def add_noise(tensors: "Sequence[torch.Tensor]", sigma: float, context: "Context", purpose: str) -> None:
    """Add Gaussian noise to tensors [T, ...] in place, in units of each tensor's own standard deviation per trial."""
    import torch

    sizes = [t[0].numel() for t in tensors]
    draws = context.normal(purpose, (sum(sizes),)).split(sizes, 1)  # one draw per trial: a call costs more than a value
    with torch.no_grad():
        for tensor, draw in zip(tensors, draws, strict=True):
            values = tensor.flatten(1)
            spread = (values - values.mean(1, keepdim=True)).square().mean(1).sqrt()
            tensor.add_(draw.view(tensor.shape).mul_(along(sigma * spread, tensor)))
