"""From stored trials to standings: what each technique scored, how it differs from the baseline, and how sure."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from bench import statistics
from bench.metrics import METRICS, per_class
from bench.reporting.comparing import make_comparer
from bench.reporting.trials import TRAIN, Trials, trial_table
from bench.statistics import Interval, Verdict

if TYPE_CHECKING:
    from bench.store import Store

FEW_ROWS = 10  # below this many test rows, a class's scores are flagged


@dataclass(frozen=True)
class Standing:
    """How one technique did on one dataset. NaN and None where it was not, or not yet, measured.

    score, train, gap: the ranking metric on test rows and on rows trained on, and how much better it is on the latter;
    each is the mean over repeats of the mean over folds. difference: to the baseline, with its interval.
    class_f1 [C]: from confusion matrices pooled over the folds of a repeat, then averaged over repeats.
    cost_ratio: seconds of training and resampling over the baseline's, on the same machine and stack size.
    """

    technique: str
    family: str
    is_baseline: bool
    not_applicable: str
    planned: int
    done: int
    statuses: Mapping[str, int]
    reasons: tuple[str, ...]
    training: str
    rule: str
    score: float = np.nan
    train: float = np.nan
    gap: float = np.nan
    difference: Interval | None = None
    verdict: Verdict | None = None
    rank: int | None = None
    p_first: float = np.nan
    place_low: int | None = None
    place_high: int | None = None
    cost_ratio: float = np.nan
    cost_seconds: float = np.nan
    steps: float = np.nan
    examples: float = np.nan
    flops: float = np.nan
    no_op: bool = False
    metrics: Mapping[str, float] = field(default_factory=dict)
    class_f1: np.ndarray | None = None

    @property
    def complete(self) -> bool:
        """Return whether every planned trial is stored and scored."""
        return self.planned > 0 and self.done == self.planned

    @property
    def word(self) -> str:
        """Return the verdict in one word, or why there is none."""
        if self.not_applicable:
            return "not applicable"
        if self.is_baseline:
            return "baseline"
        if self.verdict is not None and self.verdict.word:
            return self.verdict.word
        return "not compared" if self.complete and self.difference is None else "incomplete"


@dataclass(frozen=True)
class DatasetAnalysis:
    """One dataset: its facts from the plan, the standings by rank, class supports [C] and its trials."""

    facts: Mapping[str, Any]
    standings: tuple[Standing, ...]
    support: np.ndarray
    margin: float
    trials: Trials

    @property
    def scored(self) -> tuple[Standing, ...]:
        """Return the standings that have a score."""
        return tuple(one for one in self.standings if one.done)

    @property
    def compared(self) -> tuple[Standing, ...]:
        """Return the standings that have a difference to the baseline, the largest gain first."""
        found = [(one.difference.estimate, one) for one in self.standings if one.difference is not None]
        sign = -1 if self.higher else 1
        return tuple(one for _, one in sorted(found, key=lambda pair: (sign * round(pair[0], 12), pair[1].technique)))

    @property
    def family(self) -> int:
        """Return how many comparisons the p-values are adjusted over."""
        return sum(one.word in ("better", "worse", "equivalent", "undecided") for one in self.standings)

    @property
    def machines(self) -> tuple[str, ...]:
        """Return the names of the processors that trained, sorted."""
        return tuple(sorted({name for name in self.trials["machine"] if isinstance(name, str)}))

    @property
    def label(self) -> str:
        """Return the dataset's label in the suite."""
        return self.facts["label"]

    @property
    def metric(self) -> str:
        """Return the name of the ranking metric."""
        return self.facts["metric"]

    @property
    def higher(self) -> bool:
        """Return whether a higher score is better."""
        return METRICS[self.metric].better == "higher"

    @property
    def baseline(self) -> Standing | None:
        """Return the baseline's standing, if it is part of the plan."""
        return next((one for one in self.standings if one.is_baseline), None)


@dataclass(frozen=True)
class Analysis:
    """A suite's plan and the analysis of each of its datasets, in the suite's order."""

    plan: Mapping[str, Any]
    datasets: tuple[DatasetAnalysis, ...]


def analyse(store: "Store") -> Analysis:
    """Return the standings of every dataset of the stored plan; partial results give partial standings.

    Raises UsageError where the folder holds no plan or a damaged file.
    """
    plan = store.read_plan()
    table = trial_table(plan, store)
    cells: dict[str, list[Mapping[str, Any]]] = {}
    for cell in plan["cells"]:
        cells.setdefault(cell["dataset"], []).append(cell)
    found = [
        _dataset(plan, facts, cells[facts["label"]], table.where(table["dataset"] == facts["label"]), store)
        for facts in plan["datasets"]
        if facts["label"] in cells
    ]
    return Analysis(plan, tuple(found))


