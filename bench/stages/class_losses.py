"""Slot ``loss``: losses for classes that are no cross-entropy. Logits z [T, B, C], labels or soft labels."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from bench.stages.base import require
from bench.stages.context import Context
from bench.stages.losses import WeightedLoss

if TYPE_CHECKING:
    import torch

    from bench.stages.class_weights import LossFunction


def one_hot(targets: "torch.Tensor", classes: int) -> "torch.Tensor":
    """Return soft labels [T, B, C] as they are, and labels [T, B] as ones and zeros."""
    import torch

    if targets.is_floating_point():
        return targets
    return torch.nn.functional.one_hot(targets, classes).float()


@dataclass(frozen=True)
class SquaredError(WeightedLoss):
    """Sum over classes of (softmax(z)_c - 1[c is the label])^2, the Brier score. Source: Golik et al. 2013, eq. 3.

    It is proper: what is least in expectation are the class shares. With soft labels q it is the sum of q_c times the
    above for the label c, as of every loss here, so that weights and mixing mean the same.
    """

    kind: ClassVar[str] = "squared-error"

    def each(self, context: Context) -> "LossFunction":
        """Return the squared error of each example."""

        def squared(logits: "torch.Tensor", targets: "torch.Tensor") -> "torch.Tensor":
            # sum_c q_c |p - e_c|^2 = |p|^2 - 2 p q + sum_c q_c, linear in q
            p, q = logits.softmax(2), one_hot(targets, logits.shape[2])
            return p.square().sum(2) * q.sum(2) - 2 * (p * q).sum(2) + q.sum(2)

        return squared


@dataclass(frozen=True)
class Hinge(WeightedLoss):
    """Mean over the C classes of max(0, margin - z_y + z_c) for c other than the label y.

    torch.nn.MultiMarginLoss. Source: Weston and Watkins 1999. The logits answer for no probabilities: rules that only
    compare them work, and log-loss, Brier score and ECE of their softmax say little.

    margin: by which the label's logit must lead, in the logits' units
    """

    kind: ClassVar[str] = "hinge"
    margin: float = 1.0

    def __post_init__(self) -> None:
        """Check the margin and the weights."""
        super().__post_init__()
        require(0 < self.margin <= 1e6, f"margin must be above 0 and at most 1e6, got {self.margin}")

    def each(self, context: Context) -> "LossFunction":
        """Return the hinge loss of each example."""
        import torch

        own = torch.eye(context.outputs, dtype=torch.bool, device=context.device)

        def hinge(logits: "torch.Tensor", targets: "torch.Tensor") -> "torch.Tensor":
            if not targets.is_floating_point():
                label = targets[..., None]
                lacking = (self.margin - logits.gather(2, label) + logits).clamp(min=0)
                return lacking.masked_fill(own[targets], 0).mean(2)
            lacking = (self.margin - logits[..., :, None] + logits[..., None, :]).clamp(min=0)  # [T, B, label, class]
            return (targets * lacking.masked_fill(own, 0).mean(3)).sum(2)

        return hinge
