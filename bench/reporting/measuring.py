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


Where = tuple[str, int, str]  # machine, stack size and run: what costs must share to be compared
Probed = Mapping[Where, float]  # CPU seconds that a training of the baseline takes there, from its first steps


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
        "same_scores": _same_scores(done, baseline),
        "metrics": {name: value for name, value in own.items() if np.isfinite(value)},
        **({} if classes is None else {f"class_{name}": getattr(classes, name) for name in _BY_CLASS}),
    }


def _same_scores(done: Trials, baseline: Trials | None) -> bool:
    """Return whether another training than the baseline's gave its very scores, to the bit, in every trial.

    Every metric on training, validation and test rows is looked at, so that a decision rule is not taken for one.
    """
    if baseline is None or not len(done) or len(done) != len(baseline):
        return False
    one, other = (trials.at(np.lexsort((trials["fold"], trials["repeat"])).tolist()) for trials in (done, baseline))
    if set(one["training"]) & set(other["training"]):
        return False
    names = ["repeat", "fold", *(part + metric for part in ("", TRAIN, VALIDATION) for metric in METRICS)]
    return all(np.array_equal(one[name].astype(float), other[name].astype(float), equal_nan=True) for name in names)


def _cost(trials: Trials) -> np.ndarray:
    return trials["cpu_seconds"] + trials["resample_seconds"]


def probed_costs(baseline: Trials | None, probes: "pd.DataFrame") -> dict[Where, float]:
    """Return what a training of the baseline costs where its first steps alone were timed.

    probes: short timings of it (``Store.probes``); the cost of a step there times the steps that its trainings take.
    """
    if baseline is None or not len(baseline):
        return {}
    own = probes[probes["training"] == baseline["training"][0]]
    per_step = (own["cpu_seconds"] / own["steps"]).groupby([own[name] for name in ("machine", "stack", "run")]).mean()
    steps = float(baseline["steps"].mean())
    return {(str(name), int(stack), str(run)): steps * float(cost) for (name, stack, run), cost in per_step.items()}


def _costs_by_place(trials: Trials) -> dict[Where, list[float]]:
    """Return the costs of trials by machine, stack size and run (none: '')."""
    found: dict[Where, list[float]] = {}
    for machine, stack, run, cost in zip(*(trials[n] for n in ("machine", "stack", "run")), _cost(trials), strict=True):
        found.setdefault((str(machine), int(stack), run if isinstance(run, str) else ""), []).append(float(cost))
    return found


def _cost_ratio(done: Trials, baseline: Trials, probed: Probed) -> float:
    """Return the mean cost of a trial over the baseline's, among trials of the same machine and stack size.

    What else a machine does changes with the hour, so the baseline's trials of the same run come first, then a probe of
    it in that run, and only then its trials of other runs on that machine.
    """
    base = _costs_by_place(baseline)
    spent = expected = 0.0
    for where, costs in sorted(_costs_by_place(done).items()):
        elsewhere = [cost for place, held in base.items() if place[:2] == where[:2] for cost in held]
        same = base.get(where) or ([probed[where]] if where in probed else elsewhere)
        if same:
            spent += sum(costs)
            expected += len(costs) * sum(same) / len(same)
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
