"""One technique against another on stored trials: the verdict per dataset, what it costs, and where it would rank."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.comparability import Reader, Side, hindrances
from bench.reporting.analysis import analyse
from bench.reporting.standing import DatasetAnalysis, Standing

if TYPE_CHECKING:
    from bench.store import Store

Cell = Mapping[str, Any]  # an entry of a plan's cells


@dataclass(frozen=True)
class OnDataset:
    """How a comparison ended on one dataset.

    analysis    of all that takes part, with the other technique in the place of the baseline; None where nothing does
    refused     why the two cannot be compared
    missing     why there is nothing to compare: the technique does not apply, the data or its trials are not there
    left_out    further stored techniques that cannot be ranked beside it, with the reason
    """

    label: str
    facts: Mapping[str, Any]
    analysis: DatasetAnalysis | None = None
    refused: tuple[str, ...] = ()
    missing: str = ""
    left_out: tuple[str, ...] = ()

    def standing(self, technique: str) -> Standing | None:
        """Return the standing of a technique that took part."""
        held = () if self.analysis is None else self.analysis.standings
        return next((one for one in held if one.technique == technique), None)


@dataclass(frozen=True)
class Comparison:
    """A technique against another on every dataset of a plan."""

    suite: str
    technique: str
    other: str
    sources: tuple[str, ...]
    datasets: tuple[OnDataset, ...]

    @property
    def refused(self) -> list[str]:
        """Return a sentence for every dataset where the two cannot be compared."""
        return [
            f"{self.technique} and {self.other} cannot be compared on {one.label}: {'; '.join(one.refused)}"
            for one in self.datasets
            if one.refused
        ]

    @property
    def worse(self) -> bool:
        """Return whether the technique is worse on any dataset."""
        found = (one.standing(self.technique) for one in self.datasets)
        return any(one is not None and one.word == "worse" for one in found)


def compare_stored(
    plan: Mapping[str, Any], store: "Store", technique: str, other: str, field: Sequence[str] = ()
) -> Comparison:
    """Compare two techniques of a plan on what a store holds.

    field: further techniques of the plan that take part where every trial of theirs is stored and comparable; the
    p-values are adjusted over all that take part, as in the suite's report.
    """
    reader = Reader(store)
    by_dataset: dict[str, dict[str, Cell]] = {}
    for cell in plan["cells"]:
        if not cell.get("replica", 0):
            by_dataset.setdefault(cell["dataset"], {})[cell["technique"]] = cell
    facts = {one["label"]: one for one in plan["datasets"]}
    found, kept = [], []
    for label, cells in by_dataset.items():
        one, taking_part = _entry(facts[label], cells, reader, technique, other, field)
        found.append(one)
        kept += taking_part
    analysed = analyse(store, {**plan, "baseline": other, "cells": kept}, classes=False)
    by_label = {one.label: one for one in analysed.datasets}
    with_analysis = tuple(
        OnDataset(one.label, one.facts, by_label.get(one.label), one.refused, one.missing, one.left_out)
        for one in found
    )
    return Comparison(plan["suite"], technique, other, tuple(str(folder) for folder in store.folders), with_analysis)


def _entry(
    facts: Mapping[str, Any],
    cells: Mapping[str, Cell],
    reader: Reader,
    technique: str,
    other: str,
    field: Sequence[str],
) -> tuple[OnDataset, list[Cell]]:
    """Return what stands against comparing on one dataset, and the cells that take part where nothing does."""
    label, metric = facts["label"], facts["metric"]
    for name in (technique, other):
        if reason := _not_there(name, cells.get(name), facts):
            return OnDataset(label, facts, missing=reason), []
    sides = {name: reader.side(cells[name]) for name in (technique, other)}
    for side in sides.values():
        if reason := _incomplete(side):
            return OnDataset(label, facts, missing=facts.get("absent") or reason), []
    refused = hindrances(sides[technique], sides[other], metric)
    if refused:
        return OnDataset(label, facts, refused=tuple(refused)), []
    taking_part, left_out = [cells[technique], cells[other]], []
    for name in field:
        cell = cells.get(name)
        if name in sides or cell is None or cell["not_applicable"]:
            continue
        side = reader.side(cell)
        reasons = [incomplete] if (incomplete := _incomplete(side)) else hindrances(side, sides[other], metric)
        if reasons:
            left_out.append(f"{name}: {'; '.join(reasons)}")
        else:
            taking_part.append(cell)
    return OnDataset(label, facts, left_out=tuple(left_out)), taking_part


def _not_there(name: str, cell: Cell | None, facts: Mapping[str, Any]) -> str:
    """Return why a technique has no trials on a dataset, or an empty string."""
    if cell is None:
        return f"{name} is not planned there"
    if cell["not_applicable"]:
        return cell["not_applicable"]
    return ""


def _incomplete(side: Side) -> str:
    """Return what is missing of a technique's stored trials, or an empty string."""
    planned = len(side.cell["keys"])
    done = int(np.sum(side.runs["status"] == "ok"))
    scored = int(np.sum(side.scores["reason"] == ""))
    if min(done, scored) == planned:
        return ""
    ended = side.runs["status"].value_counts().drop("ok", errors="ignore")
    how = "".join(f", {count} {status}" for status, count in ended.items())
    return f"{min(done, scored)} of {planned} trials of {side.name} are stored and scored{how}"
