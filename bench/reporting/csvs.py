"""CSV beside every table and figure: all numbers of the analysis, and the keys by which trials can be traced."""

import csv
import io
import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from bench.metrics import METRICS
from bench.reporting.across import COUNTED, across
from bench.reporting.standing import Analysis, DatasetAnalysis

_BOUNDS = (
    "estimate", "standard_error", "degrees_of_freedom", "low95", "high95", "low90", "high90", "p_value", "method",
)  # fmt: skip
_GAP = ("standard_error", "low95", "high95")


CLASSES = ("technique", "class", "test_rows", "precision", "recall", "f1", "change", "p", "q")


def csv_text(headings: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Return CSV; numbers have six significant digits, so that the bytes do not depend on the order of summing."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(headings)
    writer.writerows([_plain(cell) for cell in line] for line in rows)
    return out.getvalue()


def _plain(cell: Any) -> Any:
    """Return a cell as CSV has it: empty for what is not there."""
    if isinstance(cell, float):
        return f"{cell:.6g}" if math.isfinite(cell) else ""
    return "" if cell is None else cell


def ranking_csv(dataset: DatasetAnalysis) -> str:
    """Return all that is known of each technique, one line each; last the baseline against itself."""
    facts = dataset.facts
    metrics = [name for name, metric in METRICS.items() if metric.fits(facts["task"], facts["offers"])]
    judged = ("p_holm", "p_equivalence", "sign", "smallest_detectable")
    headings = [
        "rank", "place_low", "place_high", "p_first", "technique", "family", "replica", "score", "validation", "train",
        "verdict", *("difference" if name == "estimate" else name for name in _BOUNDS), "spread", *judged, "gap",
        *(f"gap_{name}" for name in _GAP), *(f"gap_difference_{name}" for name in ("estimate", *_GAP)),
        "cost_ratio", "cost_seconds", "steps", "examples", "flops", "done", "planned", "statuses", "reasons",
        "not_applicable", "training", "rule", *metrics,
    ]  # fmt: skip
    lines = [
        [
            one.rank, one.place_low, one.place_high, one.p_first, one.technique, one.family, one.replica, one.score,
            one.validation, one.train, one.word, *(getattr(one.difference, name, None) for name in _BOUNDS), one.spread,
            *(getattr(one.verdict, name, None) for name in judged), one.gap,
            *(getattr(one.gap_interval, name, None) for name in _GAP),
            *(getattr(one.gap_difference, name, None) for name in ("estimate", *_GAP)), one.cost_ratio,
            one.cost_seconds, one.steps, one.examples, one.flops, one.done, one.planned,
            "; ".join(f"{count} {status}" for status, count in one.statuses.items()), "; ".join(one.reasons),
            one.not_applicable, one.training, one.rule, *(one.metrics.get(name) for name in metrics),
        ]
        for one in (*dataset.standings, *([] if dataset.noise is None else [dataset.noise]))
    ]  # fmt: skip
    return csv_text(headings, lines)


def class_lines(dataset: DatasetAnalysis) -> list[list[Any]]:
    """Return what ``CLASSES`` names of each class under each technique, most test rows first; none for a regression."""
    lines = []
    for one in dataset.scored:
        each = (one.class_precision, one.class_recall, one.class_f1, one.class_change, one.class_p, one.class_q)
        numbers = [[math.nan] * len(dataset.support) if values is None else values.tolist() for values in each]
        for at in np.argsort(-dataset.support, kind="stable"):
            found = (values[at] for values in numbers)
            lines.append([one.technique, dataset.facts["classes"][at], float(dataset.support[at]), *found])
    return lines


def classes_csv(dataset: DatasetAnalysis) -> str:
    """Return the scores of each class under each technique.

    change: F1 minus the baseline's; q: its p, adjusted by false discovery rate over techniques and classes.
    """
    return csv_text(CLASSES, class_lines(dataset))


def datasets_csv(analysis: Analysis) -> str:
    """Return every technique's gain on every dataset (an error's as a fraction of the baseline's), and the counts."""
    labels = [dataset.label for dataset in analysis.datasets]
    headings = ["technique", *(f"gain {label}" for label in labels), "mean_gain", "datasets", *COUNTED]
    lines = [[one.technique, *one.gains, one.mean, one.averaged, *one.counts.values()] for one in across(analysis)]
    return csv_text(headings, lines)


def trials_csv(dataset: DatasetAnalysis) -> str:
    """Return one line per planned trial, with the key that names it in the results folder."""
    headings = [
        "technique",
        "repeat",
        "fold",
        "key",
        "rule",
        "status",
        "reason",
        dataset.metric,
        f"train_{dataset.metric}",
    ]
    return csv_text(headings, zip(*(dataset.trials[name].tolist() for name in headings), strict=True))
