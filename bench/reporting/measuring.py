"""What the scored trials of one cell measured: means, cost against the baseline's, per-class F1."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from bench.metrics import METRICS, per_class
from bench.reporting.trials import TRAIN, Trials


def measure(done: Trials, baseline: Trials | None, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return the means of one cell's scored trials."""
    if not len(done):
        return {}
    metric = facts["metric"]
    score, train = done.mean(metric), done.mean(TRAIN + metric)
    higher = METRICS[metric].better == "higher"
    own = {name: done.mean(name) for name, one in METRICS.items() if one.fits(facts["task"], facts["offers"])}
    return {
        "score": score,
        "train": train,
        "gap": train - score if higher else score - train,
        "cost_ratio": np.nan if baseline is None else _cost_ratio(done, baseline),
        "flops_ratio": np.nan if baseline is None else _flops_ratio(done, baseline),
        "cost_seconds": float(_cost(done).mean()),
        **{name: float(done[name].mean()) for name in ("steps", "examples", "flops")},
        "no_op": bool(done["no_op"].astype(bool).all()),
        "metrics": {name: value for name, value in own.items() if np.isfinite(value)},
        "class_f1": _class_scores(done, facts)[0] if facts["task"] == "classification" else None,
    }


def _cost(trials: Trials) -> np.ndarray:
    return trials["cpu_seconds"] + trials["resample_seconds"]


def _cost_ratio(done: Trials, baseline: Trials) -> float:
    """Return the mean cost of a trial over the baseline's, among trials of the same machine and stack size."""
    spent = expected = 0.0
    for machine, stack in sorted({*zip(done["machine"], done["stack"], strict=True)}):
        own, base = (
            _cost(one.where((one["machine"] == machine) & (one["stack"] == stack))) for one in (done, baseline)
        )
        if len(base):
            spent += float(own.sum())
            expected += len(own) * float(base.mean())
    return spent / expected if expected > 0 else np.nan


def _flops_ratio(done: Trials, baseline: Trials) -> float:
    """Return the mean FLOPs of a trial over the baseline's, which no machine changes; NaN where it has none."""
    expected = baseline["flops"].mean() if len(baseline) else 0.0
    return float(done["flops"].mean() / expected) if expected > 0 else np.nan


def _class_scores(done: Trials, facts: Mapping[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """Return F1 and support [C] of each class, means over repeats of what is pooled over the folds of a repeat.

    Support counts distinct rows: the folds of a repeat share the test rows of a dataset that has its own.
    """
    classes = len(facts["classes"])
    scores, supports = [], []
    for trials in done.by_repeat():
        matrices = np.stack(trials["confusion"].tolist()).reshape(-1, classes, classes)
        each = per_class(matrices.sum(axis=0))
        scores.append(each.f1)
        supports.append(each.support / (len(trials) if facts["has_test"] else 1))
    return np.mean(scores, axis=0), np.mean(supports, axis=0)


def class_support(done: Mapping[str, Trials], facts: Mapping[str, Any]) -> np.ndarray:
    """Return the test rows of each class [C], from the first technique with trials; empty for a regression."""
    if facts["task"] == "classification":
        for trials in done.values():
            if len(trials):
                return _class_scores(trials, facts)[1]
    return np.zeros(len(facts["classes"]))
