"""The honest gain: what a technique adds to a baseline that may move its threshold as well.

Moving a threshold, or correcting probabilities for the class shares, takes no training. So the baseline is allowed it:
its own training under another decision rule is the *adjusted baseline*. Which rule that is, is chosen on validation
rows alone, by their mean score over the trials, weighted to the target prior as wherever something is decided on them.
A rule that was fitted to the labels of these rows is scored there crosswise (``bench.scoring``): on the very rows it
would look better than it is, and be chosen for that.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.companions import ARGMAX, CORRECTED, TUNED
from bench.metrics import METRICS
from bench.reporting.gains import Adjusted, Adjustment, Gains, Judged
from bench.reporting.judging import margin
from bench.reporting.sides import OWN, Side, Sides, Tables, make_sides
from bench.scoring import CROSSED, weighted_score

if TYPE_CHECKING:
    from bench.store import Store

Cell = Mapping[str, Any]  # an entry of a plan's cells


def threshold_metric(facts: Mapping[str, Any]) -> str:
    """Return the metric in which a threshold matters: the ranking metric where it counts predictions, else macro F1."""
    return facts["metric"] if METRICS[facts["metric"]].kind == "count" else "macro_f1"


def judge_gains(
    baseline: str,
    facts: Mapping[str, Any],
    cells: Sequence[Cell],
    tables: Tables,
    rules: Mapping[str, str],
    store: "Store",
) -> tuple[Adjusted, dict[str, Gains]]:
    """Return what stands for the adjusted baseline on one dataset, and the gains of every technique over it.

    cells: those of the plan that apply, the baseline's among them; tables: the trials of each side, own rules and
    companion rules; rules: the digests of the companion rules by name.
    """
    metric = threshold_metric(facts)
    places = [(int(repeat), int(fold)) for repeat, fold in cells[0]["repeat_fold"]]
    base = next(cell for cell in cells if cell["technique"] == baseline)
    offered = _offered(base, cells, rules)
    candidates = tuple(
        _candidate(store, base["keys"], name, rule, metric, rule == rules[TUNED]) for rule, (name, _) in offered.items()
    )
    chosen = choose(candidates)
    plain: Side = (baseline, ARGMAX)
    adjusted = None if chosen is None else offered[chosen.rule][1]
    sides = make_sides(metric, facts, tables, places, store)
    ranking = make_sides(facts["metric"], facts, _without_companions(tables, adjusted), places, store)
    family = [cell["technique"] for cell in cells if cell is not base and not cell.get("replica", 0)]
    beside = [cell["technique"] for cell in cells if cell is base or cell.get("replica", 0)]
    half_width = margin(sides.facts, sides.mean(plain))

    def contest(held: Sides, other: Side | None, width: float, own: str = OWN) -> dict[str, Judged]:
        if other is None:
            return {name: Judged(None, None, 0, held.planned[name, own]) for name in (*family, *beside)}
        one, two = ({name: ((name, own), other) for name in names} for names in (family, beside))
        return held.judged(one, two, width)

    over_plain, over_adjusted = contest(sides, plain, half_width), contest(sides, adjusted, half_width)
    over_tuned = contest(sides, (baseline, TUNED), half_width, TUNED)
    width = np.nan if adjusted is None else margin(facts, ranking.mean(adjusted))
    ranked = contest(ranking, adjusted, width) if metric != facts["metric"] else over_adjusted
    found = Adjusted(
        metric,
        half_width,
        candidates,
        chosen,
        sides.mean(plain),
        np.nan if adjusted is None else sides.mean(adjusted),
        None if adjusted is None else sides.interval(adjusted, plain),
        METRICS[facts["metric"]].kind == "ranking" and len(facts["classes"]) == 2,
    )
    names = (*family, *beside)
    return found, {name: Gains(over_plain[name], over_adjusted[name], over_tuned[name], ranked[name]) for name in names}


def _offered(base: Cell, cells: Sequence[Cell], rules: Mapping[str, str]) -> dict[str, tuple[str, Side]]:
    """Return the rules that the baseline's threshold may be moved by: digest -> name and side.

    Companion rules, and techniques that are another rule on the baseline's training, which then give their names.
    """
    offered: dict[str, tuple[str, Side]] = {
        rules[name]: (name, (base["technique"], name)) for name in (TUNED, CORRECTED)
    }
    for cell in cells:
        same = cell["training"] == base["training"] and not cell.get("replica", 0)
        if same and cell["rule"] not in (rules[ARGMAX], None):
            offered[cell["rule"]] = cell["technique"], (cell["technique"], OWN)
    return offered


def choose(candidates: Sequence[Adjustment]) -> Adjustment | None:
    """Return the candidate with the best score on validation rows, the first of equals; None where none is scored."""
    scored = [one for one in candidates if np.isfinite(one.validation)]
    return max(scored, key=lambda one: round(one.validation, 12), default=None)


def _candidate(
    store: "Store", keys: Sequence[str], name: str, rule: str, metric: str, reads_labels: bool
) -> Adjustment:
    """Return a rule with its mean over trials of a metric on validation rows, weighted to the target prior.

    Made from the confusion matrices of validation rows alone: crossed ones of a rule that reads their labels (results
    of older versions have none, and then those on the very rows). NaN unless every trained trial has one.
    """
    scores, runs = store.scores(), store.runs()
    trained = runs[runs["key"].isin(keys) & (runs["status"] == "ok")].set_index("key")["target_prior"]
    held = scores[(scores["rule"] == rule) & scores["key"].isin(trained.index)]
    parts = {part: held[held["part"] == part].set_index("key")["confusion"] for part in (CROSSED, "validation")}
    part = next((name for name, one in parts.items() if trained.index.isin(one.index).all()), "")
    if not part or not len(trained):
        return Adjustment(name, rule, np.nan)
    found = [
        weighted_score(np.asarray(parts[part][key], dtype=float), np.asarray(trained[key], dtype=float), metric)
        for key in trained.index
    ]
    return Adjustment(name, rule, float(np.mean(found)), reads_labels and part != CROSSED)


def _without_companions(tables: Tables, adjusted: Side | None) -> Tables:
    """Return the sides under their own rules, and the adjusted baseline's."""
    return {side: one for side, one in tables.items() if side[1] == OWN or side == adjusted}
