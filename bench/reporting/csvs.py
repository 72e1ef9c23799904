"""CSV beside every table and figure: all numbers of the analysis, and the keys by which trials can be traced."""

import csv
import io
import math
from collections.abc import Iterable, Sequence
from typing import Any

from bench.metrics import METRICS
from bench.reporting.standing import DatasetAnalysis


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
    """Return all that is known of each technique, one line each."""
    facts = dataset.facts
    metrics = [name for name, metric in METRICS.items() if metric.fits(facts["task"], facts["offers"])]
    bounds = (
        "estimate",
        "standard_error",
        "degrees_of_freedom",
        "low95",
        "high95",
        "low90",
        "high90",
        "p_value",
        "method",
    )
    judged = ("p_holm", "p_equivalence", "sign", "smallest_detectable")
    headings = [
        "rank", "place_low", "place_high", "p_first", "technique", "family", "score", "train", "gap", "verdict",
        *("difference" if name == "estimate" else name for name in bounds), *judged, "cost_ratio", "cost_seconds",
        "steps", "examples", "flops", "done", "planned", "statuses", "reasons", "not_applicable", "training", "rule",
        *metrics,
    ]  # fmt: skip
    lines = [
        [
            one.rank, one.place_low, one.place_high, one.p_first, one.technique, one.family, one.score, one.train,
            one.gap, one.word, *(getattr(one.difference, name, None) for name in bounds),
            *(getattr(one.verdict, name, None) for name in judged), one.cost_ratio, one.cost_seconds, one.steps,
            one.examples, one.flops, one.done, one.planned,
            "; ".join(f"{count} {status}" for status, count in one.statuses.items()), "; ".join(one.reasons),
            one.not_applicable, one.training, one.rule, *(one.metrics.get(name) for name in metrics),
        ]
        for one in dataset.standings
    ]  # fmt: skip
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
