"""From a results folder to the numbers of a report: scores, paired differences, verdicts, ranks, cost.

Nothing is drawn here. Everything follows from plan.json and the stored parts.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from bench import statistics
from bench.metrics import METRICS, per_class
from bench.statistics import Interval, Verdict
from bench.store import Store

if TYPE_CHECKING:
    import pandas as pd

FEW_ROWS = 10  # classes with fewer distinct test rows are flagged


@dataclass(frozen=True)
class Standing:
    """One technique on one dataset.

    score, train   mean test and training score over repeats; gap: how much better training looks than test
    difference     technique minus baseline on the ranking metric, with its interval; None for the baseline itself
    cost           CPU seconds (training and resampling) over the baseline's, same machine and stack size; else NaN
    f1             per-class F1 [C] on test rows, pooled over the folds of a repeat, mean over repeats
    done, planned  trials with scores, and trials planned; other: how the rest ended, by status, with a reason
    """

    technique: str
    family: str
    score: float
    train: float
    gap: float
    metrics: dict[str, float]
    difference: Interval | None
    verdict: Verdict | None
    rank: int
    first: float
    rank_low: int
    rank_high: int
    cost: float
    steps: float
    f1: np.ndarray
    done: int
    planned: int
    other: dict[str, int]
    reason: str
    not_applicable: str
    keys: tuple[str, ...] = ()


@dataclass(frozen=True)
class DatasetAnalysis:
    """One dataset: its facts from the plan, and its standings, best first."""

    facts: Mapping[str, Any]
    standings: tuple[Standing, ...]
    support: np.ndarray
    family: int
    machines: tuple[str, ...]

    @property
    def label(self) -> str:
        """Return the dataset's label."""
        return self.facts["label"]

    @property
    def metric(self) -> str:
        """Return the ranking metric's name."""
        return self.facts["metric"]

    @property
    def ranked(self) -> tuple[Standing, ...]:
        """Return the standings that have a score."""
        return tuple(one for one in self.standings if one.done)


@dataclass(frozen=True)
class Analysis:
    """A whole suite."""

    plan: Mapping[str, Any]
    datasets: tuple[DatasetAnalysis, ...]


@dataclass
class _Cell:
    """One technique's scored trials on one dataset, as arrays over (repeat, fold)."""

    technique: Mapping[str, Any]
    plan: Mapping[str, Any]
    frame: "pd.DataFrame"
    runs: "pd.DataFrame"
    drawn: dict[tuple[str, ...], np.ndarray] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        return len(self.frame) == len(self.plan["keys"]) > 0


def analyse(store: Store) -> Analysis:
    """Return the numbers of a report. Raises UsageError where there are no results."""
    plan = store.read_plan()
    runs = store.runs().set_index("key", drop=False)
    scores = store.scores()
    by_part = {part: rows.set_index(["key", "rule"]) for part, rows in scores.groupby("part")}
    return Analysis(plan, tuple(_dataset(store, plan, facts, runs, by_part) for facts in plan["datasets"]))


def _dataset(
    store: Store,
    plan: Mapping[str, Any],
    facts: Mapping[str, Any],
    runs: "pd.DataFrame",
    by_part: "Mapping[Any, pd.DataFrame]",
) -> DatasetAnalysis:
    """Return one dataset's standings."""
    techniques = {one["label"]: one for one in plan["techniques"]}
    cells = [cell for cell in plan["cells"] if cell["dataset"] == facts["label"]]
    held = [_cell(techniques[cell["technique"]], cell, runs, by_part) for cell in cells]
    baseline = next((one for one in held if one.plan["technique"] == plan["baseline"]), None)
    higher = METRICS[facts["metric"]].better == "higher"

    others = [one for one in held if one is not baseline and len(one.frame)]
    intervals = [_interval(store, facts, one, baseline) for one in others]
    full = [bool(one.complete and baseline and baseline.complete) for one in others]
    margin = _margin(facts, baseline)
    words = statistics.verdicts(intervals, margin, METRICS[facts["metric"]].better, full)
    by_label = {
        one.plan["technique"]: (interval, word) for one, interval, word in zip(others, intervals, words, strict=True)
    }
    places = _ranks(store, facts, [one for one in held if one.complete], higher)
    standings = [_standing(facts, one, baseline, by_label, places) for one in held]
    standings.sort(key=lambda one: _order(one, higher))
    counted = sum(not interval.identical and use for interval, use in zip(intervals, full, strict=True))
    machines = tuple(sorted({str(name) for one in held for name in one.runs["machine"].unique()}))
    return DatasetAnalysis(facts, tuple(standings), _support(held, facts), counted, machines)


