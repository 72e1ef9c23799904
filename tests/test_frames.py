"""``bench.load``: tidy tables of stored results, against the store's own parts and formulas by another route."""

import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from scipy import stats

import bench
from bench.errors import UsageError
from bench.frames import PLACE, Results
from bench.metrics import METRICS
from bench.reporting import analyse
from bench.store import Store
from tests.synthetic import World, write

EFFECTS = {"baseline": 0.0, "good": 0.12, "bad": -0.12, "none": 0.0, "rule": 0.0}
WORLD = World(
    EFFECTS,
    same_training=("rule",),
    not_applicable=(("errors", "none"),),
    statuses={("folds", "none", 0, 0): "diverged", ("generator", "good", 1, 1): "missing"},
)
DOCS = Path("docs/python.md").read_text(encoding="utf-8")
RECIPES = re.findall(r"```python\n(.*?)```", DOCS, re.DOTALL)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("results") / "synthetic", WORLD).path


@pytest.fixture(scope="module")
def results(folder: Path) -> Results:
    return bench.load(folder)


def parts(folder: Path, tier: str) -> pd.DataFrame:
    """A tier as anyone reads it, without this package."""
    tables = [pq.read_table(file).to_pandas() for file in sorted((folder / tier).glob("*.parquet"))]
    frame = pd.concat(tables, ignore_index=True)
    return frame.astype({name: "object" for name in frame.columns if frame[name].dtype == "category"})


def again(folder: Path) -> dict[str, Any]:
    """A world's plan with the baseline trained once more (A/A) on the first dataset; its trials are in the store."""
    store = Store(folder)
    plan = store.read_plan()
    cell = plan["cells"][0]
    keys = {key: f"again-{key}" for key in cell["keys"]}
    plan["cells"].insert(1, {**cell, "technique": "A/A", "replica": 1, "keys": list(keys.values())})
    stored = {tier: parts(folder, tier) for tier in ("records", "scores", "labels")}
    tiers = {tier: one[one["key"].isin(list(keys))] for tier, one in stored.items()}
    named = {tier: one.assign(key=one["key"].map(keys)) for tier, one in tiers.items()}
    copied = {tier: one.astype(object).where(one.notna(), None).to_dict("records") for tier, one in named.items()}
    for row in copied["scores"]:
        row["macro_f1"] += 0.001 if row["key"].endswith(("0", "1", "2", "3", "4", "5", "6", "7")) else -0.001
    store.write("999999-again", copied["records"], copied["scores"], copied["labels"], [], {})
    store.write_plan(plan)
    return plan


# ---- finding them


def test_results_are_found_by_name_by_suite_file_and_by_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    small = replace(WORLD, datasets=("generator",), statuses={}, not_applicable=())
    for name in ("mine", "reference/other"):
        write(tmp_path / "results" / name, small)
    for name, path in {
        "mine": "results/mine", "mine.yaml": "results/mine", "suites/mine.yaml": "results/mine",
        "elsewhere/mine.yaml": "results/mine", "results/mine": "results/mine",
        "reference/other": "results/reference/other",
    }.items():  # fmt: skip
        assert bench.load(name).path == Path(path)
    assert bench.load(tmp_path / "results" / "mine").path == tmp_path / "results" / "mine"
    assert bench.load("other", results="results/reference").path == Path("results/reference/other")


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("synthetik", "unknown suite 'synthetik', did you mean 'synthetic'? Valid: synthetic"),
        ("suites/synthetik.yaml", "did you mean 'synthetic'?"),
        ("x" * 5000, "Valid: synthetic"),
        ("nul\0", "Valid: synthetic"),
    ],
)
def test_an_unknown_name_is_one_sentence_with_the_nearest(folder: Path, name: str, sentence: str) -> None:
    with pytest.raises(UsageError) as raised:
        bench.load(name, results=folder.parent)
    assert sentence in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_damaged_plan_is_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "plan.json").write_text("{}", encoding="utf-8")
    with pytest.raises(UsageError, match="is damaged"):
        bench.load(tmp_path)


# ---- the tables


def test_runs_are_the_planned_trials_each_once(folder: Path, results: Results) -> None:
    runs = results.runs
    cells = [cell for cell in results.plan["cells"] if cell["keys"]]
    planned = {
        (cell["dataset"], cell["technique"], repeat, fold, 0): key
        for cell in cells
        for key, (repeat, fold) in zip(cell["keys"], cell["repeat_fold"], strict=True)
    }
    assert dict(zip(zip(*(runs[name] for name in PLACE), strict=True), runs["key"], strict=True)) == planned
    assert len(runs) == len(planned)
    odd = runs[runs["status"] != "ok"].set_index(["dataset", "technique", "repeat", "fold"])["status"]
    assert odd.to_dict() == {("folds", "none", 0, 0): "diverged", ("generator", "good", 1, 1): "missing"}
    records = parts(folder, "records").set_index("key")
    there = runs[runs["status"] != "missing"].set_index("key")
    for name in ("steps", "flops", "cpu_seconds", "resample_seconds", "rows_own", "stack", "machine", "commit"):
        assert there[name].tolist() == records.loc[there.index, name].tolist()
    gone = runs[runs["status"] == "missing"]
    assert gone[["steps", "cpu_seconds", "no_op", "machine"]].isna().to_numpy().all()


