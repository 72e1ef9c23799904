"""What was written is what is read; what was half-written does not exist; what is damaged is named."""

import dataclasses
import errno
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench import files
from bench.errors import UsageError
from bench.keys import differences
from bench.metrics import METRICS
from bench.records import MEASURED
from bench.store import Store

TRUTH = np.array([0, 1, 2, 1])


def _run(key: str, status: str = "ok", **more: Any) -> dict[str, Any]:
    return {
        "key": key, "training": "t" * 32, "dataset": "d", "technique": "x", "repeat": 0, "fold": 1, "replica": 0,
        "status": status, "reason": "", "truth": "", "steps": 5, "cpu_seconds": 0.5, "seen_prior": [0.25, 0.75],
        "target_prior": [0.5, 0.5], "machine": "m", "dirty": False, **more,
    }  # fmt: skip


def _score(key: str, rule: str = "r", part: str = "test", **more: Any) -> dict[str, Any]:
    return {"key": key, "rule": rule, "part": part, "rows": 4, "macro_f1": 0.5, "confusion": [1, 0, 0, 3], **more}


def _label(key: str, rule: str = "r") -> dict[str, Any]:
    return {"key": key, "rule": rule, "predicted": np.array([0, 1, 1, 1], dtype=np.uint8), "values": []}


def _logit(key: str, part: str, outputs: np.ndarray) -> dict[str, Any]:
    packed = outputs.astype(np.float16)
    return {"key": key, "part": part, "logits": packed.tobytes(), "columns": packed.shape[1],
            "targets": TRUTH.astype(np.uint8)}  # fmt: skip


@pytest.fixture
def store(tmp_path: Path) -> Store:
    made = Store(tmp_path / "suite")
    made.writable()
    return made


def test_every_tier_comes_back_as_it_was_written(store: Store) -> None:
    outputs = {part: np.random.default_rng(seed).normal(size=(4, 2)) for seed, part in enumerate(("train", "test"))}
    day = np.array([3, 3, 4, 5])
    store.write(
        "000000-a",
        [_run("k", truth="abc", curve_step=[1, 2], curve_train=[0.5, 0.25])],
        [_score("k"), _score("k", part="train", macro_f1=0.75)],
        [_label("k")],
        [_logit("k", part, values) for part, values in outputs.items()],
        {"abc": {"target": TRUTH, "day": day}},
    )
    row = store.runs().iloc[0]
    assert (row["key"], row["status"], row["fold"], row["cpu_seconds"]) == ("k", "ok", 1, 0.5)
    assert list(row["curve_train"]) == [0.5, 0.25]
    scores = store.scores().set_index("part")
    assert scores.loc["train", "macro_f1"] == 0.75
    assert np.isnan(scores.loc["test", "rmse"])
    assert list(scores.loc["test", "confusion"]) == [1, 0, 0, 3]
    assert store.labels["k", "r"].tolist() == [0, 1, 1, 1]
    truth, days = store.truth("abc")
    assert truth.tolist() == TRUTH.tolist()
    assert days is not None
    assert days.tolist() == day.tolist()
    held = store.logits("k")
    assert held is not None
    assert (held.priors.loss.tolist(), held.priors.target.tolist()) == ([0.25, 0.75], [0.5, 0.5])
    assert not len(held.priors.own)  # a record may be older than some of them
    for part, values in outputs.items():
        read, targets, when = held.parts[part]
        assert read.dtype == np.float16
        assert read.tobytes() == values.astype(np.float16).tobytes()
        assert targets.tolist() == TRUTH.tolist()
        assert (when is None) == (part == "train")
    assert store.logits("unknown") is None


def test_the_columns_of_a_record_are_those_that_a_worker_measures(store: Store) -> None:
    assert set(MEASURED) <= set(store.runs().columns)
    assert set(METRICS) <= set(store.scores().columns)


