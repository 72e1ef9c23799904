"""Slot ``loss``: logits and targets -> one loss per trial.

``begin(context)`` returns a function (logits [T, B, C], targets) -> loss [T]. Targets are labels int64 [T, B], soft
labels float [T, B, C], or values float [T, B, K] for a regression. pi_c are the class shares that reach the loss.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from bench.stages.base import Stage, require
from bench.stages.context import Context

if TYPE_CHECKING:
    import numpy as np
    import torch

    LossFunction = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


@dataclass(frozen=True)
class Loss(Stage):
    """Base of the losses."""

    def begin(self, context: Context) -> "LossFunction":
        """Return the function that gives one loss per trial."""
        raise NotImplementedError

    def prior(self, prior: "np.ndarray") -> "np.ndarray":
        """Return the class shares [C] whose posterior the raw logits estimate, when the rows have ``prior``."""
        return prior


def _per_class(table: "np.ndarray", context: Context) -> "torch.Tensor":
    """Return a float64 table [T, C] as a float32 tensor on the stack's device."""
    import torch

    return torch.from_numpy(table).to(context.device, torch.float32)


def _negative_log_likelihood(logits: "torch.Tensor", labels: "torch.Tensor") -> "torch.Tensor":
    """Return -log p of the label, [T, B]."""
    from torch.nn import functional

    flat = functional.cross_entropy(logits.flatten(0, 1), labels.flatten(), reduction="none")
    return flat.view(labels.shape)


@dataclass(frozen=True)
class CrossEntropy(Loss):
    """Cross-entropy, with class weights w_c if asked.

    weights    'none'; 'inverse' 1/n_c; 'share' N/n_c; 'balanced' N/(C n_c)
    reduction  'weighted-mean' sum_i w_i l_i / sum_i w_i (torch's default; a factor common to all weights cancels);
               'mean' sum_i w_i l_i / B (it does not cancel, and scales the step under SGD)
    With soft labels q an example's loss is -sum_c w_c q_c log p_c and its weight sum_c w_c q_c; torch would divide
    by B there even under its weighted mean, so the mean is taken by this rule instead.
    """

    kind: ClassVar[str] = "cross-entropy"
    weights: Literal["none", "inverse", "share", "balanced"] = "none"
    reduction: Literal["weighted-mean", "mean"] = "weighted-mean"

    def __post_init__(self) -> None:
        """Check the names."""
        kinds = ("none", "inverse", "share", "balanced")
        require(self.weights in kinds, f"weights must be one of {', '.join(kinds)}, got '{self.weights}'")
        reductions = ("weighted-mean", "mean")
        require(
            self.reduction in reductions, f"reduction must be one of {', '.join(reductions)}, got '{self.reduction}'"
        )

    def begin(self, context: Context) -> "LossFunction":
        """Return the cross-entropy of this stack; raise ValueError for an empty class where weights are asked."""
        if self.weights == "none":
            return lambda logits, targets: _cross_entropies(logits, targets).mean(1)
        table = _per_class(self._weights(context), context)

        def weighted(logits: "torch.Tensor", targets: "torch.Tensor") -> "torch.Tensor":
            if targets.is_floating_point():
                weighted_targets = targets * table[:, None, :]
                losses = -(weighted_targets * logits.log_softmax(2)).sum(2)
                weights = weighted_targets.sum(2)
            else:
                weights = table.gather(1, targets)
                losses = weights * _negative_log_likelihood(logits, targets)
            return losses.mean(1) if self.reduction == "mean" else losses.sum(1) / weights.sum(1)

        return weighted

    def _weights(self, context: Context) -> "np.ndarray":
        """Return w_c, float64 [T, C]. Rows are counted as the loss sees them: N pi_c of class c."""
        import numpy as np

        shares = context.require_seen()
        rows = np.array([[len(targets)] for targets in context.targets], dtype=np.float64)
        factor = {"inverse": 1 / rows, "share": np.ones_like(rows), "balanced": np.ones_like(rows) / context.outputs}
        return factor[self.weights] / shares

    def prior(self, prior: "np.ndarray") -> "np.ndarray":
        """Return uniform shares under class weights, else the rows' own."""
        return prior if self.weights == "none" else (prior > 0) / (prior > 0).sum()


