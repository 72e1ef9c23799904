"""Slot ``updates``: gradients taken at other weights than those that the step changes: weight noise, and SAM."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from bench.stages.base import require
from bench.stages.updates import Update, Updater, add_noise, along, gradients_of, norms

if TYPE_CHECKING:
    import torch

    from bench.networks.layers import Network
    from bench.stages.context import Context

_TINY = 1e-12  # added to a gradient's norm, so that one of zero moves nothing


@dataclass(frozen=True)
class WeightNoise(Update):
    """Gaussian noise on the weights while a training step takes its gradient, off before the step changes them.

    Biases and norms are left alone; penalties see the noisy weights. Source: An 1996; Graves 2013 (there too one draw
    per pass, of one absolute standard deviation).

    sigma: in units of the standard deviation of that weight tensor, per trial.
    """

    kind: ClassVar[str] = "weight-noise"
    sigma: float = 0.1

    def __post_init__(self) -> None:
        """Check sigma."""
        require(self.sigma >= 0, f"sigma must be at least 0, got {self.sigma}")

    def begin(self, context: "Context", network: "Network") -> Updater:
        """Return the noise, or nothing at sigma 0."""
        return _WeightNoise(context, network.split()[0], self.sigma) if self.sigma else Updater()


class _WeightNoise(Updater):
    def __init__(self, context: "Context", weights: "Sequence[torch.Tensor]", sigma: float) -> None:
        self._context, self._weights, self._sigma = context, weights, sigma
        self._kept = Kept(weights)

    def before_forward(self) -> None:
        self._kept.take()
        add_noise(self._weights, self._sigma, self._context, "weight noise")

    def restore(self) -> None:
        self._kept.put()


@dataclass(frozen=True)
class Sam(Update):
    """Sharpness-aware minimisation: step by the gradient at w + rho g / ||g||. Source: Foret 2021, algorithm 1.

    ||g|| is taken per trial over all parameters, and g with the recipe's penalties. Both gradients are of the same
    batch, each with dropout and noise of its own; running statistics are those of the first pass. A step costs two.

    rho: length of the ascent, in units of the weights.
    """

    kind: ClassVar[str] = "sam"
    rho: float = 0.05

    def __post_init__(self) -> None:
        """Check rho."""
        require(self.rho >= 0, f"rho must be at least 0, got {self.rho}")

    def begin(self, context: "Context", network: "Network") -> Updater:
        """Return the second pass, or nothing at rho 0."""
        return _Sam(network, self.rho) if self.rho else Updater()


class _Sam(Updater):
    def __init__(self, network: "Network", rho: float) -> None:
        self._parameters, self._rho = list(network.parameters()), rho
        self._weights, self._statistics = Kept(self._parameters), Kept(list(network.buffers()))

    def recompute(self, again: Callable[[], object]) -> None:
        import torch

        self._weights.take()
        self._statistics.take()
        factor = self._rho / (norms(gradients_of(self._parameters)) + _TINY)
        with torch.no_grad():
            for parameter in self._parameters:
                if parameter.grad is not None:
                    parameter.add_(parameter.grad * along(factor, parameter))
        again()
        self._weights.put()
        self._statistics.put()


class Kept:
    """Copies of tensors, taken and put back as often as needed without new memory."""

    def __init__(self, tensors: "Sequence[torch.Tensor]") -> None:
        self._tensors = [t.detach() for t in tensors]
        self._copies = [t.clone() for t in self._tensors]

    def take(self) -> None:
        """Copy the present values."""
        for copy, tensor in zip(self._copies, self._tensors, strict=True):
            copy.copy_(tensor)

    def put(self) -> None:
        """Put the copied values back."""
        for copy, tensor in zip(self._copies, self._tensors, strict=True):
            tensor.copy_(copy)
