"""From stored trials to standings: what each technique scored, how it differs from the baseline, and how sure."""

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from bench import statistics
from bench.metrics import METRICS
from bench.reporting.comparing import make_comparer
from bench.reporting.measuring import class_support, measure
from bench.reporting.standing import Analysis, DatasetAnalysis, Standing, enough_repeats
from bench.reporting.trials import Trials, trial_table

if TYPE_CHECKING:
    from bench.store import Store

ADDED_LATER: Mapping[str, Any] = {"offers": [], "absent": "", "origin": ""}  # facts that plans of older runs lack


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
        _dataset(
            plan,
            {**ADDED_LATER, **facts},
            cells[facts["label"]],
            table.where(table["dataset"] == facts["label"]),
            store,
        )
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
    measured = {name: measure(frame, baseline, facts) for name, frame in done.items()}
    if applicable:
        compared = _compared(plan["baseline"], facts, done, frames, applicable, store, measured)
        for name, found in compared.items():
            measured[name] |= found
    found = [
        Standing(
            technique=cell["technique"],
            family=families.get(cell["technique"], ""),
            is_baseline=cell["technique"] == plan["baseline"],
            not_applicable=cell["not_applicable"],
            planned=len(cell["keys"]),
            done=len(done.get(cell["technique"], ())),
            training=cell["training"] or "",
            rule=cell["rule"] or "",
            replica=cell.get("replica", 0),
            **_statuses(frames.get(cell["technique"]), metric),
            **measured.get(cell["technique"], {}),
        )
        for cell in cells
    ]
    sign = -1 if METRICS[metric].better == "higher" else 1
    order = sorted((one for one in found if not one.replica), key=lambda one: _place(one, sign))
    noise = next((one for one in found if one.replica), None)
    base = measured.get(plan["baseline"], {}).get("score", np.nan)
    return DatasetAnalysis(facts, tuple(order), class_support(done, facts), _margin(facts, base), table, noise)


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


def _compared(
    baseline: str,
    facts: Mapping[str, Any],
    done: Mapping[str, Trials],
    frames: Mapping[str, Trials],
    cells: list,
    store: "Store",
    measured: Mapping[str, Mapping[str, Any]],
) -> dict[str, dict[str, Any]]:
    """Return each technique's interval, verdict and rank; of the baseline against itself the interval alone."""
    names = list(done)
    again = {cell["technique"] for cell in cells if cell.get("replica", 0)}
    places = [tuple(place) for place in cells[0]["repeat_fold"]]
    complete = [len(done[name]) == len(frames[name]) > 0 for name in names]
    comparer = make_comparer(facts, done, places, store)
    metric = METRICS[facts["metric"]]
    found: dict[str, dict[str, Any]] = {name: {} for name in names}
    if baseline in names:
        base = names.index(baseline)
        others = [index for index in range(len(names)) if index != base]
        intervals = {index: comparer.interval(index, base) for index in others}
        judged = [index for index in others if intervals[index] is not None and names[index] not in again]
        enough = enough_repeats(facts)  # what is identical needs no test, and so no number of repeats
        margin = _margin(facts, measured[baseline].get("score", np.nan))
        differences = [one for index in judged if (one := intervals[index]) is not None]
        full = [
            complete[index] and complete[base] and (enough or one.identical)
            for index, one in zip(judged, differences, strict=True)
        ]
        words = statistics.verdicts(differences, margin, metric.better, full)
        for index, verdict in zip(judged, words, strict=True):
            found[names[index]] |= {"difference": intervals[index], "verdict": verdict}
        found |= {names[index]: {"difference": intervals[index]} for index in others if names[index] in again}
    complete = [full and name not in again for full, name in zip(complete, names, strict=True)]
    ranks = comparer.ranks(complete, metric.better == "higher") if enough_repeats(facts) else None
    if ranks is not None:
        for place, index in enumerate(np.flatnonzero(complete)):
            found[names[index]] |= {
                "rank": int(ranks.rank[place]),
                "p_first": float(ranks.first[place]),
                "place_low": int(ranks.low[place]),
                "place_high": int(ranks.high[place]),
                "places": ranks.places[place],
            }
    return found
