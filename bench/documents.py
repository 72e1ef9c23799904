"""Plans, runs and analyses as plain data: what ``--json`` prints, and the rows that ``bench.load`` makes tables of.

Light: what is described is imported by whoever made it. Names are those of the CSV files beside a report.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bench.metrics import METRICS
from bench.rotation import blocks, turns

if TYPE_CHECKING:
    from bench.comparison import Comparison, OnDataset
    from bench.plan import Plan
    from bench.reporting.foreseeing import Foreseen
    from bench.reporting.gains import Adjusted, Bill, Gains, Judged
    from bench.reporting.standing import Analysis, DatasetAnalysis, Standing
    from bench.runner import Outcomes
    from bench.searches import Search
    from bench.stored import CellState

INTERVAL = (
    "standard_error", "degrees_of_freedom", "low95", "high95", "low90", "high90", "p_value", "method",
)  # fmt: skip
GAP = ("standard_error", "low95", "high95", "p_value")
JUDGED = ("p_holm", "p_equivalence", "sign", "smallest_detectable")
HONEST = ("p_holm", "p_equivalence", "smallest_detectable")


def planned(
    plan: "Plan",
    states: "Sequence[CellState]",
    seconds: float | None,
    absent: Mapping[str, str],
    unsearched: Collection[str] = (),
) -> dict[str, Any]:
    """Return a plan with what is stored of it.

    seconds: estimated time of training, None where unknown; absent: label -> why data are not on this machine;
    unsearched: search trials that are missing.
    """
    coming = sum(state.cell.coming for state in states)
    trainings = sum(len(training.trials) for training in plan.trainings) + coming
    missing = len({key for state in states for key in state.missing_keys}) + coming
    return {
        "question": plan.suite.question,
        "seed": plan.suite.seed,
        "trainings": trainings,
        "stored": trainings - missing,
        "missing": missing,
        "seconds": seconds,
        "datasets": [
            {
                "dataset": one.label,
                "metric": one.metric,
                "repeats": one.repeats,
                "folds": one.folds,
                "folds_per_repeat": one.folds_per_repeat,
                "held_out": "validation" if one.dataset.has_test else "test",
                "rotation": [turn.picture for turn in turns(one)],
                "turns": [{"picture": turn.picture, "repeats": turn.repeats} for turn in turns(one)],
                "blocks": blocks(one.dataset),
                "test_rows": "own" if one.dataset.has_test else "held-out fold",
                "optional": one.optional,
                "absent": absent.get(one.label, ""),
            }
            for one in plan.suite.datasets
        ],
        "cells": [_cell(state) for state in states],
        "searches": [_search(one, unsearched) for one in plan.searches],
    }


def _search(search: "Search", unsearched: Collection[str]) -> dict[str, Any]:
    """Return what is stored of one search, and what it has chosen so far."""
    keys = search.keys
    paths, choice = list(search.choice.axes), search.choice
    return {
        "dataset": search.dataset.label,
        "technique": search.technique.label,
        "values": {path: list(axis.values) for path, axis in choice.axes.items()},
        "repeats": search.suite.choosing.repeats,
        "planned": len(keys),
        "missing": sum(key in unsearched for key in keys),
        "chosen": None if choice.point is None else dict(zip(paths, choice.point, strict=True)),
        "edges": dict(choice.edges or {}),
    }


def _cell(state: "CellState") -> dict[str, Any]:
    """Return what is stored of one cell."""
    return {
        "dataset": state.cell.dataset,
        "technique": state.cell.technique,
        "replica": state.cell.replica,
        **{name: getattr(state, name) for name in ("planned", "stored", "missing", "stale", "to_score", "changed")},
        "not_applicable": state.cell.not_applicable,
        "absent": state.cell.absent,
        "note": state.note,
    }


def foreseen(found: "Sequence[Foreseen]") -> list[dict[str, Any]]:
    """Return the smallest effect that the planned repeats will find, per dataset."""
    return [
        {
            "dataset": one.facts["label"],
            "metric": one.facts["metric"],
            "effect": one.effect,
            "techniques": one.techniques,
            "family": one.family,
            "sentence": one.sentence,
        }
        for one in found
    ]


def outcomes(found: "Outcomes") -> dict[str, Any]:
    """Return how a run's trials ended."""
    return {"statuses": dict(sorted(found.statuses.items())), "rescored": found.rescored, "unwell": found.unwell}


def standings(analysis: "Analysis") -> list[dict[str, Any]]:
    """Return every dataset of an analysis with its standings by rank."""
    return [_dataset(one) for one in analysis.datasets]


def _dataset(one: "DatasetAnalysis") -> dict[str, Any]:
    return {
        "dataset": one.label,
        "metric": one.metric,
        "better": METRICS[one.metric].better,
        "margin": one.margin,
        "repeats": one.facts["repeat_count"],
        "absent": one.absent,
        "adjusted": None if one.adjusted is None else _adjusted(one.adjusted),
        "standings": [standing(each) for each in one.standings],
        "noise": None if one.noise is None else standing(one.noise),
    }


