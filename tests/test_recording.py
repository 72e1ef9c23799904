"""Test curves: recorded where asked for, exact, the same in any company, and of no influence on anything."""

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import log_softmax

import bench
from bench import documents, training, versus
from bench.catalogue import TECHNIQUES
from bench.datasets.base import Dataset
from bench.jobs import Job
from bench.keys import Place, digest
from bench.plan import make_plan
from bench.recipe import Change, apply, combine
from bench.recording import POINTS, curve_steps
from bench.reporting import analyse
from bench.runner import missing_jobs, with_probes
from bench.stages.decisions import Rule
from bench.stages.stopping import EarlyStopping
from bench.store import Store
from bench.stored import compare, look_up
from bench.work import run_job
from tests import tiny
from tests.test_run import plan_of, run, scores

COLUMNS = ["curve_test_step", "curve_test", "curve_test_score"]
MARKED = {"use": "baseline", "test_curve": True}
DATASETS = {
    "digits": {"use": "digits", "recipe": {"steps": 30, "network.width": 16}},
    "fraud": {"use": "fraud", "set": {"rows": 2000, "test_rows": 1000, "customers": 300}, "recipe": {"steps": 24}},
    "sine": {
        "use": "sine",
        "set": {"series": 9, "test_series": 5, "points": 60},
        "recipe": {"steps": 8},
        "with": "gru",
    },
}
SHORT = {"repeats": 2, "folds_per_repeat": 1}


def job(dataset: Dataset, *techniques: str, steps: int = 20, metric: str = "", changes: Change | None = None) -> Job:
    """Three trials of a tiny dataset, recorded by its own metric or another."""
    parts = [TECHNIQUES[name] for name in techniques or ("baseline",)]
    recipe = apply(apply(tiny.baseline(dataset, steps), combine(parts, dataset.kind)), changes or {})
    rules = (("rule", recipe.decide),) if isinstance(recipe.decide, Rule) else ()
    places = tuple(Place(0, fold, 0, f"key {fold}") for fold in range(3))
    names = ("000000-x", 1, dataset, digest(dataset.identity()), "tiny", "technique", "t")
    return Job(*names, recipe, 3, places, rules, {"run": "r"}, curve_metric=metric or dataset.metric)


def curves(made: Job) -> list[dict[str, object]]:
    """The recorded columns of a job's trials."""
    rows = run_job(made).runs
    assert [row["status"] for row in rows] == ["ok"] * len(rows), rows[0]["reason"]
    return [{name: row[name] for name in (*COLUMNS, "curve_metric", "steps")} for row in rows]


@given(st.integers(1, 100_000))
def test_steps_are_evenly_spaced_few_and_end_with_the_maximum(steps: int) -> None:
    found = curve_steps(steps)
    assert len(found) == min(POINTS, steps)
    assert (found[0] >= 1, found[-1]) == (True, steps)
    gaps = np.diff([0, *found])
    assert gaps.min() >= 1
    assert gaps.max() - gaps.min() <= 1


@pytest.mark.parametrize("name", ["digits", "fraud"])
def test_the_last_point_is_the_final_score_and_the_loss_of_the_stored_logits(tmp_path: Path, name: str) -> None:
    plan, store = plan_of(tmp_path, [MARKED, "focal"], datasets=[DATASETS[name]], **SHORT), Store(tmp_path / "results")
    run(plan, store)
    metric = plan.suite.datasets[0].metric
    test = store.scores().query("part == 'test'").set_index("key")[metric]
    logits = pd.concat(pq.read_table(file).to_pandas() for file in (store.path / "logits").glob("*.parquet"))
    logits = logits[logits["part"] == "test"].set_index("key")
    runs = store.runs()
    marked = runs[runs["technique"] == "baseline"]
    assert len(marked) == 4, "A/A shares the training"
    for row in marked.itertuples():
        assert list(row.curve_test_step) == curve_steps(row.steps)  # type: ignore[arg-type]
        assert row.curve_test_score[-1] == test[row.key]
        stored = logits.loc[row.key]
        outputs = np.frombuffer(stored["logits"], np.float16).reshape(-1, stored["columns"]).astype(float)
        outputs = np.column_stack([np.zeros(len(outputs)), outputs])
        loss = -log_softmax(outputs, axis=1)[np.arange(len(outputs)), stored["targets"]].mean()
        assert row.curve_test[-1] == pytest.approx(loss, rel=1e-3)
        assert row.curve_metric == metric
        assert len(set(row.curve_test)) == len(row.curve_test), "it moves"
    rest = runs[runs["technique"] == "focal"]
    assert [len(steps) for steps in rest["curve_test_step"]] == [0, 0]
    assert set(rest["curve_metric"]) == {""}