def _order(one: Standing, higher: bool) -> tuple[Any, ...]:
    """Sort key: ranked ones first, by rank and score; then partial ones; then those without any score."""
    score = -one.score if higher else one.score
    complete = one.done == one.planned > 0
    return (bool(one.not_applicable), one.done == 0, not complete, one.rank, score, one.technique)


def _cell(
    technique: Mapping[str, Any], cell: Mapping[str, Any], runs: "pd.DataFrame", by_part: "Mapping[Any, pd.DataFrame]"
) -> _Cell:
    """Return a cell's scored trials: test columns, and ``train``, the ranking metric on training rows."""
    keys = [key for key in cell["keys"] if key in runs.index]
    own = runs.loc[keys]
    pairs = [(key, cell["rule"]) for key in keys]
    test, train = by_part.get("test"), by_part.get("train")
    if test is None or train is None:
        return _Cell(technique, cell, own.iloc[:0].assign(train=[]), own)
    pairs = [pair for pair in pairs if pair in test.index and runs.at[pair[0], "status"] == "ok"]
    frame = test.loc[pairs].reset_index()
    place = dict(zip(cell["keys"], cell["repeat_fold"], strict=True))
    frame["repeat"] = [place[key][0] for key in frame["key"]]
    frame["fold"] = [place[key][1] for key in frame["key"]]
    trained = train.loc[pairs].reset_index()
    for name in METRICS:
        frame[f"train {name}"] = trained[name].to_numpy()
    return _Cell(technique, cell, frame, own)


def _paired(one: _Cell, other: _Cell, metric: str) -> "pd.DataFrame":
    """Return differences one - other on the (repeat, fold) that both have, as a frame with both keys."""
    joined = one.frame.merge(other.frame, on=["repeat", "fold"], suffixes=("", " other"))
    joined["difference"] = joined[metric] - joined[f"{metric} other"]
    return joined.sort_values(["repeat", "fold"])


def _interval(store: Store, facts: Mapping[str, Any], one: _Cell, other: _Cell | None) -> Interval:
    """Return the interval of the difference one - other by the method that the data's repeats call for."""
    metric = facts["metric"]
    empty = Interval(*[float("nan")] * 8, False, "no pairs")
    if other is None or not len(other.frame):
        return empty
    pairs = _paired(one, other, metric)
    if not len(pairs):
        return empty
    means = pairs.groupby("repeat")["difference"].mean().to_numpy()[:, None]
    if facts["repeats"] == "independent":
        return statistics.independent_repeats(means)
    if not facts["has_test"]:
        rows = one.runs.loc[pairs["key"], ["rows_test", "rows_train", "rows_own"]]
        return statistics.nadeau_bengio(
            pairs["difference"].to_numpy(), float((rows["rows_test"] / rows["rows_own"]).mean())
        )
    if METRICS[metric].kind != "count":
        return Interval(float(means.mean()), *[float("nan")] * 7, False, "no interval for a ranking on a fixed test set")
    rows = int(one.runs.loc[pairs["key"].iloc[0], "rows_test"])
    return statistics.fixed_test_set(means, _row_error(store, facts, one, other, pairs), rows)


def _row_error(store: Store, facts: Mapping[str, Any], one: _Cell, other: _Cell, pairs: "pd.DataFrame") -> float:
    """Return the standard error over the test rows of a fixed test set, from the stored test labels."""
    drawn = []
    for cell, column in ((one, "key"), (other, "key other")):
        keys = tuple(pairs[column])
        if keys not in cell.drawn:
            truth, _ = store.truth(str(cell.runs.loc[keys[0], "truth"]))
            labels = np.stack([store.labels[key, cell.plan["rule"]] for key in keys])
            cell.drawn[keys] = statistics.drawn_scores(truth, labels, facts["metric"], len(facts["classes"]))
        drawn.append(cell.drawn[keys])
    return statistics.row_standard_error(*drawn)


def _margin(facts: Mapping[str, Any], baseline: _Cell | None) -> float:
    """Return the half-width of the region of practical equivalence, in the metric's unit."""
    if METRICS[facts["metric"]].better == "higher":
        return facts["equivalence"]
    score = baseline.frame[facts["metric"]].mean() if baseline is not None and len(baseline.frame) else np.nan
    return facts["equivalence"] * float(score)


