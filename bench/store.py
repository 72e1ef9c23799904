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
trainings/  what each training digest stands for; plan.json: the cells of the last run
"""

import contextlib
import json
import os
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from bench.errors import UsageError
from bench.metrics import METRICS

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import pyarrow as pa

_TEMPORARY = ".part-"
_PLAN: dict[str, type] = {
    "suite": str, "question": str, "seed": int, "baseline": str, "datasets": list, "techniques": list, "cells": list,
}  # fmt: skip
_TRAINING: dict[str, type] = {"dataset": str, "technique": str, "description": dict}
_RANK = {"ok": 3, "failed": 2, "diverged": 2, "timeout": 1, "killed": 1}


def _schemas() -> "dict[str, pa.Schema]":
    """Return the columns of every tier."""
    import pyarrow as pa

    text, whole, real, flag = pa.string(), pa.int64(), pa.float64(), pa.bool_()
    word = pa.dictionary(pa.int32(), text)
    record = {
        "key": text, "training": word, "dataset": word, "technique": word, "repeat": whole, "fold": whole,
        "replica": whole, "status": word, "reason": text, "no_op": flag, "steps": whole, "stop_step": whole,
        "examples": whole, "flops": real, "cpu_seconds": real, "resample_seconds": real, "prepare_seconds": real,
        "evaluate_seconds": real, "score_seconds": real, "stack": whole, "rows_train": whole, "rows_own": whole,
        "rows_validation": whole, "rows_test": whole, "truth": word, "fingerprint": word,
        "seen_prior": pa.list_(real), "validation_prior": pa.list_(real), "target_prior": pa.list_(real),
        "curve_step": pa.list_(whole), "curve_train": pa.list_(real), "curve_validation": pa.list_(real),
        "machine": word, "device": word, "threads": whole, "versions": word, "commit": word, "dirty": flag,
    }  # fmt: skip
    score = {"key": text, "rule": word, "part": word, "rows": whole}
    score |= dict.fromkeys(METRICS, real) | {"confusion": pa.list_(whole), "reason": text}
    label = {"key": text, "rule": word, "predicted": pa.list_(pa.uint8()), "values": pa.list_(pa.float32())}
    logit = {"key": text, "part": word, "logits": pa.binary(), "columns": whole, "targets": pa.list_(pa.uint8())}
    tiers = {"records": record, "scores": score, "labels": label, "logits": logit}
    return {tier: pa.schema(list(columns.items())) for tier, columns in tiers.items()}


@dataclass(frozen=True)
class Held:
    """A trial's stored logits: part -> (logits float16 [N, C-1], truth int64 [N], day int64 [N] or None)."""

    parts: "dict[str, tuple[np.ndarray, np.ndarray, np.ndarray | None]]"
    seen_prior: list[float]
    target_prior: list[float]