def test_the_last_point_of_a_regression_is_the_final_error_and_its_square_in_scaled_units(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, [MARKED], datasets=[DATASETS["sine"]], **SHORT)
    store = Store(tmp_path / "results")
    run(plan, store)
    test = store.scores().query("part == 'test'").set_index("key")["rmse"]
    runs = store.runs()
    assert len(runs) == 4
    for row in runs.itertuples():
        assert list(row.curve_test_step) == list(range(1, 9))
        assert row.curve_test_score[-1] == test[row.key]
        ratio = np.array(row.curve_test) / np.square(row.curve_test_score)
        np.testing.assert_allclose(ratio, ratio[0], rtol=1e-5, err_msg="one scale for all targets of a series")
        assert row.curve_metric == "rmse"


@pytest.mark.parametrize("dataset", tiny.DATASETS.values(), ids=tiny.DATASETS)
def test_a_trial_of_a_stack_has_the_curve_that_it_has_alone(dataset: Dataset) -> None:
    whole = job(dataset)
    together = curves(whole)
    for place, one in zip(whole.places, together, strict=True):
        assert curves(dataclasses.replace(whole, places=(place,))) == [one]
    assert len({str(one["curve_test"]) for one in together}) == 3


def test_recording_changes_no_bit_of_a_training() -> None:
    marked = job(tiny.DATASETS["image"], "early-stopping", "dropout", steps=60)
    one, other = (run_job(made) for made in (marked, dataclasses.replace(marked, curve_metric="")))
    for tier in ("scores", "labels", "logits"):
        np.testing.assert_equal(getattr(one, tier), getattr(other, tier))
    timed = {name for name in one.runs[0] if name.endswith("_seconds")}
    for row, plain in zip(one.runs, other.runs, strict=True):
        for name in row.keys() - timed - {*COLUMNS, "curve_metric"}:
            np.testing.assert_equal(row[name], plain[name], err_msg=name)
        assert (plain["curve_test_step"], plain["curve_test"], plain["curve_metric"]) == ([], [], "")
        assert row["curve_test_step"]


def test_a_curve_ends_where_its_own_trial_stopped_whatever_trained_beside_it() -> None:
    changes = {"stopping": EarlyStopping(patience=1), "optimizer.lr": 0.005, "batch_size": 64}
    whole = job(tiny.DATASETS["table"], steps=100, changes=changes)
    together = curves(whole)
    ends = [one["steps"] for one in together]
    assert len(set(ends)) > 1, "else this shows nothing"
    for one, place in zip(together, whole.places, strict=True):
        assert one["curve_test_step"] == [step for step in curve_steps(100) if step <= one["steps"]]  # type: ignore[operator]
        assert curves(dataclasses.replace(whole, places=(place,))) == [one]


def test_a_solved_network_has_one_point_at_step_0() -> None:
    made = job(tiny.DATASETS["forecast"], "linear-autoregression")
    stored = [row["rmse"] for row in run_job(made).scores if row["part"] == "test"]
    found = [(one["curve_test_step"], one["curve_test_score"]) for one in curves(made)]
    assert found == [([0], [score]) for score in stored]


def test_what_diverges_has_no_test_curve() -> None:
    rows = run_job(job(tiny.DATASETS["table"], changes={"optimizer.lr": 1e30})).runs
    assert [(row["status"], row["curve_test_step"], row["curve_metric"]) for row in rows] == [("diverged", [], "")] * 3


def test_outputs_that_are_not_finite_on_the_way_are_a_gap_in_the_curve_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    predict, seen = training.predict, []

    def overflowing(network, inputs, device=None) -> list[np.ndarray]:
        outputs = predict(network, inputs, device)
        if len(outputs[0]) == 60:  # the test rows: once for the score, then step by step
            seen.append(len(seen))
            if len(seen) == 3:
                outputs[1][5] = np.inf
        return outputs

    monkeypatch.setattr(training, "predict", overflowing)
    rows = curves(job(tiny.DATASETS["table"]))
    assert [np.isnan(row["curve_test"]).tolist() for row in rows] == [  # type: ignore[call-overload]
        [index == 1 and step == 1 for step in range(20)] for index in range(3)
    ]


@pytest.mark.parametrize("metric", ["accuracy", "macro_f1", "average_precision", "brier"])
def test_the_last_score_is_the_stored_one_by_any_metric(metric: str) -> None:
    part = run_job(job(tiny.DATASETS["table"], metric=metric))
    stored = [row[metric] for row in part.scores if row["part"] == "test"]
    assert [row["curve_test_score"][-1] for row in part.runs] == stored


def test_the_score_is_by_the_plain_rule_whatever_the_technique_decides_by() -> None:
    plain, tuned = (job(tiny.DATASETS["table"], name) for name in ("baseline", "tuned-threshold"))
    assert curves(tuned) == curves(plain)
    stored, other = (
        [row["macro_f1"] for row in run_job(one).scores if row["part"] == "test"] for one in (tuned, plain)
    )
    assert stored != other, "else this shows nothing"


