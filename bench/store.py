"""results/<suite>/ on disk: append, resume, read.

Each finished stack is one Parquet part per tier, written to a temporary file, synced and renamed; records come last,
so a record that exists is complete and a killed run loses at most what was training. The folder can be copied and
read with pandas or DuckDB alone:

records/    one row per trial: status, cost, curve, provenance
scores/     one row per (trial, decision rule, part): every metric and the confusion matrix; for a rule that could not
            be fitted one row, of the test part, with the reason and no score
labels/     predicted test labels per (trial, rule); a regression's first test predictions
truth/      the true test labels, once per distinct test set
logits/     logits relative to class 0, for new rules and metrics; stays local
probes/     short timings of baselines, so that costs compare on a machine that did not train the baseline
trainings/  what each training digest stands for; plan.json: the cells of the last run
searches/   trials of values that a suite chooses from: records, scores and trainings alone, as they have no test rows
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.columns import schemas
from bench.errors import UsageError
from bench.files import TEMPORARY, read_json, read_table, write_json, write_table
from bench.metrics import revisions
from bench.stages.decisions import Priors

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import pyarrow as pa

_PLAN: dict[str, type] = {
    "suite": str, "question": str, "seed": int, "baseline": str, "datasets": list, "techniques": list, "cells": list,
}  # fmt: skip
_TRAINING: dict[str, type] = {"dataset": str, "technique": str, "description": dict}
_RANK = {"ok": 3, "failed": 2, "diverged": 2, "timeout": 1, "killed": 1}


TIERS = ("records", "scores", "labels", "logits", "probes", "truth", "trainings")
SEARCHES = "searches"
PRIORS = {"loss": "seen_prior", "rows": "row_prior", "own": "own_prior", "target": "target_prior"}  # their columns


@dataclass(frozen=True)
class Held:
    """A trial's stored logits: part -> (logits float16 [N, C-1], truth int64 [N], day int64 [N] or None)."""

    parts: "dict[str, tuple[np.ndarray, np.ndarray, np.ndarray | None]]"
    priors: "Priors"


