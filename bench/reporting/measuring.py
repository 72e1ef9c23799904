"""What the scored trials of one cell measured: means, cost against the baseline's, per-class scores."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.metrics import METRICS, PerClass, per_class
from bench.reporting.trials import TRAIN, VALIDATION, Trials
from bench.reporting.values import pooled_confusions

if TYPE_CHECKING:
    import pandas as pd

_BY_CLASS = ("precision", "recall", "f1")


Probed = Mapping[tuple[str, int], float]  # (machine, stack) -> CPU seconds that a training of the baseline takes there


def measure(done: Trials, baseline: Trials | None, facts: Mapping[str, Any], probed: Probed) -> dict[str, Any]:
    """Return the means of one cell's scored trials."""
    if not len(done):
        return {}
    metric = facts["metric"]
    score, train = done.mean(metric), done.mean(TRAIN + metric)
    higher = METRICS[metric].better == "higher"
    classes = _class_scores(done, facts) if facts["task"] == "classification" else None
    own = {name: done.mean(name) for name, one in METRICS.items() if one.fits(facts["task"], facts["offers"])}
    return {
        "score": score,
        "train": train,
        "validation": done.mean(VALIDATION + metric),
        "gap": train - score if higher else score - train,
        "cost_ratio": np.nan if baseline is None else _cost_ratio(done, baseline, probed),
        "flops_ratio": np.nan if baseline is None else _flops_ratio(done, baseline),
        "cost_seconds": float(_cost(done).mean()),
        **{name: float(done[name].mean()) for name in ("steps", "examples", "flops")},
        "no_op": bool(done["no_op"].astype(bool).all()),
        "metrics": {name: value for name, value in own.items() if np.isfinite(value)},
        **({} if classes is None else {f"class_{name}": getattr(classes, name) for name in _BY_CLASS}),
    }


def _cost(trials: Trials) -> np.ndarray:
    return trials["cpu_seconds"] + trials["resample_seconds"]


def probed_costs(baseline: Trials | None, probes: "pd.DataFrame") -> dict[tuple[str, int], float]:
    """Return what a training of the baseline costs where its first steps alone were timed.

    probes: short timings of it (``Store.probes``); the cost of a step there times the steps that its trainings take.
    """
    if baseline is None or not len(baseline):
        return {}
    own = probes[probes["training"] == baseline["training"][0]]
    per_step = (own["cpu_seconds"] / own["steps"]).groupby([own["machine"], own["stack"]]).mean()
    steps = float(baseline["steps"].mean())
    return {(str(machine), int(stack)): steps * float(cost) for (machine, stack), cost in per_step.items()}


def _cost_ratio(done: Trials, baseline: Trials, probed: Probed) -> float:
    """Return the mean cost of a trial over the baseline's, among trials of the same machine and stack size.

    Where none of the baseline's were trained there, a probe of it stands for them.
    """
    spent = expected = 0.0
    for machine, stack in sorted({*zip(done["machine"], done["stack"], strict=True)}):
        own, base = (
            _cost(one.where((one["machine"] == machine) & (one["stack"] == stack))) for one in (done, baseline)
        )
        each = float(base.mean()) if len(base) else probed.get((machine, int(stack)), 0.0)
        if each:
            spent += float(own.sum())
            expected += len(own) * each
    return spent / expected if expected > 0 else np.nan


def _flops_ratio(done: Trials, baseline: Trials) -> float:
    """Return the mean FLOPs of a trial over the baseline's, which no machine changes; NaN where it has none."""
    expected = baseline["flops"].mean() if len(baseline) else 0.0
    return float(done["flops"].mean() / expected) if expected > 0 else np.nan


def _class_scores(done: Trials, facts: Mapping[str, Any]) -> PerClass:
    """Return the scores and support [C] of each class, means over repeats of what is pooled over a repeat's folds.

    Support counts distinct rows: the folds of a repeat share the test rows of a dataset that has its own.
    """
    each = per_class(pooled_confusions(done, len(facts["classes"])))
    _, folds = np.unique(done["repeat"], return_counts=True)
    support = each.support / (folds[:, None] if facts["has_test"] else 1)
    return PerClass(*(value.mean(axis=0) for value in (each.precision, each.recall, each.f1, support)))


def class_support(done: Mapping[str, Trials], facts: Mapping[str, Any]) -> np.ndarray:
    """Return the test rows of each class [C], from the first technique with trials; empty for a regression."""
    if facts["task"] == "classification":
        for trials in done.values():
            if len(trials):
                return _class_scores(trials, facts).support
    return np.zeros(len(facts["classes"]))