def _adjusted(found: "Adjusted") -> dict[str, Any]:
    """Return what stands for the baseline once its threshold is moved."""
    return {
        "metric": found.metric,
        "margin": found.margin,
        "rule": None if found.chosen is None else found.chosen.name,
        "plain_score": found.plain,
        "score": found.score,
        "difference": getattr(found.gain, "estimate", None),
        **{name: getattr(found.gain, name, None) for name in GAP},
        "candidates": [{"rule": one.name, "validation": one.validation} for one in found.candidates],
    }


def _judged(one: "Judged") -> dict[str, Any]:
    """Return one comparison with its verdict."""
    return {
        "difference": getattr(one.difference, "estimate", None),
        **{name: getattr(one.difference, name, None) for name in GAP},
        "verdict": one.word,
        **{name: getattr(one.verdict, name, None) for name in HONEST},
        "done": one.done,
    }


def _gains(one: "Gains | None") -> dict[str, Any] | None:
    """Return a technique's gains over the baseline with the argmax rule, adjusted, and with both sides tuned."""
    if one is None:
        return None
    kinds = {"plain": one.plain, "adjusted": one.adjusted, "tuned": one.tuned}
    return {**{name: _judged(held) for name, held in kinds.items()}, "survives": one.survives}


def _bill(one: "Bill") -> dict[str, Any]:
    """Return what a technique does to one measure of calibration, as it is and corrected to the target prior."""
    return {
        "before": {"score": one.score_before, **_judged(one.before)},
        "after": {"score": one.score_after, **_judged(one.after)},
    }


def standing(one: "Standing") -> dict[str, Any]:
    """Return how one technique stands on a dataset; None and NaN where that was not, or not yet, measured."""
    from bench.reporting.closing import closing

    over = None if one.gains is None else one.gains.ranked.difference
    return {
        "rank": one.rank,
        "technique": one.technique,
        "family": one.family,
        "verdict": one.word,
        "score": one.score,
        "difference": None if one.difference is None else one.difference.estimate,
        **{name: getattr(one.difference, name, None) for name in INTERVAL},
        "spread": one.spread,
        **{name: getattr(one.verdict, name, None) for name in JUDGED},
        "cost_ratio": one.cost_ratio,
        "flops_ratio": one.flops_ratio,
        "cost_seconds": one.cost_seconds,
        "validation": one.validation,
        "train": one.train,
        "gap": one.gap,
        **{f"gap_{name}": getattr(one.gap_interval, name, None) for name in GAP},
        **{f"gap_difference_{name}": getattr(one.gap_difference, name, None) for name in ("estimate", *GAP)},
        "gap_verdict": getattr(one.gap_verdict, "word", None),
        **{f"train_difference_{name}": getattr(one.train_difference, name, None) for name in ("estimate", *GAP)},
        "train_verdict": getattr(one.train_verdict, "word", None),
        "closing": closing(one),
        **{f"adjusted_difference_{name}": getattr(over, name, None) for name in ("estimate", *GAP)},
        "adjusted_verdict": None if one.gains is None else one.gains.ranked.word,
        "gains": _gains(one.gains),
        "calibration": {name: _bill(held) for name, held in one.bill.items()},
        "p_first": one.p_first,
        "place_low": one.place_low,
        "place_high": one.place_high,
        "steps": one.steps,
        "examples": one.examples,
        "flops": one.flops,
        "no_op": one.no_op or one.same_scores,
        "done": one.done,
        "planned": one.planned,
        "statuses": one.statuses,
        "reasons": one.reasons,
        "not_applicable": one.not_applicable,
        "replica": one.replica,
        "training": one.training,
        "rule": one.rule,
        "metrics": one.metrics,
    }


def compared(found: "Comparison") -> dict[str, Any]:
    """Return a comparison of two techniques, dataset by dataset."""
    return {
        "suite": found.suite,
        "technique": found.technique,
        "against": found.other,
        "results": found.sources,
        "worse": found.worse,
        "datasets": [_on_dataset(one, found) for one in found.datasets],
    }


def _on_dataset(one: "OnDataset", found: "Comparison") -> dict[str, Any]:
    own, other = one.standing(found.technique), one.standing(found.other)
    return {
        "dataset": one.label,
        "metric": one.facts["metric"],
        "better": METRICS[one.facts["metric"]].better,
        "missing": one.missing,
        "refused": one.refused,
        "left_out": one.left_out,
        "compared": 0 if one.analysis is None else one.analysis.family,
        "of": 0 if one.analysis is None else sum(each.rank is not None for each in one.analysis.standings),
        "beats": () if own is None else own.beats,
        "beaten_by": () if own is None else own.beaten_by,
        "technique": None if own is None else standing(own),
        "against": None if other is None else standing(other),
    }