def test_scores_are_one_number_a_row(folder: Path, results: Results) -> None:
    scores = results.scores
    assert not scores.duplicated([*PLACE, "part", "metric"]).any()
    latest = parts(folder, "scores").drop_duplicates(["key", "rule", "part"], keep="last")
    held = latest.set_index(["key", "rule", "part"])
    for row in scores.sample(300, random_state=1).itertuples():
        stored = held.loc[(row.key, WORLD.rule(str(row.dataset), str(row.technique)), row.part), row.metric]
        assert row.value == stored or (np.isnan(row.value) and np.isnan(stored))
    tasks = {facts["label"]: facts["task"] for facts in results.plan["datasets"]}
    for label, metrics in scores.groupby("dataset")["metric"]:
        fitting = {name for name, one in METRICS.items() if one.task == tasks[str(label)] and not one.needs}
        assert set(metrics) == fitting
    count = scores.query("part == 'test' and metric == 'macro_f1'").groupby(["dataset", "technique"]).size()
    assert count["folds", "none"] == count["generator", "good"] == len(WORLD.places) - 1
    assert count["folds", "rule"] == len(WORLD.places), "cells that share a training have their own scores"


def test_curves_are_the_stored_ones_step_by_step(folder: Path, results: Results) -> None:
    curves = results.curves
    records = parts(folder, "records").set_index("key")
    for (key, part), lines in curves.groupby(["key", "part"]):
        some = lines[lines["technique"] == lines["technique"].iloc[0]].sort_values("step")
        assert some["step"].tolist() == records.loc[key, "curve_step"].tolist()
        assert some["loss"].tolist() == records.loc[key, f"curve_{part}"].tolist()
    trained = len(results.runs.query("status != 'missing'"))
    assert len(curves) == 2 * 3 * trained


def test_differences_are_the_reports_and_the_paired_t_of_the_scores(folder: Path, results: Results) -> None:
    table = results.differences.set_index(["dataset", "technique"])
    for dataset in analyse(Store(folder)).datasets:
        for one in dataset.standings:
            row = table.loc[(dataset.label, one.technique)]
            assert row["verdict"] == one.word
            assert pd.isna(row["rank"]) if one.rank is None else row["rank"] == one.rank
            assert row["score"] == one.score or np.isnan(one.score)
    assert len(table) == len(WORLD.datasets) * len(EFFECTS)
    wide = results.scores.query("dataset == 'errors' and part == 'test' and metric == 'rmse'").pivot_table(
        index=["repeat", "fold"], columns="technique", values="value"
    )
    paired = (wide["bad"] - wide["baseline"]).groupby("repeat").mean()
    low, high = stats.ttest_1samp(paired, 0.0).confidence_interval(0.95)
    row = table.loc[("errors", "bad")]
    assert (row["difference"], row["low95"], row["high95"]) == pytest.approx((paired.mean(), low, high))
    assert row["margin"] == pytest.approx(0.02 * wide["baseline"].mean())
    assert row["verdict"] == "worse"
    assert table.loc[("errors", "none"), "not_applicable"] == "it must not"
    assert np.isnan(table.loc[("errors", "baseline"), "difference"])


def test_the_baseline_trained_again_is_there_as_replica_1_and_has_no_verdict(tmp_path: Path) -> None:
    folder = write(tmp_path, replace(WORLD, datasets=("generator",), statuses={}, not_applicable=())).path
    plan = again(folder)
    results = bench.load(folder)
    assert [cell["technique"] for cell in plan["cells"] if cell.get("replica")] == ["A/A"]
    for table in (results.runs, results.scores, results.curves, results.differences):
        assert set(table.loc[table["technique"] == "A/A", "replica"]) == {1}
        assert set(table.loc[table["technique"] != "A/A", "replica"]) == {0}
    last = results.differences.iloc[-1]
    assert (last["technique"], last["verdict"]) == ("A/A", "noise floor")
    assert pd.isna(last["rank"])
    assert np.isnan(last["p_holm"])
    assert last["low95"] < last["difference"] < last["high95"]


def test_kinds_of_columns_do_not_depend_on_what_is_there(tmp_path: Path, results: Results) -> None:
    empty = Store(tmp_path)
    empty.writable()
    empty.write_plan(WORLD.plan())
    bare = bench.load(tmp_path)
    for name in ("runs", "scores", "curves", "differences"):
        full, none = getattr(results, name), getattr(bare, name)
        assert full.columns.tolist() == none.columns.tolist()
        numeric = full.select_dtypes(["number", "boolean"]).dtypes
        if name in ("runs", "differences"):
            assert none.dtypes[numeric.index].equals(numeric)
            assert len(none)
        else:
            assert none.empty
    assert set(bare.runs["status"]) == {"missing"}


def test_every_column_is_documented(results: Results) -> None:
    told = set(re.findall(r"`([a-z_0-9]+)`", DOCS + Path("docs/json.md").read_text(encoding="utf-8")))
    for table in (results.runs, results.scores, results.curves, results.differences):
        assert set(table.columns) <= told, sorted(set(table.columns) - told)


# ---- lightness and the docs


def test_tables_are_made_when_asked_for_without_torch_and_importing_bench_costs_nothing(folder: Path) -> None:
    code = (
        "import sys, bench\n"
        "heavy = {'torch', 'pandas', 'sklearn', 'scipy', 'pyarrow', 'matplotlib', 'numpy'}\n"
        "assert not heavy & set(sys.modules)\n"
        f"results = bench.load({str(folder)!r})\n"
        "assert 'runs' not in vars(results)\n"
        "assert results.runs is results.runs\n"
        "results.scores, results.curves, results.differences\n"
        "assert 'torch' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_there_are_recipes() -> None:
    assert len(RECIPES) == 4


@pytest.mark.parametrize("index", range(4))
def test_a_recipe_of_the_docs_runs_on_the_reference_results(index: int, tmp_path: Path) -> None:
    (tmp_path / "results").symlink_to(Path("results").resolve())
    command = [sys.executable, "-W", "error", "-c", RECIPES[index]]
    environment = {**os.environ, "PYTHONPATH": str(Path.cwd())}
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout or list(tmp_path.glob("*.svg"))