class Store:
    """One suite's results folder. Reading a folder that is not there gives empty tables.

    also: further results folders that are read with it (never written), as if their parts had been stored earlier.
    """

    def __init__(self, path: Path, also: Sequence[Path] = ()) -> None:
        self.path = path
        self.folders = (*also, path)
        self._frames: dict[str, tuple[tuple, pd.DataFrame]] = {}
        self._searches: Store | None = None

    # ---- writing

    def writable(self, tiers: Sequence[str] = TIERS) -> None:
        """Make the folder and clear what a killed run left half-written. Raises UsageError where that fails."""
        try:
            for tier in tiers:
                folder = self.path / tier
                folder.mkdir(parents=True, exist_ok=True)
                for leftover in folder.glob(f"{TEMPORARY}*"):
                    leftover.unlink()
            probe = self.path / f"{TEMPORARY}probe"
            probe.write_bytes(b"")
            probe.unlink()
        except OSError as error:
            raise UsageError(
                f"the results folder '{self.path}' cannot be written ({error.strerror}); choose another with --results"
            ) from error

    def write(
        self,
        part: str,
        runs: Sequence[Mapping[str, Any]],
        scores: Sequence[Mapping[str, Any]],
        labels: Sequence[Mapping[str, Any]],
        logits: Sequence[Mapping[str, Any]],
        truths: "Mapping[str, Mapping[str, np.ndarray | None]]",
    ) -> None:
        """Write one part of every tier, records last."""
        for name, columns in truths.items():
            self._write_truth(name, columns)
        for tier, rows in (("logits", logits), ("labels", labels), ("scores", scores), ("records", runs)):
            self._write_tier(tier, part, rows)

    def write_scores(self, part: str, scores: Sequence[Mapping[str, Any]], labels: Sequence[Mapping[str, Any]]) -> None:
        """Write the scores of rules on trials whose records are stored already."""
        self._write_tier("labels", part, labels)
        self._write_tier("scores", part, scores)

    def write_probes(self, part: str, probes: Sequence[Mapping[str, Any]]) -> None:
        """Write what was timed."""
        self._write_tier("probes", part, probes)

    def _write_tier(self, tier: str, part: str, rows: Sequence[Mapping[str, Any]]) -> None:
        import pyarrow as pa

        if rows:
            schema = schemas()[tier]
            columns = {name: [row.get(name) for row in rows] for name in schema.names}
            if tier == "scores":
                columns["revisions"] = [revisions()] * len(rows)
            write_table(self.path / tier / f"{part}.parquet", pa.table(columns, schema=schema))

    def _write_truth(self, name: str, columns: "Mapping[str, np.ndarray | None]") -> None:
        import numpy as np
        import pyarrow as pa

        path = self.path / "truth" / f"{name}.parquet"
        if not path.exists():
            target = np.asarray(columns["target"])
            narrow = target.astype(np.uint8) if target.dtype.kind == "i" else target[:, 0]
            arrays = {"target": narrow} | ({} if columns["day"] is None else {"day": columns["day"]})
            write_table(path, pa.table(arrays))

    def remember(self, digest: str, description: Mapping[str, Any], dataset: str, technique: str) -> None:
        """Keep what a training's digest stands for, so that a later plan can say what changed."""
        path = self.path / "trainings" / f"{digest}.json"
        if not path.exists():
            write_json(path, {"dataset": dataset, "technique": technique, "description": description})

    def write_plan(self, plan: Mapping[str, Any]) -> None:
        """Keep the plan of this run: all that a report needs beside the parts."""
        write_json(self.path / "plan.json", plan)

    # ---- reading

    @property
    def searches(self) -> "Store":
        """Return the folder of search trials: records and scores, and nothing of test rows."""
        if self._searches is None:
            self._searches = Store(self.path / SEARCHES, [folder / SEARCHES for folder in self.folders[:-1]])
        return self._searches

    def read_plan(self) -> dict[str, Any]:
        """Return the plan of the last run. Raises UsageError where there is none."""
        path = self.path / "plan.json"
        if not path.exists():
            raise UsageError(f"no results in '{self.path}'; make some with 'python -m bench run'")
        return read_json(path, _PLAN)

    def remembered(self) -> dict[str, dict[str, Any]]:
        """Return, by digest, what every stored training stands for."""
        files = [file for folder in self.folders for file in sorted((folder / "trainings").glob("*.json"))]
        return {file.stem: read_json(file, _TRAINING) for file in files if not file.name.startswith(".")}

    def next_part(self) -> int:
        """Return the number for the next part: one above the largest, also of parts that a killed run left half there.

        Of several rows for one trial the latest counts, so what such a part holds must not outlast what comes later.
        """
        numbers = (re.match(r"\d+", file.name) for tier in schemas() for file in _parts(self.path / tier))
        return max((int(number[0]) for number in numbers if number), default=-1) + 1

    def _files(self, tier: str) -> list[Path]:
        return [file for folder in self.folders for file in _parts(folder / tier)]

    def _table(self, tier: str, columns: Sequence[str] | None = None) -> "pa.Table":
        """Return all parts of a tier, in the order in which they were written."""
        import pyarrow as pa

        schema = schemas()[tier]
        wanted = schema if columns is None else pa.schema([schema.field(name) for name in columns])
        nothing = pa.Table.from_batches([], wanted)  # the schema's own empty table would load pandas
        return pa.concat_tables([nothing, *(read_table(file, wanted) for file in self._files(tier))])

    def _frame(self, tier: str) -> "pd.DataFrame":
        """Return a whole tier; it is read again only where a part was written, for opening files is most of it."""
        stamp = tuple((file, file.stat().st_mtime_ns, file.stat().st_size) for file in self._files(tier))
        if tier not in self._frames or self._frames[tier][0] != stamp:
            self._frames[tier] = stamp, _plain(self._table(tier).to_pandas())
        return self._frames[tier][1].copy(deep=False)

    def statuses(self) -> dict[str, str]:
        """Return each stored trial's status; of several records of one trial the best counts.

        A trial whose true test labels are gone (a damaged file was deleted) counts as not stored.
        """
        table = self._table("records", ["key", "status", "truth"])
        truths = {"", None, *(file.stem for file in self._files("truth"))}
        best: dict[str, str] = {}
        for key, status, truth in zip(*(column.to_pylist() for column in table.columns), strict=True):
            usable = status != "ok" or truth in truths
            if usable and _RANK[status] >= _RANK.get(best.get(key, ""), 0):
                best[key] = status
        return best

    def scored(self) -> set[tuple[str, str]]:
        """Return which (trial, rule) are scored by today's metrics, with the predictions that the scores are of."""
        table = self._table("scores", ["key", "rule", "revisions"])
        rows = zip(*(one.to_pylist() for one in table.columns), strict=True)
        scored = {(key, rule) for key, rule, made in rows if (made or "") == revisions()}
        table = self._table("labels", ["key", "rule"])
        return scored & set(zip(*(one.to_pylist() for one in table.columns), strict=True))

    def refused(self) -> dict[tuple[str, str], str]:
        """Return why a rule could not be fitted, by (trial, rule); of several attempts the latest counts."""
        table = self._table("scores", ["key", "rule", "part", "reason"])
        rows = zip(*(column.to_pylist() for column in table.columns), strict=True)
        latest = {(key, rule): reason for key, rule, part, reason in rows if part == "test"}
        return {pair: reason for pair, reason in latest.items() if reason}

    def runs(self) -> "pd.DataFrame":
        """Return one row per trial."""
        frame = self._frame("records")
        order = frame["status"].map(lambda status: _RANK[status])
        return frame.iloc[order.argsort(kind="stable")].drop_duplicates("key", keep="last").sort_index()

    def scores(self) -> "pd.DataFrame":
        """Return one row per trial, rule and part; ``reason`` is empty but for a rule that could not be fitted.

        Scores that metrics of another revision made are left out.
        """
        frame = self.all_scores()
        return frame[frame["revisions"] == revisions()].drop(columns="revisions")

    def all_scores(self) -> "pd.DataFrame":
        """Return what ``scores`` does, those of other revisions of the metrics included."""
        frame = self._frame("scores")
        frame = frame.assign(reason=frame["reason"].fillna(""), revisions=frame["revisions"].fillna(""))
        return frame.drop_duplicates(["key", "rule", "part"], keep="last")

    def probes(self) -> "pd.DataFrame":
        """Return the timed probes: training, machine, stack, steps and CPU seconds per trial of so many steps."""
        return self._frame("probes")

    @cached_property
    def labels(self) -> "dict[tuple[str, str], np.ndarray]":
        """Return the predicted test labels uint8 [N] of every (trial, rule), read once."""
        return self._predictions("predicted")

    @cached_property
    def values(self) -> "dict[tuple[str, str], np.ndarray]":
        """Return a regression's stored test predictions float32 [rows x targets] of every (trial, ''), read once."""
        return self._predictions("values")

    def _predictions(self, column: str) -> "dict[tuple[str, str], np.ndarray]":
        table = self._table("labels", ["key", "rule", column])
        pairs = zip(table["key"].to_pylist(), table["rule"].to_pylist(), strict=True)
        lists = (part for part in table[column].chunks if len(part))
        rows = (row for part in lists for row in _rows(part))
        return dict(zip(pairs, rows, strict=True))

    def truth(self, digest: str) -> "tuple[np.ndarray, np.ndarray | None]":
        """Return the true test labels of a digest and their days (or None)."""
        import numpy as np

        files = [folder / "truth" / f"{digest}.parquet" for folder in reversed(self.folders)]
        table = read_table(next((file for file in files if file.exists()), files[0]))
        day = table["day"].to_numpy() if "day" in table.column_names else None
        target = table["target"].to_numpy()
        return (target.astype(np.int64) if target.dtype == np.uint8 else target), day

    @cached_property
    def _logit_files(self) -> dict[str, Path]:
        import pyarrow as pa

        wanted = pa.schema([schemas()["logits"].field("key")])
        files = self._files("logits")
        return {key: file for file in files for key in read_table(file, wanted)["key"].to_pylist()}

    def without_logits(self, keys: Collection[str]) -> set[str]:
        """Return which of some trials have no logits stored on this machine."""
        return {key for key in keys if key not in self._logit_files}

    def without_test_curve(self, keys: Collection[str]) -> set[str]:
        """Return which of some trials that ended well have no curve on test rows."""
        import pyarrow.compute as pc

        if not keys:
            return set()
        table = self._table("records", ["key", "status", "curve_test_step"])
        points = pc.fill_null(pc.list_value_length(table["curve_test_step"]), 0)
        columns = (table["key"], table["status"], points)
        rows = zip(*(column.to_pylist() for column in columns), strict=True)
        latest = {key: count for key, status, count in rows if status == "ok"}
        return {key for key in keys if not latest.get(key)}

    def logits(self, key: str) -> Held | None:
        """Return a trial's stored logits, or None where they are not on this machine."""
        import numpy as np
        import pyarrow.compute as pc

        if key not in self._logit_files:
            return None
        table = read_table(self._logit_files[key], schemas()["logits"])
        run = self._runs_by_key[key]
        parts = {}
        for row in table.filter(pc.field("key") == key).to_pylist():
            truth = np.array(row["targets"], dtype=np.int64)
            outputs = np.frombuffer(row["logits"], dtype=np.float16).reshape(len(truth), row["columns"])
            parts[row["part"]] = outputs, truth, self.truth(run["truth"])[1] if row["part"] == "test" else None
        shares = {name: np.array(run[column] or [], dtype=float) for name, column in PRIORS.items()}
        return Held(parts, Priors(**shares))

    @cached_property
    def _runs_by_key(self) -> dict[str, dict[str, Any]]:
        rows = self._table("records", ["key", "status", "truth", *PRIORS.values()]).to_pylist()
        return {row["key"]: row for row in rows if row["status"] == "ok"}


def _plain(frame: "pd.DataFrame") -> "pd.DataFrame":
    """Return the frame with words as plain strings, None where there is none: categories of parts do not join well."""
    for name in frame.columns:
        if isinstance(frame[name].dtype, _categorical()):
            words = frame[name].astype("object")
            frame[name] = words.where(words.notna(), None)
    return frame


def _categorical() -> type:
    from pandas import CategoricalDtype

    return CategoricalDtype


def _parts(folder: Path) -> list[Path]:
    """Return the finished parts of one tier, in the order in which they were written."""
    return sorted(file for file in folder.glob("*.parquet") if not file.name.startswith("."))


def _rows(lists: "pa.ListArray") -> "list[np.ndarray]":
    """Return the rows of a list column as views of one array; taking each out by itself is most of the time."""
    values, ends = lists.values.to_numpy(), lists.offsets.to_numpy()
    return [values[start:end] for start, end in pairwise(ends)]