def test_a_snapshot_is_put_in_and_the_networks_own_weights_come_back() -> None:
    dataset = tiny.DATASETS["table"]
    recipe = tiny.baseline(dataset)
    fit = training.fit(recipe, [tiny.prepared(dataset, recipe)], tiny.outputs(dataset), 20, snapshots=(5, 20))
    assert [step for step, _ in fit.snapshots] == [5, 20]
    before = {name: value.clone() for name, value in fit.network.named_parameters()}
    with training.at(fit.network, fit.snapshots[0][1]):
        for name, value in fit.network.named_parameters():
            assert torch.equal(value, fit.snapshots[0][1][name])
            assert not torch.equal(value, before[name])
    with pytest.raises(TypeError), training.at(fit.network, fit.snapshots[0][1]):
        training.predict(fit.network, [None])  # type: ignore[list-item]
    for name, value in fit.network.named_parameters():
        assert torch.equal(value, before[name])
        assert torch.equal(value, fit.snapshots[1][1][name])


# ---- planning and the store


def test_marking_a_stored_cell_trains_it_again_once_and_no_other(tmp_path: Path) -> None:
    folder = tmp_path / "results"
    plain = plan_of(tmp_path, ["baseline", "focal", "tuned-threshold"], **SHORT)
    assert run(plain, Store(folder)) == 6
    before = scores(Store(folder))
    plan = plan_of(tmp_path, ["baseline", "focal", {"use": "tuned-threshold", "test_curve": True}], **SHORT)
    assert [t.digest for t in plan.trainings] == [t.digest for t in plain.trainings], "a mark is no part of the key"
    assert [t.curve_metric for t in plan.trainings] == ["macro_f1", ""], "the baseline's cell shares the training"
    store = Store(folder)
    held = look_up(plan, store, False)
    notes = {s.cell.technique: s.note for s in compare(plan, held.statuses, held.scored, store.remembered(), held.lost)}
    again = "missing: a test curve is asked for and was not recorded"
    assert notes == {"baseline": again, "A/A": again, "focal": "stored", "tuned-threshold": again}
    assert run(plan, store) == 4
    assert run(plan, Store(folder)) == run(plain, Store(folder)) == 0
    pd.testing.assert_frame_equal(scores(Store(folder)), before, check_exact=True)
    for file in (folder / "logits").iterdir():
        file.unlink()
    lacking = plan_of(tmp_path, [MARKED, {"use": "focal", "test_curve": True}, "logit-adjustment"], **SHORT)
    held = look_up(lacking, Store(folder), False)
    notes = {s.cell.technique: s.note for s in compare(lacking, held.statuses, held.scored, {}, held.lost)}
    logits = "missing: logits to score a decision rule on are not stored here"
    assert notes == {"baseline": logits, "A/A": logits, "focal": again, "logit-adjustment": logits}


def test_a_comparison_trains_nothing_again_for_a_test_curve(tmp_path: Path) -> None:
    suite = plan_of(tmp_path, [MARKED, {"use": "focal", "test_curve": True}]).suite
    plain = versus._unmarked(suite)
    assert plain == plan_of(tmp_path, ["baseline", "focal"]).suite
    assert not any(training.curve_metric for training in make_plan(plain).trainings)


def test_only_marked_jobs_record_and_probes_never_do(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, [MARKED, "focal"], **SHORT)
    baseline, focal = missing_jobs(plan, set(), 0, None)
    assert (baseline.curve_metric, focal.curve_metric) == ("macro_f1", "")
    made = with_probes(plan, [dataclasses.replace(focal, curve_metric="macro_f1")])
    assert [(bool(one.probe), one.curve_metric) for one in made] == [(True, ""), (False, "macro_f1"), (True, "")]


def test_nothing_ranks_by_test_curves(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, [MARKED, {"use": "dropout", "test_curve": True}], repeats=5, folds_per_repeat=1)
    store = Store(tmp_path / "results")
    run(plan, store)
    assert set(bench.load(store.path).curves["part"]) == {"train", "validation", "test"}
    before = documents.standings(analyse(Store(store.path)))
    for file in (store.path / "records").glob("*.parquet"):
        pq.write_table(pq.read_table(file).drop_columns([*COLUMNS, "curve_metric"]), file)
    np.testing.assert_equal(documents.standings(analyse(Store(store.path))), before)
    assert set(bench.load(store.path).curves["part"]) == {"train", "validation"}


def test_test_curves_are_tidy_with_their_score_and_its_metric(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, [MARKED, "focal"], **SHORT)
    store = Store(tmp_path / "results")
    run(plan, store)
    table = bench.load(store.path).curves
    test, rest = table[table["part"] == "test"], table[table["part"] != "test"]
    assert set(test["technique"]) == {"baseline", "A/A"}
    assert set(test["metric"]) == {"macro_f1"}
    assert set(rest["metric"]) == {""}
    assert rest["score"].isna().all()
    records = store.runs().set_index("key")
    for key, lines in test.groupby("key"):
        for name, column in (("step", "curve_test_step"), ("loss", "curve_test"), ("score", "curve_test_score")):
            assert lines.sort_values("step")[name].tolist() == records.loc[key, column].tolist()
