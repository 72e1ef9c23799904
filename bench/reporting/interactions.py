"""Do two remedies gain together what they gain alone? both - first - second + baseline, cell by cell.

Additive is meant on the scale of the ranking metric: near its best value two remedies that each help can gain no more
than what is left, and so less than the sum, without disturbing each other.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from bench.metrics import METRICS
from bench.reporting.asides import Interaction
from bench.reporting.ground import Ground

COEFFICIENTS = (1.0, -1.0, -1.0, 1.0)  # of both, first, second, baseline


def pairs_of(techniques: Sequence[Mapping[str, Any]]) -> list[tuple[str, str, str]]:
    """Return the labels (both, first, second) of combinations of exactly two techniques of a suite.

    techniques: as a plan describes them. Both parts must be techniques of the suite by themselves, with the settings
    that the combination has. Older plans, and comparisons of two techniques, describe no parts.
    """
    described = [one for one in techniques if "parts" in one and "setting" in one]
    alone: dict[str, list[Mapping[str, Any]]] = {}
    for one in described:
        if len(one["parts"]) == 1:
            alone.setdefault(one["parts"][0], []).append(one)
    found = []
    for both in described:
        if len(both["parts"]) == 2:
            first, second = (alone.get(part, []) for part in both["parts"])
            match = next(((a, b) for a in first for b in second if _make(a["setting"], b["setting"], both)), None)
            if match is not None:
                found.append((both["label"], match[0]["label"], match[1]["label"]))
    return found


def _make(first: Mapping[str, Any], second: Mapping[str, Any], both: Mapping[str, Any]) -> bool:
    """Return whether two settings together are the combination's, and do not contradict each other."""
    agree = all(first[path] == second[path] for path in first.keys() & second.keys())
    return agree and {**first, **second} == both["setting"]


def measure(ground: Ground, techniques: Sequence[Mapping[str, Any]], margin: float) -> tuple[Interaction, ...]:
    """Return the interactions of a dataset, in the plan's order; only those whose four cells apply there.

    Verdicts are Holm-adjusted over them. margin: half-width of the region of practical equivalence; a contrast
    shown to lie within it is called additive.
    """
    place = {name: index for index, name in enumerate(ground.names)}
    if ground.base is None:
        return ()
    scores, found = ground.scores(), {}
    for labels in pairs_of(techniques):
        if all(label in place for label in labels):
            indices = [*(place[label] for label in labels), ground.base]
            terms = tuple(zip(indices, COEFFICIENTS, strict=True))
            contrast = ground.comparer.contrast(scores, terms)
            if contrast is not None:
                found[labels] = contrast, indices
    words = ground.verdicts(found, margin, METRICS[ground.facts["metric"]].better)
    return tuple(
        Interaction(both, first, second, contrast, words[both, first, second])
        for (both, first, second), (contrast, _) in found.items()
    )
