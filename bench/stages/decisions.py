"""Slot ``decide``: validation logits -> a decision rule. Not part of the training: one training serves many rules.

A rule is fitted on validation rows alone and is given nothing else but class shares. N rows, C classes; logits float64
[N, C]. Here is what rules share, and the plain one; ``thresholds`` moves the predicted class alone, ``corrections``
changes the probabilities.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from bench.stages.base import Stage

if TYPE_CHECKING:
    import numpy as np


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
