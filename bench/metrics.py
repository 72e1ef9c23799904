"""Predictions -> scores. N rows, C classes, K regression targets.

scikit-learn has most of these and is the oracle in the tests; here they are computed from one confusion matrix and
one sort per class, because a trial is scored in a few milliseconds this way, and scoring must stay a small part of
a training that takes a quarter of a second. numpy is imported inside functions, so that ``list`` stays quick.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import numpy as np

ECE_BINS = 15
TOP_SHARE = 0.01  # of a day's rows


@dataclass(frozen=True)
class Metric:
    """What a metric is.

    kind   what it is made of: counts, row means, a ranking of rows, bins, or errors
    needs  what a dataset must have beside the task: 'two classes', 'days', 'ordered classes' (common to rare)
    revision  raised when its values change their meaning: scores of different revisions are never compared
    """

    name: str
    title: str
    task: Literal["classification", "regression"]
    better: Literal["higher", "lower"]
    kind: Literal["count", "rows", "ranking", "calibration", "error"]
    summary: str
    source: str
    needs: frozenset[str] = frozenset()
    revision: int = 1

    def fits(self, task: str, offers: Collection[str]) -> bool:
        """Return whether it means something on a dataset of this task that offers this."""
        return self.task == task and self.needs <= set(offers)


def _metric(
    name: str,
    title: str,
    kind: Literal["count", "rows", "ranking", "calibration", "error"],
    summary: str,
    source: str,
    better: Literal["higher", "lower"] = "higher",
    needs: tuple[str, ...] = (),
) -> Metric:
    task = "regression" if kind == "error" else "classification"
    return Metric(name, title, task, better, kind, summary, source, frozenset(needs))


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        _metric("macro_f1", "macro F1", "count", "mean of the per-class F1 scores", "sklearn.metrics.f1_score"),
        _metric(
            "balanced_accuracy",
            "balanced accuracy",
            "count",
            "mean recall over the classes present",
            "sklearn.metrics.balanced_accuracy_score",
        ),
        _metric("g_mean", "G-mean", "count", "geometric mean of the recalls", "Kubat and Matwin 1997"),
        _metric("worst_recall", "worst recall", "count", "lowest recall of any class present", "Sagawa et al. 2020"),
        _metric(
            "mcc", "MCC", "count", "correlation of predicted and true classes", "sklearn.metrics.matthews_corrcoef"
        ),
        _metric(
            "accuracy",
            "accuracy",
            "count",
            "share of rows predicted rightly; misleads on imbalanced data",
            "sklearn.metrics.accuracy_score",
        ),
        *(
            _metric(
                f"{third}_accuracy",
                f"{third} accuracy",
                "count",
                f"share of the rows of the {words} classes predicted rightly",
                "Liu et al. 2019 (many-, medium- and few-shot accuracy)",
                needs=("ordered classes",),
            )
            for third, words in (("head", "three most common"), ("middle", "middle"), ("tail", "three rarest"))
        ),
        _metric(
            "average_precision",
            "average precision",
            "ranking",
            "area under the precision-recall steps; several classes: mean of one against the rest",
            "sklearn.metrics.average_precision_score",
        ),
        _metric(
            "prevalence",
            "prevalence",
            "rows",
            "share of class 1, the average precision of guessing",
            "Saito 2015",
            needs=("two classes",),
        ),
        _metric("roc_auc", "ROC AUC", "ranking", "area under the ROC curve", "sklearn.metrics.roc_auc_score"),
        _metric(
            "recall_at_fpr_1",
            "recall at 1 % FPR",
            "ranking",
            "largest recall with at most 1 % false positives",
            "Fraud Detection Handbook",
            needs=("two classes",),
        ),
        _metric(
            "recall_at_fpr_5",
            "recall at 5 % FPR",
            "ranking",
            "largest recall with at most 5 % false positives",
            "Fraud Detection Handbook",
            needs=("two classes",),
        ),
        _metric(
            "precision_top_day",
            "precision of the top 1 % per day",
            "ranking",
            "mean over days of the precision among that day's top 1 % of rows",
            "Fraud Detection Handbook (card precision)",
            needs=("two classes", "days"),
        ),
        _metric("log_loss", "log loss", "rows", "mean of -log p of the class", "sklearn.metrics.log_loss", "lower"),
        _metric(
            "brier",
            "Brier",
            "rows",
            "mean squared error of the probability of class 1 (several classes: summed over them)",
            "sklearn.metrics.brier_score_loss",
            "lower",
        ),
        _metric(
            "ece",
            "ECE",
            "calibration",
            f"gap between confidence and accuracy, {ECE_BINS} equal bins of the top class",
            "Guo et al. 2017",
            "lower",
        ),
        _metric("rmse", "RMSE", "error", "root mean squared error, in the dataset's unit", "sklearn.metrics", "lower"),
        _metric("mae", "MAE", "error", "mean absolute error, in the dataset's unit", "sklearn.metrics", "lower"),
        _metric("r2", "R2", "error", "share of the variance explained", "sklearn.metrics.r2_score"),
    )
}


def revisions() -> str:
    """Return the revisions above 1 of all metrics, as 'macro_f1 2, mcc 3': what stored scores were made by."""
    return ", ".join(f"{one.name} {one.revision}" for one in METRICS.values() if one.revision != 1)


@dataclass(frozen=True)
class PerClass:
    """Precision, recall, F1 and support of each class, [..., C]; 0/0 counts as 0."""

    precision: "np.ndarray"
    recall: "np.ndarray"
    f1: "np.ndarray"
    support: "np.ndarray"


def confusion(true: "np.ndarray", predicted: "np.ndarray", classes: int) -> "np.ndarray":
    """Return counts int64 [C, C], true class by predicted class."""
    import numpy as np

    return np.bincount(true * classes + predicted, minlength=classes * classes).reshape(classes, classes)


def _ratio(top: "np.ndarray", bottom: "np.ndarray") -> "np.ndarray":
    """Return top / bottom, and 0 where the bottom is 0."""
    import numpy as np

    return np.divide(top, bottom, out=np.zeros(np.broadcast(top, bottom).shape), where=bottom != 0)


def per_class(matrix: "np.ndarray") -> PerClass:
    """Return the scores of each class from confusion matrices [..., C, C]."""
    import numpy as np

    hits = np.diagonal(matrix, axis1=-2, axis2=-1).astype(float)
    support, said = matrix.sum(-1), matrix.sum(-2)
    return PerClass(_ratio(hits, said), _ratio(hits, support), _ratio(2 * hits, support + said), support)


class _Counts:
    """What confusion matrices [..., C, C] come to; each is made when first asked for. C last where there is one."""

    def __init__(self, matrix: "np.ndarray") -> None:
        self.matrix = matrix

    @cached_property
    def own(self) -> "np.ndarray":
        import numpy as np

        return np.diagonal(self.matrix, axis1=-2, axis2=-1).astype(float)

    @cached_property
    def true(self) -> "np.ndarray":
        return self.matrix.sum(-1).astype(float)

    @cached_property
    def said(self) -> "np.ndarray":
        return self.matrix.sum(-2).astype(float)

    @cached_property
    def present(self) -> "np.ndarray":
        return self.true > 0

    @cached_property
    def hits(self) -> "np.ndarray":
        return self.own.sum(-1)

    @cached_property
    def total(self) -> "np.ndarray":
        return self.true.sum(-1)

    @cached_property
    def recall(self) -> "np.ndarray":
        return _ratio(self.own, self.true)

    def accuracy(self) -> "np.ndarray":
        return _ratio(self.hits, self.total)

    def balanced_accuracy(self) -> "np.ndarray":
        import numpy as np

        return self.recall.sum(-1) / np.maximum(self.present.sum(-1), 1)

    def macro_f1(self) -> "np.ndarray":
        return _ratio(2 * self.own, self.true + self.said).mean(-1)

    def g_mean(self) -> "np.ndarray":
        import numpy as np

        logs = np.log(np.where(self.present, np.maximum(self.recall, 1e-300), 1.0))
        mean = np.exp(logs.sum(-1) / np.maximum(self.present.sum(-1), 1))
        return mean * np.where(self.present & (self.recall == 0), 0.0, 1.0).min(-1)

    def worst_recall(self) -> "np.ndarray":
        import numpy as np

        return np.where(self.present, self.recall, np.inf).min(-1)

    def mcc(self) -> "np.ndarray":
        import numpy as np

        covariance = self.hits * self.total - (self.true * self.said).sum(-1)
        spread = (self.total**2 - (self.said**2).sum(-1)) * (self.total**2 - (self.true**2).sum(-1))
        return _ratio(covariance, np.sqrt(spread))

    def share_right(self, third: Literal["head", "middle", "tail"]) -> "np.ndarray":
        """Return the accuracy on the rows of some classes; NaN where they have none."""
        import numpy as np

        classes = self.matrix.shape[-1]
        edge = round(0.3 * classes)
        which = {"head": slice(edge), "middle": slice(edge, classes - edge), "tail": slice(classes - edge, None)}[third]
        rows = self.true[..., which].sum(-1)
        return np.where(rows > 0, _ratio(self.own[..., which].sum(-1), rows), np.nan)


_COUNTED: "dict[str, Callable[[_Counts], np.ndarray]]" = {
    "accuracy": _Counts.accuracy,
    "balanced_accuracy": _Counts.balanced_accuracy,
    "macro_f1": _Counts.macro_f1,
    "g_mean": _Counts.g_mean,
    "worst_recall": _Counts.worst_recall,
    "mcc": _Counts.mcc,
    "head_accuracy": lambda counts: counts.share_right("head"),
    "middle_accuracy": lambda counts: counts.share_right("middle"),
    "tail_accuracy": lambda counts: counts.share_right("tail"),
}


def score(matrix: "np.ndarray", metric: str) -> "np.ndarray":
    """Return one metric of kind 'count' from confusion matrices [..., C, C], [...]; see ``from_confusion``."""
    return from_confusion(matrix, (metric,))[metric]


def from_confusion(matrix: "np.ndarray", names: Collection[str] = _COUNTED.keys()) -> "dict[str, np.ndarray]":
    """Return the named metrics of kind 'count' from confusion matrices [..., C, C], each [...].

    Head, middle and tail take classes in their order: of ten, the first three, four and three. Recalls of classes
    without true rows are left out, as scikit-learn's balanced accuracy does. NaN without rows.
    """
    import numpy as np

    counts = _Counts(matrix)
    return {name: np.where(counts.total > 0, _COUNTED[name](counts), np.nan) for name in names}


def classification(
    true: "np.ndarray", log_probabilities: "np.ndarray", predicted: "np.ndarray", day: "np.ndarray | None"
) -> "tuple[dict[str, float], np.ndarray]":
    """Return every classification metric, and the confusion matrix int64 [C, C].

    true, predicted int64 [N]; log_probabilities [N, C]; day int64 [N] or None. A metric that is undefined on these
    rows (a class that is absent, no days) is NaN.
    """
    import numpy as np

    classes = log_probabilities.shape[1]
    matrix = confusion(true, predicted, classes)
    scores = {name: float(value) for name, value in from_confusion(matrix).items()}
    if len(true) == 0:
        names = (metric.name for metric in METRICS.values() if metric.task == "classification")
        return dict.fromkeys(names, np.nan), matrix
    probabilities = np.exp(log_probabilities)
    scores["log_loss"] = float(-log_probabilities[np.arange(len(true)), true].mean())
    scores["brier"] = _brier(true, probabilities)
    top = probabilities.argmax(1)
    scores["ece"] = _ece(true == top, probabilities[np.arange(len(true)), top])
    if classes == 2:
        scores |= _binary(true == 1, log_probabilities[:, 1] - log_probabilities[:, 0], day)
    else:
        ranked = [_Ranking.of(true == label, log_probabilities[:, label]) for label in range(classes)]
        scores["average_precision"] = float(np.mean([r.average_precision() for r in ranked]))
        scores["roc_auc"] = float(np.mean([r.roc_auc() for r in ranked]))
        scores |= {name: np.nan for name, metric in METRICS.items() if "two classes" in metric.needs}
    return scores, matrix


def _brier(true: "np.ndarray", probabilities: "np.ndarray") -> float:
    import numpy as np

    if probabilities.shape[1] == 2:
        return float(np.square(probabilities[:, 1] - true).mean())
    own = probabilities[np.arange(len(true)), true]
    return float((np.square(probabilities).sum(1) - 2 * own + 1).mean())


def _ece(right: "np.ndarray", confidence: "np.ndarray") -> float:
    """Return the expected calibration error over equal-width bins."""
    import numpy as np

    bins = np.minimum((confidence * ECE_BINS).astype(int), ECE_BINS - 1)
    gap = np.bincount(bins, confidence, ECE_BINS) - np.bincount(bins, right, ECE_BINS)
    return float(np.abs(gap).sum() / len(right))


def _binary(positive: "np.ndarray", score: "np.ndarray", day: "np.ndarray | None") -> "dict[str, float]":
    """Return the metrics of a ranking of rows by the score of class 1."""
    import numpy as np

    ranking = _Ranking.of(positive, score)
    return {
        "average_precision": ranking.average_precision(),
        "prevalence": float(positive.mean()),
        "roc_auc": ranking.roc_auc(),
        "recall_at_fpr_1": ranking.recall_at(0.01),
        "recall_at_fpr_5": ranking.recall_at(0.05),
        "precision_top_day": np.nan if day is None else _precision_top_day(positive, score, day, ranking.order),
    }


@dataclass(frozen=True)
class _Ranking:
    """Running counts of positives and negatives from the highest score down, at the last row of each score.

    order: int64 [N], the rows from the highest score down, ties in any order.
    """

    order: "np.ndarray"
    hits: "np.ndarray"
    misses: "np.ndarray"

    @classmethod
    def of(cls, positive: "np.ndarray", score: "np.ndarray") -> "_Ranking":
        import numpy as np

        order = np.argsort(-score)
        falling = score[order]
        ends = np.append(np.flatnonzero(falling[1:] != falling[:-1]), len(score) - 1)
        hits = np.cumsum(positive[order])[ends]
        return cls(order, hits, ends + 1 - hits)

    def average_precision(self) -> float:
        """Return the sum over steps of recall gained times precision; NaN without positives."""
        import numpy as np

        if self.hits[-1] == 0:
            return np.nan
        gained = np.diff(self.hits, prepend=0) / self.hits[-1]
        return float((gained * self.hits / (self.hits + self.misses)).sum())

    def roc_auc(self) -> float:
        """Return the area under the ROC curve by trapezes; NaN where a class is absent."""
        import numpy as np

        if self.hits[-1] == 0 or self.misses[-1] == 0:
            return np.nan
        steps = np.diff(self.misses, prepend=0)
        before = np.concatenate([[0], self.hits[:-1]])
        return float((steps * (self.hits + before) / 2).sum() / self.hits[-1] / self.misses[-1])

    def recall_at(self, rate: float) -> float:
        """Return the largest recall whose false-positive rate is at most ``rate``; NaN where a class is absent."""
        import numpy as np

        if self.hits[-1] == 0 or self.misses[-1] == 0:
            return np.nan
        allowed = self.hits[self.misses <= rate * self.misses[-1]]
        return float(allowed[-1] / self.hits[-1]) if len(allowed) else 0.0


def _precision_top_day(
    positive: "np.ndarray", score: "np.ndarray", day: "np.ndarray", order: "np.ndarray | None" = None
) -> float:
    """Return the mean over days of the precision among the day's top 1 % of rows (at least one).

    order: the rows from the highest score down, where they are known. Of rows tied at the cut, the first ones count.
    """
    import numpy as np

    order = np.argsort(-score) if order is None else order
    since = day - day.min()
    small = since.astype(np.min_scalar_type(since.max()))  # small integers are sorted by radix, ten times as fast
    by_day = order[np.argsort(small[order], kind="stable")]  # day by day, from the highest score down
    first = np.append(0, np.flatnonzero(np.diff(since[by_day])) + 1)
    counts = np.diff(first, append=len(day))
    top = np.maximum(1, np.round(counts * TOP_SHARE)).astype(int)
    cut = score[by_day[first + top - 1]]
    near = np.sort(by_day[score[by_day] >= np.repeat(cut, counts)])  # every row that may count, in row order
    near = near[np.lexsort((-score[near], since[near]))]
    which = np.searchsorted(since[by_day[first]], since[near])
    rank = np.arange(len(near)) - np.searchsorted(which, which)
    hits = np.bincount(which, positive[near] & (rank < top[which]), len(top))
    return float((hits / top).mean())


def regression(true: "np.ndarray", predicted: "np.ndarray", unit: float) -> dict[str, float]:
    """Return RMSE and MAE in units of ``unit``, and R2 (mean over targets), from values [N, K]."""
    import numpy as np

    error = predicted.astype(np.float64) - true
    spread = np.square(true - true.mean(axis=0, dtype=np.float64)).sum(0)
    unexplained = np.square(error).sum(0)
    r2 = np.where(spread > 0, 1 - unexplained / np.where(spread > 0, spread, 1.0), np.nan)
    return {
        "rmse": float(np.sqrt(np.square(error).mean()) / unit),
        "mae": float(np.abs(error).mean() / unit),
        "r2": float(r2.mean()),
    }
