"""Rules of slot ``decide`` that choose where to cut and leave probabilities as they are. N rows, C classes."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from bench.stages.decisions import Fitted, Priors, Rule, log_softmax

if TYPE_CHECKING:
    import numpy as np

SWEEPS = 3  # of coordinate ascent over the per-class offsets
_CLOSE = 1e-9  # scores this close are one: no cut between them would survive rounding


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