def _cross_entropies(logits: "torch.Tensor", targets: "torch.Tensor") -> "torch.Tensor":
    """Return the cross-entropy of each example, [T, B], for labels or soft labels."""
    if targets.is_floating_point():
        return -(targets * logits.log_softmax(2)).sum(2)
    return _negative_log_likelihood(logits, targets)


@dataclass(frozen=True)
class Focal(Loss):
    """Focal loss (1 - p_t)^gamma * -log p_t, averaged over the batch. Source: Lin et al. 2017, eq. 5.

    log(1 - p_t) is taken as logsumexp over the other classes minus logsumexp over all, which is finite for finite
    logits, so that the gradient is finite for every gamma. With soft labels q the loss is
    sum_c q_c (1 - p_c)^gamma * -log p_c.
    """

    kind: ClassVar[str] = "focal"
    gamma: float = 2.0

    def __post_init__(self) -> None:
        """Check gamma."""
        require(self.gamma >= 0, f"gamma must be at least 0, got {self.gamma}")

    def begin(self, context: Context) -> "LossFunction":
        """Return the focal loss of this stack."""
        import torch

        if self.gamma == 0:
            return CrossEntropy().begin(context)
        diagonal = torch.eye(context.outputs, dtype=torch.bool, device=context.device)

        def focal(logits: "torch.Tensor", targets: "torch.Tensor") -> "torch.Tensor":
            if targets.is_floating_point():
                total = logits.logsumexp(2, keepdim=True)
                others = logits[:, :, None, :].masked_fill(diagonal, -torch.inf).logsumexp(3)
                factor = (self.gamma * (others - total)).exp()
                return -(targets * factor * (logits - total)).sum(2).mean(1)
            own = diagonal[targets]
            others = logits.masked_fill(own, -torch.inf).logsumexp(2)
            factor = (self.gamma * (others - logits.logsumexp(2))).exp()
            return (factor * _negative_log_likelihood(logits, targets)).mean(1)

        return focal


@dataclass(frozen=True)
class LogitAdjusted(Loss):
    """Cross-entropy of z + tau * log pi. Source: Menon et al. 2021, eq. 10; tau = 1 is balanced softmax (Ren 2020)."""

    kind: ClassVar[str] = "logit-adjusted"
    tau: float = 1.0

    def __post_init__(self) -> None:
        """Check tau."""
        require(self.tau >= 0, f"tau must be at least 0, got {self.tau}")

    def begin(self, context: Context) -> "LossFunction":
        """Return the adjusted cross-entropy of this stack; raise ValueError for an empty class."""
        import numpy as np

        if self.tau == 0:
            return CrossEntropy().begin(context)
        shift = _per_class(self.tau * np.log(context.require_seen()), context)[:, None, :]
        return lambda logits, targets: _cross_entropies(logits + shift, targets).mean(1)

    def prior(self, prior: "np.ndarray") -> "np.ndarray":
        """Return shares proportional to pi^(1 - tau): at tau = 1 the raw logits are already balanced."""
        import numpy as np

        powered = np.where(prior > 0, np.power(np.maximum(prior, 1e-300), 1 - self.tau), 0.0)
        return powered / powered.sum()


@dataclass(frozen=True)
class MeanSquaredError(Loss):
    """Mean squared error over batch and targets, in standardised units."""

    kind: ClassVar[str] = "mean-squared-error"

    def begin(self, context: Context) -> "LossFunction":
        """Return the mean squared error of this stack."""
        if not context.regression:
            raise ValueError("mean squared error is for regressions; use cross-entropy for classes")
        return lambda predicted, targets: (predicted - targets).square().mean((1, 2))
