"""Searches as sentences and tables: the values taken, what choosing them gained, how soon a target was reached."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from bench.metrics import METRICS
from bench.reporting import searchcurves
from bench.reporting.csvs import csv_text
from bench.reporting.searching import Reached, Tuned, value_text
from bench.reporting.searchmap import ordered
from bench.reporting.standing import DatasetAnalysis
from bench.reporting.tables import NONE, number, with_interval
from bench.reporting.telling import Section, listed
from bench.reporting.tuning import WITHIN

TITLE = "Which values were chosen, and what choosing gained"
NOTE = (
    "Each value is trained on repeats that no score comes from, and the one with the best mean score on validation "
    "rows is taken: no test row is read before that. The technique is then trained anew at that value, on the suite's "
    "own repeats. Good range: values in a row around the best whose mean score is practically equivalent to its. "
    "Diverged: the share of trainings whose loss became non-finite; one that only learned nothing has a score. n "
    "tries: what the best of n values scores on average, on the validation rows of the one repeat that had no part in "
    "choosing it. Gained: the score on test rows at the chosen value minus that at the recipe's own, paired; the "
    "verdicts are Holm-adjusted over the searches of a dataset."
)
HEADINGS = (
    "dataset", "technique", "chosen", "validation score", "good range", "decades", "diverged", "1 try", "3 tries",
    "all tries", "test score", "at its own value", "gained [95 %]", "verdict",
)  # fmt: skip
LEFT = frozenset({"dataset", "technique", "good range", "gained [95 %]", "verdict"})
COLUMNS = (
    "dataset", "technique", "setting", "chosen", "edge", "validation_score", "good_low", "good_high", "diverged_share",
    "values", "repeats", "expected_1", "expected_3", "expected_all", "own_value", "test_score", "own_test_score",
    "gained", "gained_low95", "gained_high95", "p_holm", "verdict",
)  # fmt: skip
TARGET = "Steps and seconds to a target"
TARGET_NOTE = (
    f"The target is a loss on validation rows within {100 * WITHIN:.0f} % of the lowest that the baseline's trainings "
    "reach on average. Steps are those of the first validation at or below it (a training has about ten), seconds "
    "those steps' share of its CPU time. Medians, in which a training that never reaches the target counts as later "
    "than all that do; a dash where fewer than half do."
)
TARGET_HEADINGS = ("dataset", "technique", "reached", "steps", "CPU seconds", "steps over the baseline's")
TARGET_COLUMNS = ("dataset", "target_loss", "technique", "trainings", "reached", "median_steps", "median_cpu_seconds")


def searches_section(datasets: Sequence[DatasetAnalysis], plan: Mapping[str, Any]) -> Section | None:
    """Return what searches came to; None where the suite chooses nothing, or no search is complete.

    plan: as it is stored, which says what the searches were allowed.
    """
    shown = [dataset for dataset in datasets if dataset.asides.searches]
    if not shown:
        return None
    told = [(dataset.label, " ".join(sentences(dataset))) for dataset in shown]
    rows = [_cells(dataset, one) for dataset in shown for one in ordered(dataset.asides.searches)]
    note, files = " ".join([NOTE, *_allowed(plan)]), {"searches.csv": _csv(shown)}
    return Section("searches", TITLE, told, HEADINGS, rows, LEFT, note, files, searchcurves.NAME)


def _allowed(plan: Mapping[str, Any]) -> list[str]:
    """Return what each search was allowed to cost, what all of them did, and why budgets differ where they do."""
    choosing, searches = plan.get("choosing"), plan.get("searches")
    if not choosing or not searches:
        return []
    counts = sorted({math.prod(len(values) for values in one["declared"].values()) for one in searches})
    values = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    trials = sum(len(point["keys"]) for one in searches for point in one["points"])
    more = f", and up to {choosing['extend']} more where an end of the grid won" if choosing["extend"] else ""
    told = [f"Every search had {values} values x {choosing['repeats']} repeats{more}: {trials:,} search trials in all."]
    reason = choosing["why_budgets_differ"]
    return [*told, f"Budgets differ, as the suite says: {reason.rstrip('.')}."] if reason else told


def sentences(dataset: DatasetAnalysis) -> list[str]:
    """Return in short what was chosen on one dataset and what it gained."""
    found = ordered(dataset.asides.searches)
    known = [one for one in found if math.isfinite(one.chosen)]
    told = []
    if known:
        first = known[0]
        told.append(
            f"The best mean score on validation rows was that of {first.technique} at {value_text(first.chosen)}: "
            f"{number(first.best)} {METRICS[dataset.metric].title}."
        )
    edges = [one.technique for one in known if one.edge]
    if edges:
        told.append(f"On an end of its grid, grown as far as the suite allows, lies the choice of {listed(edges)}.")
    if none := [one.technique for one in found if not math.isfinite(one.chosen)]:
        told.append(f"No value could be chosen for {listed(none)}: a training diverged or failed at each.")
    judged = [one for one in found if one.word]
    for word, verb in (("better", "gained on"), ("worse", "lost against"), ("equivalent", "was equivalent to")):
        if names := [one.technique for one in judged if one.word == word]:
            told.append(f"Choosing {verb} the recipe's own value on test rows for {listed(names)}.")
    if names := [one.technique for one in judged if one.word == "identical"]:
        told.append(f"The recipe's own value was the one that was chosen for {listed(names)}.")
    undecided = [one for one in judged if one.word == "undecided"]
    if undecided:
        told.append(f"For {len(undecided)} of {len(judged)} searches it is undecided whether choosing gained anything.")
    return told


def _cells(dataset: DatasetAnalysis, one: Tuned) -> list[str]:
    """Return a line of the table, as ``HEADINGS`` names them."""
    tries = one.tries
    return [
        dataset.label, one.technique, searchcurves.told(one), number(one.best), *_range(one), f"{one.diverged:.0%}",
        number(tries[0]), number(tries[2]) if len(tries) > 2 else NONE, number(tries[-1]), number(one.test),
        f"{number(one.own_test)} ({value_text(one.default)})" if math.isfinite(one.own_test) else NONE,
        with_interval(one.gained), one.word or NONE,
    ]  # fmt: skip


def _range(one: Tuned) -> tuple[str, str]:
    """Return the good range and its width in decades."""
    if one.good is None:
        return NONE, NONE
    low, high = one.good
    wide = f"{math.log10(high / low):.1f}" if low > 0 else NONE
    return (value_text(low) if low == high else f"{value_text(low)} to {value_text(high)}"), wide


def _csv(datasets: Sequence[DatasetAnalysis]) -> str:
    lines: list[list[Any]] = []
    for dataset in datasets:
        for one in ordered(dataset.asides.searches):
            tries, good = one.tries, one.good or (np.nan, np.nan)
            gained = [getattr(one.gained, name, None) for name in ("estimate", "low95", "high95")]
            lines.append([
                dataset.label, one.technique, one.path, one.chosen, one.edge, one.best, *good, one.diverged,
                *one.scores.shape, float(tries[0]), float(tries[2]) if len(tries) > 2 else np.nan, float(tries[-1]),
                one.default, one.test, one.own_test, *gained, getattr(one.verdict, "p_holm", None), one.word,
            ])  # fmt: skip
    return csv_text(COLUMNS, lines)


def target_section(datasets: Sequence[DatasetAnalysis]) -> Section | None:
    """Return how soon each technique reached a target; None where the suite chooses nothing."""
    shown = [(dataset, dataset.asides.target) for dataset in datasets if dataset.asides.target is not None]
    if not shown:
        return None
    told, rows, lines = [], [], []
    for dataset, target in shown:
        base = next((one.steps for one in target.reached if one.technique == target.source), np.nan)
        order = sorted(target.reached, key=lambda one: (one.steps, -one.reached, one.technique))
        rows += [_reached(dataset.label, one, base) for one in order]
        lines += [
            [dataset.label, target.loss, one.technique, one.trainings, one.reached, one.steps, one.seconds]
            for one in order
        ]
        told.append((dataset.label, _soonest(order, target.loss)))
    left = frozenset({"dataset", "technique"})
    files = {"target.csv": csv_text(TARGET_COLUMNS, lines)}
    return Section("target", TARGET, told, TARGET_HEADINGS, rows, left, TARGET_NOTE, files, "", long=True)


def _soonest(order: Sequence[Reached], loss: float) -> str:
    """Return how many techniques reached a target, and which one in the fewest steps."""
    half = sum(math.isfinite(one.steps) for one in order)
    told = f"Validation loss {loss:.4g} was reached by {half} of {len(order)} techniques in half of their trainings"
    if not half:
        return f"{told}."
    quick = min(order, key=lambda one: (one.seconds, one.technique))
    seconds = (
        f", in the least CPU time by {quick.technique} ({quick.seconds:.2f} s)" if math.isfinite(quick.seconds) else ""
    )
    return f"{told}, in the fewest steps by {order[0].technique} ({order[0].steps:.0f}){seconds}."


def _reached(label: str, one: Reached, base: float) -> list[str]:
    known = math.isfinite(one.steps)
    ratio = f"{one.steps / base:.2f}x" if known and math.isfinite(base) else NONE
    steps, seconds = (f"{one.steps:.0f}", f"{one.seconds:.2f}") if known else (NONE, NONE)
    return [label, one.technique, f"{one.reached}/{one.trainings}", steps, seconds, ratio]
