"""What a store holds of a plan: which trials and scores are settled, missing or stale, and what is to be done."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bench.absence import absence
from bench.keys import differences
from bench.plan import Cell, Plan
from bench.store import Store

FINAL = frozenset({"ok", "failed", "diverged"})
UNWELL = frozenset({"failed", "timeout", "killed"})
NO_LOGITS = "logits to score a decision rule on are not stored here"
NO_CURVE = "a test curve is asked for and was not recorded"


def unscored_trials(plan: Plan, statuses: Mapping[str, str], scored: set[tuple[str, str]]) -> set[str]:
    """Return the trials that were trained but lack the score of a rule (of a regression: its only score)."""
    return {
        place.key
        for training in plan.trainings
        for place in training.trials
        if statuses.get(place.key) == "ok"
        and any((place.key, rule) not in scored for rule in [name for name, _ in training.rules] or [""])
    }


def recorded_trials(plan: Plan, statuses: Mapping[str, str]) -> set[str]:
    """Return the trained trials of which a curve on test rows is asked for, whatever its metric was."""
    marked = (training for training in plan.trainings if training.curve_metric)
    return {place.key for training in marked for place in training.trials if statuses.get(place.key) == "ok"}


@dataclass(frozen=True)
class Stored:
    """What the store holds of a plan, as far as it decides what is to be done.

    statuses  trial key -> status, of trials that are settled or lost
    scored    (trial key, rule digest) that need no scoring
    lost      trials that are to be trained again, with what they lack that only training can give: logits to make a
              missing score from, or a curve on test rows
    """

    statuses: Mapping[str, str]
    scored: set[tuple[str, str]]
    lost: Mapping[str, str]


def look_up(plan: Plan, store: Store, retry: bool) -> Stored:
    """Return which trials and scores of a plan are settled.

    Trials that were killed or timed out are not. retry: neither are failed and diverged ones, nor rules that could
    not be fitted.
    """
    final = frozenset({"ok"}) if retry else FINAL
    scored = store.scored() - (store.refused().keys() if retry else set())
    statuses = {key: status for key, status in store.statuses().items() if status in final}
    lost = dict.fromkeys(store.without_test_curve(recorded_trials(plan, statuses)), NO_CURVE)
    lost |= dict.fromkeys(store.without_logits(unscored_trials(plan, statuses, scored)), NO_LOGITS)
    return Stored(statuses, scored, lost)


def unwell(plan: Plan, store: Store) -> int:
    """Return how many planned scores there are not: the trial failed, timed out or was killed, or the rule failed."""
    statuses, refused = store.statuses(), store.refused()
    return sum(statuses.get(key) in UNWELL or (key, rule) in refused for key, rule in plan.by_key)


@dataclass(frozen=True)
class CellState:
    """What the store holds of a cell.

    missing_keys  trials to be trained: those without a record, those that were killed or timed out, and those that
                  are trained again for something they lack; none where the data are absent
    to_score      stored trials that lack the score of the cell's decision rule, or of a companion rule
    lost          what those of them lack that were trained before
    changed       the fields in which an older training of the same cell differs; empty unless the cell is stale
    """

    cell: Cell
    planned: int
    stored: int
    missing_keys: tuple[str, ...]
    to_score: int
    changed: tuple[str, ...]
    lost: tuple[str, ...] = ()

    @property
    def missing(self) -> int:
        """Return how many trials are to be trained, those included that wait for a search."""
        return len(self.missing_keys) + self.cell.coming

    @property
    def stale(self) -> int:
        """Return how many of them replace trials of an older training."""
        return self.missing if self.changed else 0

    @property
    def note(self) -> str:
        """Return the state in words: stored, missing, stale (and why), or not applicable."""
        if self.cell.not_applicable:
            return f"{absence(self.cell.not_applicable)}: {self.cell.not_applicable}"
        if self.cell.absent or self.cell.waiting:
            return self.cell.absent or self.cell.waiting
        if self.stale:
            return f"stale: {'; '.join(self.changed)}"
        if self.missing:
            return f"missing: {'; '.join(self.lost)}" if self.lost else "missing"
        return "stored; a decision rule is to be scored" if self.to_score else "stored"


def compare(
    plan: Plan,
    statuses: Mapping[str, str],
    scored: set[tuple[str, str]],
    remembered: Mapping[str, Mapping[str, Any]],
    lost: Mapping[str, str] | None = None,
) -> list[CellState]:
    """Return, per cell, what is stored, what is missing, and for stale ones which fields changed.

    statuses: trial key -> status; scored: (trial key, rule digest); remembered: training digest -> its description
    and the labels it had; lost: trials that must be trained again, and for what. A cell is stale where nothing of its
    training is stored but an older one of the same name is known: under the cell's own labels, or under those of the
    cell that it shares its training with.
    """
    lost = lost or {}
    trainings = {training.digest: training for training in plan.trainings}
    by_labels: dict[tuple[str, str], list[str]] = {}
    for name, held in sorted(remembered.items()):
        by_labels.setdefault((held["dataset"], held["technique"]), []).append(name)
    states = []
    for cell in plan.cells:
        if cell.absent or cell.waiting:
            states.append(CellState(cell, len(cell.keys) + cell.coming, 0, (), 0, ()))
            continue
        missing = tuple(key for key in cell.keys if statuses.get(key) not in FINAL or key in lost)
        again = tuple(sorted({lost[key] for key in cell.keys if key in lost}))
        stored = {key for key in cell.keys if statuses.get(key) == "ok" and key not in lost}
        to_score = sum(any((key, rule) not in scored for rule in plan.rules(cell)) for key in stored)
        changed: tuple[str, ...] = ()
        if cell.keys and len(missing) == len(cell.keys) and not again:
            training = trainings[cell.training]
            labels = {(cell.dataset, cell.technique), (training.dataset_label, training.technique_label)}
            older = [name for pair in sorted(labels) for name in by_labels.get(pair, ()) if name != cell.training]
            found = [differences(remembered[name]["description"], training.description) for name in older]
            changed = tuple(min(found, key=len, default=()))
        states.append(CellState(cell, len(cell.keys), len(cell.keys) - len(missing), missing, to_score, changed, again))
    return states