class Store:
    """One suite's results folder. Reading a folder that is not there gives empty tables."""

    def __init__(self, path: Path) -> None:
        self.path = path

    # ---- writing

    def writable(self) -> None:
        """Make the folder and clear what a killed run left half-written. Raises UsageError where that fails."""
        try:
            for tier in ("records", "scores", "labels", "logits", "truth", "trainings"):
                folder = self.path / tier
                folder.mkdir(parents=True, exist_ok=True)
                for leftover in folder.glob(f"{_TEMPORARY}*"):
                    leftover.unlink()
            probe = self.path / f"{_TEMPORARY}probe"
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

    def _write_tier(self, tier: str, part: str, rows: Sequence[Mapping[str, Any]]) -> None:
        import pyarrow as pa

        if rows:
            schema = _schemas()[tier]
            columns = {name: [row.get(name) for row in rows] for name in schema.names}
            self._write_table(self.path / tier / f"{part}.parquet", pa.table(columns, schema=schema))

    def _write_truth(self, name: str, columns: "Mapping[str, np.ndarray | None]") -> None:
        import numpy as np
        import pyarrow as pa

        path = self.path / "truth" / f"{name}.parquet"
        if not path.exists():
            target = np.asarray(columns["target"])
            narrow = target.astype(np.uint8) if target.dtype.kind == "i" else target[:, 0]
            arrays = {"target": narrow} | ({} if columns["day"] is None else {"day": columns["day"]})
            self._write_table(path, pa.table(arrays))

    @staticmethod
    def _write_table(path: Path, table: "pa.Table") -> None:
        """Write, sync and rename, so that the file is either whole or not there."""
        import pyarrow.parquet as pq

        with _put_in_place(path) as file:
            pq.write_table(table, file, compression="zstd")

    def remember(self, digest: str, description: Mapping[str, Any], dataset: str, technique: str) -> None:
        """Keep what a training's digest stands for, so that a later plan can say what changed."""
        path = self.path / "trainings" / f"{digest}.json"
        if not path.exists():
            _write_json(path, {"dataset": dataset, "technique": technique, "description": description})

    def write_plan(self, plan: Mapping[str, Any]) -> None:
        """Keep the plan of this run: all that a report needs beside the parts."""
        _write_json(self.path / "plan.json", plan)

    # ---- reading

    def read_plan(self) -> dict[str, Any]:
        """Return the plan of the last run. Raises UsageError where there is none."""
        path = self.path / "plan.json"
        if not path.exists():
            raise UsageError(f"no results in '{self.path}'; make some with 'python -m bench run'")
        return _read_json(path, _PLAN)

    def remembered(self) -> dict[str, dict[str, Any]]:
        """Return, by digest, what every stored training stands for."""
        files = sorted((self.path / "trainings").glob("*.json"))
        return {file.stem: _read_json(file, _TRAINING) for file in files if not file.name.startswith(".")}

    def next_part(self) -> int:
        """Return the number for the next part: one above the largest, also of parts that a killed run left half there.

        Of several rows for one trial the latest counts, so what such a part holds must not outlast what comes later.
        """
        numbers = (re.match(r"\d+", file.name) for tier in _schemas() for file in self._files(tier))
        return max((int(number[0]) for number in numbers if number), default=-1) + 1

    def _files(self, tier: str) -> list[Path]:
        return sorted(file for file in (self.path / tier).glob("*.parquet") if not file.name.startswith("."))

    def _table(self, tier: str, columns: Sequence[str] | None = None) -> "pa.Table":
        """Return all parts of a tier, in the order in which they were written."""
        import pyarrow as pa

        schema = _schemas()[tier]
        wanted = schema if columns is None else pa.schema([schema.field(name) for name in columns])
        nothing = pa.Table.from_batches([], wanted)  # the schema's own empty table would load pandas
        return pa.concat_tables([nothing, *(_read(file, wanted) for file in self._files(tier))])

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
        """Return which (trial, rule) are scored, with the predictions that the scores were made from."""
        pairs = (self._table(tier, ["key", "rule"]) for tier in ("scores", "labels"))
        scored, predicted = (set(zip(*(one.to_pylist() for one in table.columns), strict=True)) for table in pairs)
        return scored & predicted

    def refused(self) -> dict[tuple[str, str], str]:
        """Return why a rule could not be fitted, by (trial, rule); of several attempts the latest counts."""
        table = self._table("scores", ["key", "rule", "part", "reason"])
        rows = zip(*(column.to_pylist() for column in table.columns), strict=True)
        latest = {(key, rule): reason for key, rule, part, reason in rows if part == "test"}
        return {pair: reason for pair, reason in latest.items() if reason}

    def runs(self) -> "pd.DataFrame":
        """Return one row per trial."""
        frame = _plain(self._table("records").to_pandas())
        order = frame["status"].map(lambda status: _RANK[status])
        return frame.iloc[order.argsort(kind="stable")].drop_duplicates("key", keep="last").sort_index()

    def scores(self) -> "pd.DataFrame":
        """Return one row per trial, rule and part; ``reason`` is empty but for a rule that could not be fitted."""
        frame = _plain(self._table("scores").to_pandas())
        frame["reason"] = frame["reason"].fillna("")
        return frame.drop_duplicates(["key", "rule", "part"], keep="last")

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
        return {pair: row.values.to_numpy() for pair, row in zip(pairs, table[column], strict=True)}

    def truth(self, digest: str) -> "tuple[np.ndarray, np.ndarray | None]":
        """Return the true test labels of a digest and their days (or None)."""
        import numpy as np

        table = _read(self.path / "truth" / f"{digest}.parquet")
        day = table["day"].to_numpy() if "day" in table.column_names else None
        target = table["target"].to_numpy()
        return (target.astype(np.int64) if target.dtype == np.uint8 else target), day

    @cached_property
    def _logit_files(self) -> dict[str, Path]:
        import pyarrow as pa

        wanted = pa.schema([_schemas()["logits"].field("key")])
        files = self._files("logits")
        return {key: file for file in files for key in _read(file, wanted)["key"].to_pylist()}

    def without_logits(self, keys: Collection[str]) -> set[str]:
        """Return which of some trials have no logits stored on this machine."""
        return {key for key in keys if key not in self._logit_files}

    def logits(self, key: str) -> Held | None:
        """Return a trial's stored logits, or None where they are not on this machine."""
        import numpy as np
        import pyarrow.compute as pc

        if key not in self._logit_files:
            return None
        table = _read(self._logit_files[key], _schemas()["logits"])
        run = self._runs_by_key[key]
        parts = {}
        for row in table.filter(pc.field("key") == key).to_pylist():
            truth = np.array(row["targets"], dtype=np.int64)
            outputs = np.frombuffer(row["logits"], dtype=np.float16).reshape(len(truth), row["columns"])
            parts[row["part"]] = outputs, truth, self.truth(run["truth"])[1] if row["part"] == "test" else None
        return Held(parts, list(run["seen_prior"]), list(run["target_prior"]))

    @cached_property
    def _runs_by_key(self) -> dict[str, dict[str, Any]]:
        rows = self._table("records", ["key", "status", "truth", "seen_prior", "target_prior"]).to_pylist()
        return {row["key"]: row for row in rows if row["status"] == "ok"}


