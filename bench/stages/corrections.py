"""Rules of slot ``decide`` that correct probabilities: for class shares, or for their overall confidence.

N rows, C classes. By Bayes' rule the logits of a posterior under the class shares pi become those of one under pi'
when log pi' - log pi is added (Elkan 2001; Saerens 2002, eq. 4). Which shares stand for what is in ``Priors``.
"""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from bench.stages.base import require
from bench.stages.decisions import Fitted, Priors, Rule, log_softmax

if TYPE_CHECKING:
    import numpy as np

COLDEST, HOTTEST = 0.1, 100.0  # temperatures; rows that are told apart without error would have 0, noise infinity


@dataclass(frozen=True)
class LogitAdjustment(Rule):
    """Post-hoc logit adjustment: z - tau * log pi, with the prior pi that the loss saw. Source: Menon 2021, eq. 9.

    After a loss or sampler that already balances the classes pi is uniform, and the rule changes nothing.
    """

    kind: ClassVar[str] = "logit-adjustment"
    tau: float = 1.0

    def __post_init__(self) -> None:
        """Check tau."""
        require(self.tau >= 0, f"tau must be at least 0, got {self.tau}")

    def fit(self, logits: "np.ndarray", labels: "np.ndarray", weights: "np.ndarray", priors: Priors) -> Fitted:
        """Return the adjusted rule; it is given by the prior alone. Raises ValueError for an empty class."""
        import numpy as np

        _require_rows(priors.loss, "has no training row, so its log prior is undefined")
        return Fitted(-self.tau * np.log(priors.loss), np.zeros(logits.shape[1]))


@dataclass(frozen=True)
class PriorCorrection(Rule):
    """p_c becomes proportional to p_c to_c / pi_c, with the prior pi that the loss saw. Source: Saerens 2002, eq. 4.

    to: 'uniform', equal shares: what logit adjustment does at tau = 1; or 'target', the shares that the test rows stand
    for, which undoes what resampling, weights or balanced batches did to the probabilities (Elkan 2001, theorem 2).
    """

    kind: ClassVar[str] = "prior-correction"
    to: Literal["uniform", "target"] = "uniform"

    def __post_init__(self) -> None:
        """Check what is corrected to."""
        require(self.to in ("uniform", "target"), f"to must be one of uniform, target, got '{self.to}'")

    def fit(self, logits: "np.ndarray", labels: "np.ndarray", weights: "np.ndarray", priors: Priors) -> Fitted:
        """Return the corrected rule; it is given by the priors alone. Raises ValueError for an empty class."""
        import numpy as np

        classes = logits.shape[1]
        wanted = np.full(classes, 1 / classes) if self.to == "uniform" else priors.target
        _require_rows(priors.loss, "has no training row, so what it is corrected from is undefined")
        _require_rows(wanted, "has no share in the target, so what it is corrected to is undefined")
        return Fitted(np.log(wanted) - np.log(priors.loss), np.zeros(classes))


@dataclass(frozen=True)
class UnderSamplingCorrection(Rule):
    """p_c becomes proportional to p_c / b_c, with the share b_c of a class's training rows that resampling kept.

    For two classes, b of the majority and all of the minority kept, that is p = b p_s / (b p_s - p_s + 1). Source: Dal
    Pozzolo 2015, eq. 4. It knows of the rows alone: weights and balanced batches are for ``PriorCorrection``.
    """

    kind: ClassVar[str] = "under-sampling-correction"

    def fit(self, logits: "np.ndarray", labels: "np.ndarray", weights: "np.ndarray", priors: Priors) -> Fitted:
        """Return the corrected rule; it is given by the rows alone. Raises ValueError where these are not known."""
        import numpy as np

        if not len(priors.rows) or not len(priors.own):
            raise ValueError(
                "under-sampling correction needs the class shares of the training rows before and after resampling, "
                "which this trial's record is too old to hold; train it again"
            )
        for shares in (priors.own, priors.rows):
            _require_rows(shares, "has no training row, so the share of it that was kept is undefined")
        return Fitted(np.log(priors.own) - np.log(priors.rows), np.zeros(logits.shape[1]))


def _require_rows(shares: "np.ndarray", otherwise: str) -> None:
    """Raise ValueError where a class has no share."""
    if (shares <= 0).any():
        raise ValueError(f"class {int(shares.argmin())} {otherwise}")


@dataclass(frozen=True)
class TemperatureScaling(Rule):
    """softmax(z / T) with the temperature T that has the lowest weighted log-loss on validation rows.

    The predicted class stays as it was. Log-loss is convex in 1 / T, and T is where its derivative vanishes, or 0.1 or
    100 if that lies beyond: rows that are told apart without error would have T = 0. Source: Guo 2017, section 4.2.
    """

    kind: ClassVar[str] = "temperature-scaling"

    def fit(self, logits: "np.ndarray", labels: "np.ndarray", weights: "np.ndarray", priors: Priors) -> Fitted:
        """Return the scaled rule."""
        import numpy as np

        nothing = np.zeros(logits.shape[1])
        return Fitted(nothing, nothing, 1 / _temperature(logits, labels, weights))


def _temperature(logits: "np.ndarray", labels: "np.ndarray", weights: "np.ndarray") -> float:
    """Return the temperature with the lowest weighted log-loss of logits [N, C], labels [N] and weights [N]."""
    import numpy as np
    from scipy.optimize import brentq

    excess = logits - np.take_along_axis(logits, labels[:, None], axis=1)  # over the true class's logit

    def slope(log_temperature: float) -> float:
        """Return the derivative of the summed log-loss by 1 / T: how much the expected logit exceeds the true one."""
        likely = np.exp(log_softmax(excess / math.exp(log_temperature)))
        return float(weights @ (likely * excess).sum(axis=1))

    low, high = math.log(COLDEST), math.log(HOTTEST)
    if slope(low) <= 0:  # still falls as T falls
        return COLDEST
    if slope(high) >= 0:  # still falls as T rises
        return HOTTEST
    return math.exp(brentq(slope, low, high, xtol=1e-12))
