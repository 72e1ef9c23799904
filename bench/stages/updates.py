"""Slot ``updates``: what happens between backward and step."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from bench.stages.base import Stage, require

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Update(Stage):
    """Base of the updates."""

    def before_step(self, parameters: "Sequence[torch.Tensor]") -> None:
        """Change the gradients in place; every parameter and gradient is [T, ...]."""
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

    def before_step(self, parameters: "Sequence[torch.Tensor]") -> None:
        """Clip in place."""
        import torch

        gradients = [p.grad for p in parameters if p.grad is not None]
        norms = torch.stack([g.flatten(1).square().sum(1) for g in gradients]).sum(0).sqrt()
        factor = (self.maximum / (norms + 1e-6)).clamp(max=1.0)
        for gradient in gradients:
            gradient.mul_(factor.view(-1, *[1] * (gradient.dim() - 1)))
