"""From stored trials to standings: what each technique scored, how it differs from the baseline, and how sure."""

import functools
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.metrics import METRICS
from bench.reporting import flattery, interactions, tail, tuning
from bench.reporting.asides import Asides
from bench.reporting.calibration import judge_calibration
from bench.reporting.gains import Adjusted
from bench.reporting.grids import Grid, grids_of
from bench.reporting.ground import Ground, make_ground
from bench.reporting.honest import judge_gains
from bench.reporting.judging import judge, margin
from bench.reporting.measuring import class_support, measure, probed_costs
from bench.reporting.sides import OWN, Tables, companion_tables
from bench.reporting.standing import Analysis, DatasetAnalysis, Standing
from bench.reporting.trials import Trials, trial_table
from bench.searched import Searched, searched

if TYPE_CHECKING:
    import pandas as pd

    from bench.store import Store

ADDED_LATER: Mapping[str, Any] = {"offers": [], "absent": "", "origin": ""}  # facts that plans of older runs lack


def analyse(store: "Store", plan: Mapping[str, Any] | None = None, classes: bool = True) -> Analysis:
    """Return the standings of every dataset of a plan (by default the stored one); partial results give partial ones.

    classes: whether to test every class's F1 too, which takes the most time.
    Raises UsageError where the folder holds no plan or a damaged file.
    """
    plan = store.read_plan() if plan is None else plan
    table = trial_table(plan, store)
    companions = companion_tables(plan, store)
    searches = searched(plan, store)
    probes, remembered = store.probes(), functools.cache(store.remembered)
    nothing, tables = table.where(np.zeros(len(table), dtype=bool)), table.split("dataset")
    cells: dict[str, list[Mapping[str, Any]]] = {}
    for cell in plan["cells"]:
        cells.setdefault(cell["dataset"], []).append(cell)
    found = [
        _dataset(
            plan,
            {**ADDED_LATER, **facts},
            cells[facts["label"]],
            tables.get(facts["label"], nothing),
            store,
            probes,
            classes,
            remembered,
            companions.get(facts["label"], {}),
            [one for one in searches if one.dataset == facts["label"]],
        )
        for facts in plan["datasets"]
        if facts["label"] in cells
    ]
    return Analysis(plan, tuple(found))


def _dataset(
    plan: Mapping[str, Any],
    facts: Mapping[str, Any],
    cells: list,
    table: Trials,
    store: "Store",
    probes: "pd.DataFrame",
    classes: bool,
    remembered: Callable[[], Mapping[str, Any]],
    companions: Tables,
    searches: Sequence[Searched],
) -> DatasetAnalysis:
    """Return the analysis of one dataset.

    companions: its trials under companion rules, of a suite on imbalance; searches: those that a suite wants on it.
    """
    metric = facts["metric"]
    applicable = [cell for cell in cells if not cell["not_applicable"]]
    found = table.split("technique")
    frames = {cell["technique"]: found[cell["technique"]] for cell in applicable}
    done = {name: frame.where((frame["status"] == "ok") & np.isfinite(frame[metric])) for name, frame in frames.items()}
    baseline = done.get(plan["baseline"])
    families = {one["label"]: one["family"] for one in plan["techniques"]}
    probed = probed_costs(baseline, probes)
    measured = {name: measure(frame, baseline, facts, probed) for name, frame in done.items()}
    ground = make_ground(plan["baseline"], facts, done, applicable, store) if applicable else None
    if ground is not None:
        for name, judged in judge(ground, classes).items():
            measured[name] |= judged
    adjusted = None
    if companions and baseline is not None:
        sides = {(name, OWN): frame for name, frame in frames.items()} | dict(companions)
        adjusted, found_gains = _honest(plan, facts, applicable, sides, store)
        for name, fields in found_gains.items():
            measured[name] |= fields
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
            replica=cell.get("replica", 0),
            **_statuses(frames.get(cell["technique"]), metric),
            **measured.get(cell["technique"], {}),
        )
        for cell in cells
    ]
    sign = -1 if METRICS[metric].better == "higher" else 1
    order = sorted((one for one in standings if not one.replica), key=lambda one: _place(one, sign))
    noise = next((one for one in standings if one.replica), None)
    base = measured.get(plan["baseline"], {}).get("score", np.nan)
    grids, half_width = _grids(plan, applicable, remembered), margin(facts, base)
    asides = Asides() if ground is None else _asides(plan, ground, half_width, searches)
    support = class_support(done, facts)
    own = _recipe_of(applicable, remembered)(plan["baseline"]) if plan.get("focus") == "levers" else None
    return DatasetAnalysis(facts, tuple(order), support, half_width, table, noise, grids, asides, adjusted, own or {})


def _asides(plan: Mapping[str, Any], ground: Ground, half_width: float, searches: Sequence[Searched]) -> Asides:
    """Return what is told of one dataset beside its verdicts."""
    tuned = tuning.measure(ground, searches, plan["techniques"], half_width)
    return Asides(
        flattery.measure(ground, half_width),
        tail.measure(ground),
        interactions.measure(ground, plan["techniques"], half_width),
        tuned,
        tuning.target_of(ground, tuned),
    )


def _honest(
    plan: Mapping[str, Any], facts: Mapping[str, Any], cells: list, sides: Tables, store: "Store"
) -> tuple[Adjusted, dict[str, dict[str, Any]]]:
    """Return what stands for the adjusted baseline, and per technique its gains and its calibration bill."""
    baseline = plan["baseline"]
    adjusted, gains = judge_gains(baseline, facts, cells, sides, plan["companions"], store)
    bills = judge_calibration(baseline, facts, cells, sides, store)
    return adjusted, {name: {"gains": gains[name], "bill": bills[name]} for name in gains}


def _grids(plan: Mapping[str, Any], cells: list, remembered: Callable[[], Mapping[str, Any]]) -> tuple[Grid, ...]:
    """Return the remedies that one dataset has at several strengths.

    cells: those that apply there; remembered: gives what stored trainings stand for (``Store.remembered``).
    """
    own = {cell["technique"] for cell in cells}
    described = [one for one in plan["techniques"] if one["label"] in own and "setting" in one]
    return grids_of(described, _recipe_of(cells, remembered))  # a comparison of two techniques describes neither


def _recipe_of(cells: list, remembered: Callable[[], Mapping[str, Any]]) -> Callable[[str], Mapping[str, Any] | None]:
    """Return what gives a technique's stored recipe, or None; arguments as of ``_grids``."""
    trainings = {cell["technique"]: cell["training"] for cell in cells}

    def recipe_of(technique: str) -> Mapping[str, Any] | None:
        held = remembered().get(trainings.get(technique, ""))
        return None if held is None else held["description"].get("recipe")

    return recipe_of


def _place(one: Standing, sign: int) -> tuple:
    """Return what a standing is sorted by: ranked ones first, then by score; not applicable ones last."""
    unscored = not np.isfinite(one.score)
    rank = 10**6 if one.rank is None else one.rank
    return bool(one.not_applicable), unscored, rank, 0.0 if unscored else sign * round(one.score, 12), one.technique


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