def test_a_truth_of_a_regression_is_its_first_target(store: Store) -> None:
    target = np.array([[0.5, 9.0], [1.5, 9.0]], dtype=np.float32)
    store.write("000000-a", [], [], [], [], {"xyz": {"target": target, "day": None}})
    truth, day = store.truth("xyz")
    assert truth.tolist() == [0.5, 1.5]
    assert day is None


def test_an_absent_folder_reads_as_empty(tmp_path: Path) -> None:
    store = Store(tmp_path / "nowhere")
    assert store.statuses() == {}
    assert store.scored() == set()
    assert store.runs().empty
    assert store.scores().empty
    assert store.remembered() == {}
    assert store.next_part() == 0
    assert store.logits("k") is None
    with pytest.raises(UsageError, match="no results in"):
        store.read_plan()
    assert not (tmp_path / "nowhere").exists()


@given(st.permutations(["ok", "failed", "timeout"]))
def test_of_several_records_of_a_trial_the_good_one_counts(tmp_path_factory: Any, statuses: list[str]) -> None:
    store = Store(tmp_path_factory.mktemp("results"))
    store.writable()
    for number, status in enumerate(statuses):
        store.write(f"{number:06d}-a", [_run("k", status)], [], [], [], {})
    assert store.statuses() == {"k": "ok"}
    assert store.runs()["status"].tolist() == ["ok"]


def test_of_several_scores_of_a_trial_the_latest_counts(store: Store) -> None:
    store.write("000000-a", [_run("k")], [_score("k", macro_f1=0.1)], [_label("k")], [], {})
    store.write_scores("000001-rescored", [_score("k", macro_f1=0.2), _score("k", rule="new")], [_label("k", "new")])
    scores = store.scores().set_index("rule")
    assert scores.loc["r", "macro_f1"] == 0.2
    assert store.scored() == {("k", "r"), ("k", "new")}
    assert store.next_part() == 2


def test_without_its_record_a_part_does_not_count_as_trained(store: Store) -> None:
    store.write("000000-a", [_run("k")], [_score("k")], [_label("k")], [], {})
    (store.path / "records" / "000000-a.parquet").unlink()
    assert store.statuses() == {}
    assert store.next_part() == 1, "a new part must not take the name of one that is half there"


