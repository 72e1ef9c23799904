"""The calibration bill: what a technique does to Brier score and ECE, before and after its probabilities are corrected.

Remedies that balance the classes make a network answer for class shares that the test rows do not have, so that its
probabilities are off. Correcting them for the prior that the loss saw (``PriorCorrection``) takes no training. Both are
held against the baseline as it is: paired differences, lower is better, a family of verdicts each.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bench.companions import ARGMAX, CORRECTED
from bench.reporting.gains import Bill
from bench.reporting.judging import margin
from bench.reporting.sides import OWN, Side, Tables, make_sides

if TYPE_CHECKING:
    from bench.store import Store

MEASURES = ("brier", "ece")
EQUIVALENCE = 0.02  # of the baseline's, as errors have it


def judge_calibration(
    baseline: str, facts: Mapping[str, Any], cells: Sequence[Mapping[str, Any]], tables: Tables, store: "Store"
) -> dict[str, dict[str, Bill]]:
    """Return the bill of every technique, and of the baseline and its replica, by measure.

    cells: those of the plan that apply, the baseline's among them; tables: the trials of each side.
    """
    places = [(int(repeat), int(fold)) for repeat, fold in cells[0]["repeat_fold"]]
    plain: Side = (baseline, ARGMAX)
    found: dict[str, dict[str, Bill]] = {cell["technique"]: {} for cell in cells}
    outside = {cell["technique"] for cell in cells if cell["technique"] == baseline or cell.get("replica", 0)}
    for measure in MEASURES:
        sides = make_sides(measure, {**facts, "equivalence": EQUIVALENCE}, tables, places, store)
        width = margin(sides.facts, sides.mean(plain))
        judged = []
        for rule in (OWN, CORRECTED):
            pairs = {name: ((name, rule), plain) for name in found}
            family = {name: pair for name, pair in pairs.items() if name not in outside}
            beside = {name: pair for name, pair in pairs.items() if name in outside}
            judged.append(sides.judged(family, beside, width))
        for name, bills in found.items():
            scores = [sides.mean((name, rule)) for rule in (OWN, CORRECTED)]
            bills[measure] = Bill(judged[0][name], judged[1][name], *scores)
    return found