def _ranks(
    store: Store, facts: Mapping[str, Any], cells: Sequence[_Cell], higher: bool
) -> dict[str, tuple[int, float, int, int]]:
    """Return (rank, P(rank 1), low, high) per technique with full coverage. All pairs are tested, Holm-adjusted."""
    if len(cells) < 2:
        return {one.plan["technique"]: (1, 1.0, 1, 1) for one in cells}
    sign = 1 if higher else -1
    pairs = [(a, b) for a in range(len(cells)) for b in range(a)]
    intervals = [_interval(store, facts, cells[a], cells[b]) for a, b in pairs]
    p = statistics.holm([interval.p_value for interval in intervals])
    better = np.zeros((len(cells), len(cells)), dtype=bool)
    for (a, b), interval, adjusted in zip(pairs, intervals, p, strict=True):
        if adjusted < statistics.ALPHA:
            better[(a, b) if interval.estimate * sign > 0 else (b, a)] = True
    means = np.stack([one.frame.groupby("repeat")[facts["metric"]].mean().to_numpy() for one in cells])
    found = statistics.ranks(sign * means, better)
    return {
        one.plan["technique"]: (
            int(found.rank[index]), float(found.first[index]), int(found.low[index]), int(found.high[index])
        )
        for index, one in enumerate(cells)
    }  # fmt: skip


def _standing(
    facts: Mapping[str, Any],
    one: _Cell,
    baseline: _Cell | None,
    by_label: Mapping[str, tuple[Interval, Verdict]],
    places: Mapping[str, tuple[int, float, int, int]],
) -> Standing:
    """Return one technique's standing."""
    metric = facts["metric"]
    sign = 1 if METRICS[metric].better == "higher" else -1
    label = one.plan["technique"]
    frame = one.frame
    by_repeat = frame.groupby("repeat") if len(frame) else None
    means = {name: _mean(by_repeat, name) for name in METRICS} if by_repeat is not None else {}
    score = means.get(metric, np.nan)
    train = _mean(by_repeat, f"train {metric}") if by_repeat is not None else np.nan
    interval, verdict = by_label.get(label, (None, None))
    rank, first, low, high = places.get(label, (10**6, np.nan, 0, 0))
    unwell = one.runs[one.runs["status"] != "ok"]
    return Standing(
        technique=label,
        family=one.technique["family"],
        score=score,
        train=train,
        gap=sign * (train - score),
        metrics=means,
        difference=interval,
        verdict=verdict,
        rank=rank,
        first=first,
        rank_low=low,
        rank_high=high,
        cost=_cost(one, baseline),
        steps=float(one.runs["steps"].mean()) if len(one.runs) else np.nan,
        f1=_f1(frame, facts),
        done=len(frame),
        planned=len(one.plan["keys"]),
        other={str(status): int(count) for status, count in unwell["status"].value_counts().sort_index().items()},
        reason=str(unwell["reason"].iloc[0]) if len(unwell) else "",
        not_applicable=one.plan["not_applicable"],
        keys=tuple(frame["key"]) if len(frame) else (),
    )


def _mean(by_repeat: Any, name: str) -> float:
    """Return the mean over repeats of the mean over a repeat's folds."""
    return float(by_repeat[name].mean().mean())


def _cost(one: _Cell, baseline: _Cell | None) -> float:
    """Return the ratio of mean CPU seconds to the baseline's, over trials of the same machine and stack size."""
    if baseline is None or not len(one.runs) or not len(baseline.runs):
        return float("nan")
    ours, theirs = (
        cell.runs[cell.runs["status"] == "ok"]
        .assign(seconds=lambda frame: frame["cpu_seconds"] + frame["resample_seconds"])
        .groupby(["machine", "stack"])["seconds"]
        .mean()
        for cell in (one, baseline)
    )
    shared = ours.index.intersection(theirs.index)
    return float(ours[shared].sum() / theirs[shared].sum()) if len(shared) else float("nan")


def _f1(frame: "pd.DataFrame", facts: Mapping[str, Any]) -> np.ndarray:
    """Return per-class F1 [C]: confusion matrices pooled over the folds of a repeat, then the mean over repeats."""
    classes = len(facts["classes"])
    if not classes or not len(frame):
        return np.full(classes, np.nan)
    matrices = np.stack(frame["confusion"].to_list()).reshape(-1, classes, classes)
    pooled = [matrices[rows].sum(axis=0) for rows in frame.groupby("repeat").indices.values()]
    return per_class(np.stack(pooled)).f1.mean(axis=0)


def _support(cells: Sequence[_Cell], facts: Mapping[str, Any]) -> np.ndarray:
    """Return the distinct test rows of each class in one repeat (mean over repeats)."""
    classes = len(facts["classes"])
    for one in cells:
        if classes and len(one.frame):
            matrices = np.stack(one.frame["confusion"].to_list()).reshape(-1, classes, classes).sum(axis=2)
            rows = one.frame.groupby("repeat").indices.values()
            pooled = [matrices[index].mean(axis=0) if facts["has_test"] else matrices[index].sum(axis=0) for index in rows]
            return np.mean(pooled, axis=0)
    return np.zeros(classes)