def test_records_are_written_last(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    real = files.write_table

    def noted(path: Path, table: pa.Table) -> None:
        order.append(path.parent.name)
        real(path, table)

    monkeypatch.setattr("bench.store.write_table", noted)
    logits = [_logit("k", "test", np.zeros((4, 2)))]
    store.write("000000-a", [_run("k")], [_score("k")], [_label("k")], logits, {"abc": {"target": TRUTH, "day": None}})
    assert order == ["truth", "logits", "labels", "scores", "records"]


def test_leftovers_of_a_killed_run_are_ignored_and_cleared(store: Store) -> None:
    leftover = store.path / "records" / ".part-000000-a.parquet"
    leftover.write_bytes(b"PAR1 half a file")
    assert store.statuses() == {}
    store.writable()
    assert not leftover.exists()


def test_several_folders_are_read_as_one_and_only_the_own_one_is_written(store: Store, tmp_path: Path) -> None:
    old = Store(tmp_path / "old")
    old.writable()
    truths = {"abc": {"target": TRUTH, "day": None}}
    old.write("000007-a", [_run("k") | {"truth": "abc"}], [_score("k")], [_label("k")], [], truths)
    old.remember("t", {"seed": 1}, "digits", "baseline")
    before = {file: file.read_bytes() for file in old.path.rglob("*") if file.is_file()}
    both = Store(store.path, also=[old.path])
    assert both.next_part() == store.next_part() == 0
    both.write("000000-b", [_run("l") | {"truth": "abc"}], [_score("l")], [_label("l")], [], truths)
    again = Store(store.path, also=[old.path])
    assert set(again.statuses()) == set(again.runs()["key"]) == {"k", "l"}
    assert {key for key, _ in again.scored()} == {"k", "l"} == {key for key, _ in again.labels}
    np.testing.assert_array_equal(again.truth("abc")[0], TRUTH)
    assert again.remembered().keys() == {"t"}
    assert set(Store(store.path).statuses()) == {"l"}, "the own folder stands alone"
    assert {file: file.read_bytes() for file in old.path.rglob("*") if file.is_file()} == before


def test_scores_of_another_revision_of_a_metric_do_not_count(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store.write("000000-a", [_run("k")], [_score("k")], [_label("k")], [], {})
    assert len(store.scored()) == len(store.scores()) == 1
    monkeypatch.setitem(METRICS, "macro_f1", dataclasses.replace(METRICS["macro_f1"], revision=2))
    assert store.scored() == set()
    assert store.scores().empty
    assert len(store.all_scores()) == 1
    store.write("000001-a", [_run("k")], [_score("k")], [_label("k")], [], {})
    assert len(store.scored()) == len(store.scores()) == 1
    assert list(store.all_scores()["revisions"]) == ["macro_f1 2"]


def test_a_tier_without_rows_writes_no_file(store: Store) -> None:
    store.write("000000-a", [_run("k", "failed")], [], [], [], {})
    assert [path.parent.name for path in store.path.rglob("*.parquet")] == ["records"]


@pytest.mark.parametrize("tier", ["records", "scores", "labels", "logits"])
def test_a_damaged_file_is_named_with_what_to_do(store: Store, tier: str) -> None:
    logits = [_logit("k", "test", np.zeros((4, 2)))]
    store.write("000000-a", [_run("k")], [_score("k")], [_label("k")], logits, {"abc": {"target": TRUTH, "day": None}})
    (store.path / tier / "000000-a.parquet").write_bytes(b"PAR1" + b"\0" * 50)
    reads = {"records": store.statuses, "scores": store.scores, "labels": lambda: store.labels,
             "logits": lambda: store.logits("k")}  # fmt: skip
    with pytest.raises(UsageError, match=rf"{tier}/000000-a\.parquet' is damaged .*; delete it and run"):
        reads[tier]()


@pytest.mark.parametrize("tier", ["records", "scores", "labels", "truth"])
def test_deleting_a_damaged_file_makes_its_trials_missing_and_no_others(store: Store, tier: str) -> None:
    for name, target in (("a", TRUTH), ("b", TRUTH + 1)):
        truths = {f"truth {name}": {"target": target, "day": None}}
        run = _run(name, truth=f"truth {name}")
        store.write(f"000000-{name}", [run], [_score(name)], [_label(name)], [], truths)
    damaged = store.path / tier / ("truth a.parquet" if tier == "truth" else "000000-a.parquet")
    damaged.write_bytes(b"PAR1" + b"\0" * 50)
    damaged.unlink()
    again = Store(store.path)
    usable = {key for key, rule in again.scored() if again.statuses().get(key) == "ok" and rule == "r"}
    assert usable == {"b"}


def test_a_missing_truth_is_told_as_missing(store: Store) -> None:
    with pytest.raises(UsageError, match=r"gone\.parquet' is missing; run the suite again"):
        store.truth("gone")


@pytest.mark.parametrize("tier", ["records", "scores", "labels", "logits"])
def test_what_a_killed_run_left_half_there_never_outlasts_what_comes_later(store: Store, tier: str) -> None:
    logits = [_logit("k", "test", np.zeros((4, 2)))]
    store.write("000007-a", [_run("k")], [_score("k")], [_label("k")], logits, {})
    for other in {"records", "scores", "labels", "logits"} - {tier}:
        (store.path / other / "000007-a.parquet").unlink()
    assert store.next_part() == 8


def test_a_part_from_before_a_metric_existed_still_reads(store: Store) -> None:
    store.write("000000-a", [_run("k")], [_score("k")], [_label("k")], [], {})
    path = store.path / "scores" / "000000-a.parquet"
    pq.write_table(pq.ParquetFile(path).read().drop_columns(["mcc"]), path)
    assert np.isnan(store.scores()["mcc"]).all()
    assert store.scores()["macro_f1"].tolist() == [0.5]


def test_a_folder_that_cannot_be_made_is_a_usage_error(tmp_path: Path) -> None:
    (tmp_path / "results").write_text("a file")
    with pytest.raises(UsageError, match=r"cannot be written .*--results"):
        Store(tmp_path / "results" / "suite").writable()


def test_pandas_alone_reads_the_folder(store: Store) -> None:
    for number in range(2):
        store.write(f"{number:06d}-a", [_run(f"k{number}")], [_score(f"k{number}")], [], [], {})
    frame = pd.read_parquet(store.path / "records")
    assert sorted(frame["key"]) == ["k0", "k1"]


def test_what_a_training_stands_for_is_kept_as_first_told(store: Store) -> None:
    for technique in ("first", "second"):
        store.remember("d" * 32, {"recipe": {"steps": 3}}, "digits", technique)
    assert store.remembered() == {
        "d" * 32: {"dataset": "digits", "technique": "first", "description": {"recipe": {"steps": 3}}}
    }


def _plan(question: str) -> dict[str, Any]:
    return {
        "suite": "s",
        "question": question,
        "seed": 1,
        "baseline": "b",
        "datasets": [],
        "techniques": [],
        "cells": [],
    }


def test_a_plan_comes_back_and_replaces_the_one_before(store: Store) -> None:
    for question in ("old?", "new?"):
        store.write_plan(_plan(question))
    assert store.read_plan() == _plan("new?")
    assert json.loads((store.path / "plan.json").read_text()) == _plan("new?")
    assert not list(store.path.glob(".*"))


@pytest.mark.parametrize("text", ["{", "{}", "[]", "null", "42", '{"cells": 3}', json.dumps(_plan("?") | {"cells": 3})])
def test_a_damaged_plan_is_named(store: Store, text: str) -> None:
    (store.path / "plan.json").write_text(text)
    with pytest.raises(UsageError, match=r"plan\.json' is damaged \(.*\); delete it and run the suite again$"):
        store.read_plan()


@pytest.mark.parametrize("text", ["[]", "{}", '{"dataset": "d", "technique": "t", "description": []}'])
def test_a_damaged_training_is_named(store: Store, text: str) -> None:
    (store.path / "trainings" / "abc.json").write_text(text)
    with pytest.raises(UsageError, match=r"abc\.json' is damaged \(.*\); delete it and run the suite again$"):
        store.remembered()


def test_a_plan_that_cannot_be_put_in_place_is_told_and_leaves_nothing(store: Store) -> None:
    (store.path / "plan.json").mkdir()
    with pytest.raises(UsageError, match=r"plan\.json' cannot be written \(Is a directory\)"):
        store.write_plan(_plan("?"))
    assert not list(store.path.glob(".*"))


def test_a_full_disk_is_told_and_what_was_stored_stays(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store.write("000000-a", [_run("k")], [_score("k")], [_label("k")], [], {})

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UsageError, match=r"records/000001-a\.parquet' cannot be written \(No space left on device\)"):
        store.write("000001-a", [_run("l")], [], [], [], {})
    assert store.statuses() == {"k": "ok"}
    assert not list(store.path.rglob(".*"))


def test_differences_name_the_fields_that_changed() -> None:
    old = {"recipe": {"loss": {"kind": "focal", "gamma": 2.0}, "steps": 3}, "seed": 1}
    new = {"recipe": {"loss": {"kind": "focal", "gamma": 5.0}, "steps": 3, "mix": {"kind": "mixup"}}, "seed": 1}
    assert differences(old, new) == ["recipe.loss.gamma: 2.0 -> 5.0", "recipe.mix: none -> mixup"]
    assert differences(old, old) == []


def test_the_plan_of_a_run_needs_no_pandas_and_no_torch() -> None:
    code = (
        "import sys, pathlib; from bench.store import Store; Store(pathlib.Path('nowhere')).statuses();"
        "sys.exit(', '.join({'torch', 'pandas', 'sklearn', 'scipy'} & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
