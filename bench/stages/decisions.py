"""Slot ``decide``: validation logits -> a decision rule. Not part of the training: one training serves many rules.

A rule is fitted on validation rows alone and is given nothing else. N rows, C classes; logits float64 [N, C].
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from bench.stages.base import Stage, require

if TYPE_CHECKING:
    import numpy as np

SWEEPS = 3  # of coordinate ascent over the per-class offsets
_CLOSE = 1e-9  # scores this close are one: no cut between them would survive rounding


@dataclass(frozen=True)
class Decision:
    """What a rule makes of logits: log-probabilities float64 [N, C] and predicted classes int64 [N]."""

    log_probabilities: "np.ndarray"
    predicted: "np.ndarray"


@dataclass(frozen=True)
class Fitted:
    """A fitted rule: z -> scale z + shift, by which probabilities change, and an offset of the predicted class alone.

    shift, offset [C]; scale above 0.
    """

    shift: "np.ndarray"
    offset: "np.ndarray"
    scale: float = 1.0

    def apply(self, logits: "np.ndarray") -> Decision:
        """Decide on logits [N, C]."""
        log_probabilities = log_softmax((logits if self.scale == 1 else self.scale * logits) + self.shift)
        return Decision(log_probabilities, (log_probabilities + self.offset).argmax(axis=1))


@dataclass(frozen=True)
class Priors:
    """Class shares float64 [C] that a rule may know of.

    loss    whose posterior the raw logits estimate: what the loss saw, after resampling, batches and weights
    rows    of the rows trained on, after resampling
    own     of the training rows as they are
    target  that the test rows stand for, as the dataset declares it

    ``rows`` and ``own`` are empty where a record is older than they are.
    """

    loss: "np.ndarray"
    rows: "np.ndarray"
    own: "np.ndarray"
    target: "np.ndarray"


@dataclass(frozen=True)
class Rule(Stage):
    """Base of the decision rules; ``reads_labels``: whether those of the validation rows change what is predicted."""

    reads_labels: ClassVar[bool] = False

    def fit(self, logits: "np.ndarray", labels: "np.ndarray", weights: "np.ndarray", priors: Priors) -> Fitted:
        """Fit on validation logits [N, C], labels [N] and row weights [N]."""
        raise NotImplementedError


@dataclass(frozen=True)
class Argmax(Rule):
    """The class with the largest logit."""

    kind: ClassVar[str] = "argmax"

    def fit(self, logits: "np.ndarray", labels: "np.ndarray", weights: "np.ndarray", priors: Priors) -> Fitted:
        """Return the plain rule; nothing is fitted."""
        import numpy as np

        nothing = np.zeros(logits.shape[1])
        return Fitted(nothing, nothing)


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

        prior = priors.loss
        if (prior <= 0).any():
            raise ValueError(f"class {int(prior.argmin())} has no training row, so its log prior is undefined")
        return Fitted(-self.tau * np.log(prior), np.zeros(logits.shape[1]))


@dataclass(frozen=True)
class PriorCorrection(Rule):
    """Probabilities for other class shares than the loss saw: p_c * to_c / pi_c, renormalised.

    pi is the prior that the loss saw; ``to`` is 'uniform', or the 'target' that the test rows stand for, which undoes
    what over-sampling, weights or balanced batches did to the probabilities. Source: Saerens 2002, eq. 4.
    """

    kind: ClassVar[str] = "prior-correction"
    to: Literal["uniform", "target"] = "uniform"

    def __post_init__(self) -> None:
        """Check where to."""
        require(self.to in ("uniform", "target"), f"to must be 'uniform' or 'target', got '{self.to}'")

    def fit(self, logits: "np.ndarray", labels: "np.ndarray", weights: "np.ndarray", priors: Priors) -> Fitted:
        """Return the corrected rule; it is given by the priors alone. Raises ValueError for an empty class."""
        import numpy as np

        prior = priors.loss
        if (prior <= 0).any():
            raise ValueError(f"class {int(prior.argmin())} has no training row, so its prior cannot be corrected")
        wanted = np.full(len(prior), 1 / len(prior)) if self.to == "uniform" else priors.target
        return Fitted(np.log(wanted) - np.log(prior), np.zeros(logits.shape[1]))


@dataclass(frozen=True)
class TunedThreshold(Rule):
    """The cut (two classes) or per-class offsets (more) with the highest weighted F1 on validation rows.

    Two classes: F1 of class 1, over all cuts between neighbouring scores; of equally good ones that nearest the
    plain cut. More: macro-F1 by coordinate ascent from no offset, trying every offset at which a prediction changes;
    a change is made only where it is better. Probabilities stay as they were.
    """

    kind: ClassVar[str] = "tuned-threshold"
    reads_labels: ClassVar[bool] = True

    def fit(self, logits: "np.ndarray", labels: "np.ndarray", weights: "np.ndarray", priors: Priors) -> Fitted:
        """Return the rule with the best offsets."""
        import numpy as np

        classes = logits.shape[1]
        scores = log_softmax(logits)
        offset = np.zeros(classes)
        if classes == 2:
            offset[1] = _best_cut(scores[:, 1] - scores[:, 0], labels == 1, weights)
        else:
            for _ in range(SWEEPS):
                before = offset.copy()
                for label in range(classes):
                    offset[label] = _best_offset(scores + offset, label, labels, weights) + offset[label]
                if np.array_equal(before, offset):
                    break
        return Fitted(np.zeros(classes), offset)


def _best_cut(margin: "np.ndarray", positive: "np.ndarray", weights: "np.ndarray") -> float:
    """Return what to add to the margin [N] of class 1 so that 'margin > 0' has the highest weighted F1."""
    import numpy as np

    order = np.argsort(-margin, kind="stable")
    sorted_margin = margin[order]
    hits = np.cumsum((weights * positive)[order])
    chosen = np.cumsum(weights[order])
    total = hits[-1] if len(hits) else 0.0
    ends = np.flatnonzero(np.diff(sorted_margin) < -_CLOSE)  # a cut lies between two different scores
    if total == 0 or len(ends) == 0:
        return 0.0
    f1 = 2 * hits[ends] / (chosen[ends] + total)
    cuts = (sorted_margin[ends] + sorted_margin[ends + 1]) / 2
    best = f1 >= f1.max() - 1e-12
    return float(-cuts[best][np.abs(cuts[best]).argmin()])


def _best_offset(scores: "np.ndarray", label: int, labels: "np.ndarray", weights: "np.ndarray") -> float:
    """Return what to add to one class's scores so that weighted macro-F1 is highest; 0 unless that is better.

    Rows join the class in the order of how little they lack; the counts after each are running sums.
    """
    import numpy as np

    classes = scores.shape[1]
    others = scores.copy()
    others[:, label] = -np.inf
    rival = others.argmax(axis=1)
    lack = others.max(axis=1) - scores[:, label]  # the row is predicted as the class where the offset exceeds this
    order = np.argsort(lack, kind="stable")
    lack, rival, truth, weight = lack[order], rival[order], labels[order], weights[order]

    support = np.bincount(labels, weights, minlength=classes)
    right = np.bincount(rival, weight * (rival == truth), minlength=classes)  # with no row in the class
    said = np.bincount(rival, weight, minlength=classes)
    leaving = np.zeros((len(lack) + 1, classes))
    leaving[np.arange(1, len(lack) + 1), rival] = weight
    leaving_right = np.zeros_like(leaving)
    leaving_right[np.arange(1, len(lack) + 1), rival] = weight * (rival == truth)
    said = said - np.cumsum(leaving, axis=0)
    right = right - np.cumsum(leaving_right, axis=0)
    said[:, label] = np.concatenate([[0.0], np.cumsum(weight)])
    right[:, label] = np.concatenate([[0.0], np.cumsum(weight * (truth == label))])
    bottom = said + support
    macro = np.divide(2 * right, bottom, out=np.zeros_like(bottom), where=bottom > 1e-12).mean(axis=1)

    ends = np.flatnonzero(np.diff(lack) > _CLOSE) + 1  # an offset lies between two different rows
    now = int(np.searchsorted(lack, 0.0, side="left"))
    if len(ends) == 0 or macro[ends].max() <= macro[now] + 1e-12:
        return 0.0
    offsets = (lack[ends - 1] + lack[ends]) / 2
    best = macro[ends] >= macro[ends].max() - 1e-12
    return float(offsets[best][np.abs(offsets[best]).argmin()])


def log_softmax(logits: "np.ndarray") -> "np.ndarray":
    """Return log-probabilities [N, C] of logits [N, C]."""
    import numpy as np

    shifted = logits - logits.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


def to_logits(relative: "np.ndarray") -> "np.ndarray":
    """Return logits float64 [N, C] from stored ones, [N, C - 1] relative to class 0."""
    import numpy as np

    return np.concatenate([np.zeros((len(relative), 1)), relative.astype(np.float64)], axis=1)


def row_weights(labels: "np.ndarray", target_prior: "np.ndarray") -> "np.ndarray":
    """Return weights [N], mean 1, under which rows with these labels have the target's class shares.

    A class of the target without any row cannot be weighted up; the others then share its part.
    """
    import numpy as np

    counts = np.bincount(labels, minlength=len(target_prior))
    wanted = np.where(counts > 0, target_prior, 0.0)
    per_class = np.divide(wanted / wanted.sum() * len(labels), counts, out=np.zeros(len(counts)), where=counts > 0)
    return per_class[labels]