def _dataset(
    plan: Mapping[str, Any], facts: Mapping[str, Any], cells: list, table: Trials, store: "Store"
) -> DatasetAnalysis:
    """Return the analysis of one dataset."""
    metric = facts["metric"]
    applicable = [cell for cell in cells if not cell["not_applicable"]]
    frames = {cell["technique"]: table.where(table["technique"] == cell["technique"]) for cell in applicable}
    done = {name: frame.where((frame["status"] == "ok") & np.isfinite(frame[metric])) for name, frame in frames.items()}
    baseline = done.get(plan["baseline"])
    families = {one["label"]: one["family"] for one in plan["techniques"]}
    measured = {name: _measured(frame, baseline, facts) for name, frame in done.items()}
    if applicable:
        compared = _compared(plan["baseline"], facts, done, frames, applicable, store, measured)
        for name, found in compared.items():
            measured[name] |= found
    standings = [
        Standing(
            technique=cell["technique"],
            family=families.get(cell["technique"], ""),
            is_baseline=cell["technique"] == plan["baseline"],
            not_applicable=cell["not_applicable"],
            planned=len(cell["keys"]),
            done=len(done.get(cell["technique"], ())),
            training=cell["training"] or "",
            rule=cell["rule"] or "",
            **_statuses(frames.get(cell["technique"]), metric),
            **measured.get(cell["technique"], {}),
        )
        for cell in cells
    ]
    sign = -1 if METRICS[metric].better == "higher" else 1
    order = sorted(standings, key=lambda one: _place(one, sign))
    base = measured.get(plan["baseline"], {}).get("score", np.nan)
    return DatasetAnalysis(facts, tuple(order), _support(done, facts), _margin(facts, base), table)


def _place(one: Standing, sign: int) -> tuple:
    """Return what a standing is sorted by: ranked ones first, then by score; not applicable ones last."""
    unscored = not np.isfinite(one.score)
    rank = 10**6 if one.rank is None else one.rank
    return bool(one.not_applicable), unscored, rank, 0.0 if unscored else sign * round(one.score, 12), one.technique


def _margin(facts: Mapping[str, Any], baseline: float) -> float:
    """Return the half-width of the region of practical equivalence, in the metric's unit."""
    relative = METRICS[facts["metric"]].better == "lower"
    return float(facts["equivalence"] * (baseline if relative else 1.0))


def _statuses(frame: Trials | None, metric: str) -> dict[str, Any]:
    """Return how the planned trials of a cell ended, and the distinct reasons of those that did not end well."""
    if frame is None:
        return {"statuses": {}, "reasons": ()}
    counts = Counter(frame["status"].tolist())
    unwell = frame.where(~np.isin(frame["status"], ["ok", "missing", "unscored"]))
    reasons = [f"{count} x {reason}" for reason, count in sorted(Counter(unwell["reason"].tolist()).items())]
    undefined = int(((frame["status"] == "ok") & np.isnan(frame[metric])).sum())
    if undefined:
        reasons.append(f"{undefined} x {METRICS[metric].title} is undefined on the test rows")
    return {"statuses": dict(sorted(counts.items())), "reasons": tuple(reasons)}


def _measured(done: Trials, baseline: Trials | None, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return the means of one cell's scored trials."""
    if not len(done):
        return {}
    metric = facts["metric"]
    score, train = done.mean(metric), done.mean(TRAIN + metric)
    higher = METRICS[metric].better == "higher"
    own = {name: done.mean(name) for name, one in METRICS.items() if one.task == facts["task"]}
    return {
        "score": score,
        "train": train,
        "gap": train - score if higher else score - train,
        "cost_ratio": np.nan if baseline is None else _cost_ratio(done, baseline),
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


def _support(done: Mapping[str, Trials], facts: Mapping[str, Any]) -> np.ndarray:
    """Return the test rows of each class [C], from the first technique with trials; empty for a regression."""
    if facts["task"] == "classification":
        for trials in done.values():
            if len(trials):
                return _class_scores(trials, facts)[1]
    return np.zeros(len(facts["classes"]))


def _compared(
    baseline: str,
    facts: Mapping[str, Any],
    done: Mapping[str, Trials],
    frames: Mapping[str, Trials],
    cells: list,
    store: "Store",
    measured: Mapping[str, Mapping[str, Any]],
) -> dict[str, dict[str, Any]]:
    """Return each technique's interval, verdict and rank."""
    names = list(done)
    places = [tuple(place) for place in cells[0]["repeat_fold"]]
    complete = [len(done[name]) == len(frames[name]) > 0 for name in names]
    comparer = make_comparer(facts, done, places, store)
    metric = METRICS[facts["metric"]]
    found: dict[str, dict[str, Any]] = {name: {} for name in names}
    if baseline in names:
        base = names.index(baseline)
        others = [index for index in range(len(names)) if index != base]
        intervals = {index: comparer.interval(index, base) for index in others}
        judged = [index for index in others if intervals[index] is not None]
        margin = _margin(facts, measured[baseline].get("score", np.nan))
        words = statistics.verdicts(
            [one for index in judged if (one := intervals[index]) is not None],
            margin,
            metric.better,
            [complete[index] and complete[base] for index in judged],
        )
        for index, verdict in zip(judged, words, strict=True):
            found[names[index]] |= {"difference": intervals[index], "verdict": verdict}
    if any(complete):
        ranks = comparer.ranks(complete, metric.better == "higher")
        for place, index in enumerate(np.flatnonzero(complete)):
            found[names[index]] |= {
                "rank": int(ranks.rank[place]),
                "p_first": float(ranks.first[place]),
                "place_low": int(ranks.low[place]),
                "place_high": int(ranks.high[place]),
            }
    return found
