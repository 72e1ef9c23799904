"""Slot ``loss``, for losses that move or stretch logits by how many rows a class has.

pi_c are the class shares that reach the loss, z logits.
"""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from bench.stages.base import require
from bench.stages.context import Context
from bench.stages.losses import WeightedLoss, cross_entropies, per_class, powered, rivals

if TYPE_CHECKING:
    import numpy as np
    import torch

    from bench.stages.class_weights import LossFunction


@dataclass(frozen=True)
class Ldam(WeightedLoss):
    """Label-distribution-aware margins: the label's own logit must lead by m_c, the more the rarer its class.

    m_c = margin (pi_c / pi_min)^(-1/4); the loss is the cross-entropy with m_c taken off the label's logit.
    Source: Cao et al. 2019, section 3.2.

    margin: of the rarest class, in the logits' units. There it is 0.5 between cosines times a scale of 30, so 15 with
            the network's ``head: cosine`` and ``head_scale: 30``; margins mean little where logits have no bounds

    The raw logits answer for the rows' own class shares (times the class weights), for margins are asked for by the
    label alone: the loss of two classes that is least in expectation puts the boundary at odds of
    (1 + e^-m_1) / (1 + e^-m_0), which are even where margins are large. Margins move it through what a network makes of
    few rows. The softmax is no posterior of any shares: its odds jump from e^-m_0 to e^m_1 at even odds.
    """

    kind: ClassVar[str] = "ldam"
    margin: float = 15.0

    def __post_init__(self) -> None:
        """Check the margin and the weights."""
        super().__post_init__()
        require(0 <= self.margin < math.inf, f"margin must be at least 0, got {self.margin}")

    def each(self, context: Context) -> "LossFunction":
        """Return the loss of each example; raise ValueError for an empty class."""
        if self.margin == 0:
            return cross_entropies
        powers = context.class_weights(-0.25)
        margins = per_class(self.margin * powers / powers.max(axis=1, keepdims=True), context)

        def ldam(logits: "torch.Tensor", targets: "torch.Tensor") -> "torch.Tensor":
            lowered = logits - margins[:, None, :]
            if targets.is_floating_point():
                return -(targets * (lowered - lowered.logaddexp(rivals(logits)))).sum(2)
            own = targets[..., None]
            return cross_entropies(logits.scatter(2, own, lowered.gather(2, own)), targets)

        return ldam


@dataclass(frozen=True)
class VectorScaling(WeightedLoss):
    """Cross-entropy of Delta_c z_c + iota_c, Delta_c = (pi_c / pi_max)^gamma, iota_c = tau log pi_c.

    Source: Kini et al. 2021 (VS-loss); the defaults are theirs for CIFAR-10 with a long tail. With gamma above 0 the
    logit of a rarer class has to be larger for the same effect, which still moves the boundary once every training row
    is fitted; at gamma 0 this is the logit-adjusted loss.
    """

    kind: ClassVar[str] = "vector-scaling"
    gamma: float = 0.15
    tau: float = 1.25

    def __post_init__(self) -> None:
        """Check gamma, tau and the weights."""
        super().__post_init__()
        require(0 <= self.gamma < math.inf, f"gamma must be at least 0, got {self.gamma}")
        require(0 <= self.tau < math.inf, f"tau must be at least 0, got {self.tau}")

    def each(self, context: Context) -> "LossFunction":
        """Return the loss of each example; raise ValueError for an empty class."""
        import numpy as np

        if self.gamma == self.tau == 0:
            return cross_entropies
        seen = context.require_seen()
        factor = per_class((seen / seen.max(axis=1, keepdims=True)) ** self.gamma, context)[:, None, :]
        shift = per_class(self.tau * np.log(seen), context)[:, None, :]
        return lambda logits, targets: cross_entropies(logits * factor + shift, targets)

    def prior(self, prior: "np.ndarray", rows: int | None = None) -> "np.ndarray":
        """Return shares proportional to pi^(1 - tau), times the class weights.

        Exact at gamma 0. Elsewhere the raw logits, which are what is decided on, are no posterior for any shares.
        """
        shares = powered(prior, -self.tau) * super().prior(prior, rows)
        return shares / shares.sum()
