"""Whether stored trials of two techniques may be compared: what must be the same, and the name of what is not.

Read from the records themselves, not from what a plan expects, so that results which somebody edited, mixed up or made
with another version are refused rather than ranked.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bench.keys import differences
from bench.metrics import METRICS, revisions, score
from bench.plan import trial_key

if TYPE_CHECKING:
    import pandas as pd

    from bench.store import Store

SAME = {"seed": "seeds", "dataset": "data", "folds": "folds", "trainer": "trainer revisions"}
BUDGET = ("steps", "batch_size", "budget")
PLACED = {
    "fingerprint": "the data have other fingerprints",
    "split": "the rows were split otherwise",
    "rows_validation": "there are other validation rows",
    "truth": "the test rows are others",
    "evaluation": "what is evaluated are other rows",
}
_CLOSE = 1e-9  # two computations of one score from one confusion matrix
_SHOWN = 3  # differing fields that are named


@dataclass(frozen=True)
class Side:
    """The stored trials of one technique on one dataset.

    cell  its entry of a plan; runs: records by key; scores: rows of the test part by key, whatever revision made them
    """

    name: str
    cell: Mapping[str, Any]
    runs: "pd.DataFrame"
    scores: "pd.DataFrame"
    description: Mapping[str, Any]


class Reader:
    """Gives the sides of comparisons from one store, reading each tier once."""

    def __init__(self, store: "Store") -> None:
        self._runs = store.runs().set_index("key")
        scores = store.all_scores()
        self._scores = scores[scores["part"] == "test"].set_index("key")
        self._trainings = store.remembered()

    def side(self, cell: Mapping[str, Any], name: str | None = None) -> Side:
        """Return the stored trials of a plan's cell, called by its technique or by another name."""
        keys = cell["keys"]
        scores = self._scores.loc[self._scores.index.isin(keys)]
        return Side(
            name or cell["technique"],
            cell,
            self._runs.loc[self._runs.index.isin(keys)],
            scores[scores["rule"] == (cell["rule"] or "")],
            self._trainings.get(cell["training"], {}).get("description", {}),
        )


def hindrances(one: Side, other: Side, metric: str) -> list[str]:
    """Return why two techniques cannot be compared on a dataset, a phrase each; nothing where they can."""
    found = [phrase for side in (one, other) for phrase in _own_faults(side, metric)]
    found += _of_descriptions(one, other)
    found += _of_places(one, other)
    return found


def _own_faults(side: Side, metric: str) -> list[str]:
    """Return what is wrong with one side by itself: trials under a wrong place, scores that are not the metric's."""
    found = []
    runs = side.runs
    moved = [
        key
        for key, training, repeat, fold, replica in zip(
            runs.index, runs["training"], runs["repeat"], runs["fold"], runs["replica"], strict=True
        )
        if trial_key(training, int(repeat), int(fold), int(replica)) != key
    ]
    if moved:
        found.append(f"the records of {side.name} stand at another repeat or fold than their keys say (as {moved[0]})")
    made = sorted(set(side.scores["revisions"]) - {revisions()})
    if made:
        found.append(
            f"the scores of {side.name} were made by another revision of the metrics "
            f"({made[0] or 'all 1'} against {revisions() or 'all 1'})"
        )
    elif METRICS[metric].kind == "count" and _edited(side, metric):
        found.append(f"the stored {METRICS[metric].title} of {side.name} is not what its confusion matrices give")
    return found


def _edited(side: Side, metric: str) -> bool:
    """Return whether a score differs from what its confusion matrix gives."""
    import numpy as np

    rows = side.scores[side.scores["confusion"].map(len) > 0]
    if rows.empty:
        return False
    counts: np.ndarray = np.stack(rows["confusion"].tolist())
    classes = round(counts.shape[1] ** 0.5)
    expected = score(counts.reshape(-1, classes, classes), metric)
    return not np.allclose(expected, rows[metric].to_numpy(dtype=float), rtol=0, atol=_CLOSE, equal_nan=True)


def _of_descriptions(one: Side, other: Side) -> list[str]:
    """Return what differs in what the trainings are described by: data, folds, seeds and the budget."""
    found = []
    for field, what in SAME.items():
        changed = differences(other.description.get(field), one.description.get(field), field)
        if changed:
            found.append(f"{what} differ ({'; '.join(changed[:_SHOWN])})")
    return found + budgets(*(side.description.get("recipe", {}) for side in (one, other)))


def budgets(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """Return what differs between the budgets of two recipes (``Recipe.training``), as a phrase; nothing if nothing."""
    changed = [line for name in BUDGET for line in differences(other.get(name), one.get(name), name)]
    return [f"budgets differ ({'; '.join(changed)})"] if changed else []


def _of_places(one: Side, other: Side) -> list[str]:
    """Return what differs at the places that both have: the data, the rows of each role, the test rows."""
    keyed = ["repeat", "fold"]
    wanted = [*keyed, *PLACED, "status"]
    both = one.runs[wanted].merge(other.runs[wanted], on=keyed, suffixes=("_one", "_other"))
    if both.empty:
        return ["they have no repeat and fold in common"]
    both = both[(both["status_one"] == "ok") & (both["status_other"] == "ok")]
    found = []
    for column, what in PLACED.items():
        first, second = both[f"{column}_one"], both[f"{column}_other"]
        places = both[first.notna() & second.notna() & (first != second)]
        if len(places):
            more = f" and {len(places) - 1} more" if len(places) > 1 else ""
            found.append(f"{what} (repeat {places['repeat'].iloc[0]}, fold {places['fold'].iloc[0]}{more})")
    return found