def _read(file: Path, wanted: "pa.Schema | None" = None) -> "pa.Table":
    """Return a part's table with the wanted columns (null where it was written before a column was); None: all.

    Raises UsageError where the file is damaged.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        opened = pq.ParquetFile(file)
        if wanted is None:
            return opened.read()
        held = set(opened.schema_arrow.names)
        table = opened.read(columns=[name for name in wanted.names if name in held], use_threads=False)
        for field in wanted:
            if field.name not in held:
                table = table.append_column(field, pa.nulls(len(table), field.type))
        return table.select(wanted.names).cast(wanted)
    except FileNotFoundError as error:
        raise UsageError(
            f"the results file '{file}' is missing; run the suite again: its trials will be trained anew"
        ) from error
    except (pa.ArrowException, OSError, ValueError, KeyError) as error:
        raise UsageError(
            f"the results file '{file}' is damaged ({_first_line(error)}); "
            "delete it and run the suite again: what is missing will be trained anew"
        ) from error


def _read_json(path: Path, kinds: Mapping[str, type]) -> dict[str, Any]:
    """Return a JSON file's object, which must have keys of these kinds. Raises UsageError where the file is damaged."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _damaged(path, _first_line(error)) from error
    if not isinstance(value, dict):
        raise _damaged(path, "it holds no object")
    wrong = [name for name, kind in kinds.items() if not isinstance(value.get(name), kind)]
    if wrong:
        raise _damaged(path, f"what it says of {', '.join(wrong)} is missing or no {kinds[wrong[0]].__name__}")
    return value


def _damaged(path: Path, why: str) -> UsageError:
    return UsageError(f"the results file '{path}' is damaged ({why}); delete it and run the suite again")


def _plain(frame: "pd.DataFrame") -> "pd.DataFrame":
    """Return the frame with words as plain strings: categories of several parts do not sort or join well."""
    for name in frame.columns:
        if isinstance(frame[name].dtype, _categorical()):
            frame[name] = frame[name].astype("object")
    return frame


def _categorical() -> type:
    from pandas import CategoricalDtype

    return CategoricalDtype


def _first_line(error: BaseException) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__


@contextlib.contextmanager
def _put_in_place(path: Path) -> Iterator[IO[bytes]]:
    """Yield a file that is synced and renamed to ``path`` once it is whole; the folder too, so that the name survives.

    Raises UsageError where the disk refuses (it may be full); then nothing of it is left there.
    """
    temporary = path.with_name(f"{_TEMPORARY}{path.name}")
    try:
        with temporary.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.rename(path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise UsageError(
            f"the results file '{path}' cannot be written ({error.strerror or error}); what was finished is stored"
        ) from error


def _write_json(path: Path, value: Mapping[str, Any]) -> None:
    with _put_in_place(path) as file:
        file.write(json.dumps(value, indent=1, sort_keys=True).encode() + b"\n")


def differences(old: Any, new: Any, path: str = "") -> list[str]:
    """Return the dotted fields in which two descriptions differ, as 'recipe.loss.gamma: 2.0 -> 5.0'."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        found = []
        for name in sorted({*old, *new}):
            below = f"{path}.{name}" if path else name
            found += differences(old.get(name), new.get(name), below)
        return found
    return [] if old == new else [f"{path}: {_shown(old)} -> {_shown(new)}"]


def _shown(value: Any) -> str:
    if isinstance(value, Mapping):
        return str(value.get("kind", "..."))
    if isinstance(value, list):
        return "[" + ", ".join(map(_shown, value)) + "]"
    return "none" if value is None else str(value)
