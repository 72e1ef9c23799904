"""The plan's cells joined with what the store holds of them: one row per (dataset, technique, repeat, fold)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.metrics import METRICS
from bench.reporting.guarding import OTHER_ROWS, on_other_rows

if TYPE_CHECKING:
    from bench.store import Store

NUMBERS = (
    "steps", "stop_step", "examples", "flops", "cpu_seconds", "resample_seconds", "stack", "rows_own", "rows_test",
)  # fmt: skip
CURVES = ("curve_step", "curve_train", "curve_validation")  # arrays, one value per validation
TEST_CURVES = ("curve_test_step", "curve_test", "curve_test_score", "curve_metric")  # older results have none
RUN_COLUMNS = (
    "status",
    "reason",
    "no_op",
    "truth",
    "evaluation",
    "machine",
    "versions",
    "commit",
    "dirty",
    "run",
    *CURVES,
    *TEST_CURVES,
    *NUMBERS,
)
TRAIN = "train_"  # before the name of a metric: its score on the rows trained on
VALIDATION = "validation_"  # likewise, on the rows that stopping and decisions look at
_OTHER_PARTS = {"train": TRAIN, "validation": VALIDATION}


@dataclass(frozen=True)
class Trials:
    """A table of trials: columns of equal length by name."""

    columns: Mapping[str, np.ndarray]

    def __len__(self) -> int:
        return len(self.columns["key"])

    def __getitem__(self, name: str) -> np.ndarray:
        return self.columns[name]

    def where(self, chosen: np.ndarray) -> "Trials":
        """Return the rows where ``chosen`` (bool, one per row) is true."""
        if chosen.all():
            return self
        return Trials({name: values[chosen] for name, values in self.columns.items()})

    def at(self, rows: Sequence[int]) -> "Trials":
        """Return some rows, in the order asked for."""
        chosen = np.asarray(rows, dtype=int)
        return Trials({name: values[chosen] for name, values in self.columns.items()})

    def split(self, name: str) -> "dict[str, Trials]":
        """Return the rows of each value of a column, in their order; one pass over the table for all of them."""
        found, which = np.unique(self[name].astype(str), return_inverse=True)
        order = np.argsort(which, kind="stable")
        counts = np.bincount(which, minlength=len(found))
        ends = np.cumsum(counts)
        sorted_columns = {column: values[order] for column, values in self.columns.items()}
        return {
            str(value): Trials({column: values[start:end] for column, values in sorted_columns.items()})
            for value, start, end in zip(found, ends - counts, ends, strict=True)
        }

    def mean(self, name: str) -> float:
        """Return the mean over repeats of the mean over folds of what is defined; NaN where nothing is."""
        known = np.isfinite(self[name])
        return float(means(self[name][known], self["repeat"][known]).mean()) if known.any() else np.nan


def means(values: np.ndarray, repeat: np.ndarray) -> np.ndarray:
    """Return the mean over the folds of each repeat that is there."""
    _, which = np.unique(repeat, return_inverse=True)
    return np.bincount(which, values) / np.bincount(which)


def trial_table(plan: Mapping[str, Any], store: "Store") -> Trials:
    """Return the planned trials of every cell with their records and scores.

    status: that of the record; 'missing' without one, 'unscored' where the cell's rule has no test score yet, 'failed'
    (with a reason) where it could not be fitted, or the trial was evaluated on other rows than the baseline's. Columns
    named as a metric hold test scores, those with ``train_`` or ``validation_`` before it the scores on the rows that
    were trained or decided on. ``confusion`` and ``train_confusion``: the confusion matrices on test rows and on rows
    trained on, flat; not lists where unknown.
    """
    import pandas as pd

    planned = pd.DataFrame(
        [
            (cell["dataset"], cell["technique"], cell["training"], cell["rule"] or "", key, repeat, fold)
            for cell in plan["cells"]
            for key, (repeat, fold) in zip(cell["keys"], cell["repeat_fold"], strict=True)
        ],
        columns=pd.Index(["dataset", "technique", "training", "rule", "key", "repeat", "fold"]),
    )
    scores = store.scores()
    test = scores[scores["part"] == "test"].drop(columns=["part", "rows"])
    test = test.assign(scored=True).rename(columns={"reason": "refused"})
    table = planned.merge(store.runs().reindex(columns=["key", *RUN_COLUMNS]), on="key", how="left")
    table = table.merge(test, on=["key", "rule"], how="left")
    for part, prefix in _OTHER_PARTS.items():
        kept = [*METRICS, *(["confusion"] if prefix == TRAIN else [])]
        other = scores.loc[scores["part"] == part, ["key", "rule", *kept]]
        renamed = other.rename(columns={name: prefix + name for name in kept})
        table = table.merge(renamed, on=["key", "rule"], how="left")
    table["status"] = table["status"].astype(object).where(table["status"].notna(), "missing")
    table["refused"] = table["refused"].fillna("")
    unscored = (table["status"] == "ok") & table["scored"].isna()
    table.loc[unscored, "status"] = "unscored"
    refused = (table["status"] == "ok") & (table["refused"] != "")
    table.loc[refused, "status"] = "failed"
    table["reason"] = table["refused"].where(refused, table["reason"]).fillna("")
    elsewhere = on_other_rows(table, plan["baseline"])
    table.loc[elsewhere, "status"], table.loc[elsewhere, "reason"] = "failed", OTHER_ROWS
    scored = [prefix + metric for prefix in ("", *_OTHER_PARTS.values()) for metric in METRICS]
    numbers = {name: table[name].to_numpy(dtype=float) for name in (*NUMBERS, *scored)}
    return Trials({name: np.asarray(table[name]) for name in table.columns} | numbers)
