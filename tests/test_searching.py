"""Searches under way: values that diverge, workers that die, worker processes, errors as scores, rules, progress."""

import io
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from bench import cli, execution, runner, terminal
from bench.jobs import Job
from bench.plan import NO_VALUE, Plan
from bench.scoring import CROSSED
from bench.searched import Searched, followed, missing, recorded, searched
from bench.store import Store
from bench.work import lost_job
from tests.test_searches import TUNED, Sums, plan_of

WILD = {"use": "focal", "choose": {"optimizer.lr": [0.01, 1e30]}}


def run(plan: Plan, store: Store, execute=execution.inline, **options) -> runner.Outcomes:
    return runner.run(plan, store, execute, Sums(), **options)


def of(store: Store) -> Searched:
    (found,) = searched(store.read_plan(), store)
    return found


def test_a_value_that_diverges_is_the_worst_and_is_told(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, techniques=["baseline", WILD], choosing={"repeats": 2, "extend": 0})
    store = Store(tmp_path / "suite")
    outcomes = run(plan, store)
    assert outcomes.statuses["diverged"] == 2
    assert outcomes.unwell == 0  # a rate that diverges is a result
    found = of(store)
    wild = found.trials["optimizer.lr"] == 1e30
    assert found.trials["diverged"].tolist() == wild.tolist()
    assert found.trials.loc[wild, "score"].isna().all()
    assert (found.chosen, found.edges) == ({"optimizer.lr": 0.01}, {"optimizer.lr": "low"})


def test_where_every_value_diverges_none_is_chosen_and_the_cell_says_so(tmp_path: Path) -> None:
    techniques = ["baseline", {"use": "focal", "choose": {"optimizer.lr": [1e29, 1e30]}}]
    plan = plan_of(tmp_path, techniques=techniques, choosing={"repeats": 1, "extend": 0})
    store = Store(tmp_path / "suite")
    run(plan, store)
    assert of(store).chosen == {}
    cell = next(one for one in store.read_plan()["cells"] if one["technique"] == "focal (tuned)")
    assert cell["not_applicable"] == NO_VALUE
    assert not missing(followed(plan, store), store)


def test_a_search_trial_that_was_killed_counts_as_the_worst_and_is_tried_again(tmp_path: Path) -> None:
    plan, store, killed = plan_of(tmp_path), Store(tmp_path / "suite"), []

    def dying(jobs):
        for job, part in execution.inline(jobs):
            lost = (
                [] if killed or job.use != "search" else [k for k, one in job.own.items() if one.optimizer.lr == 0.01]
            )
            killed.extend(lost)
            part.runs = [row | ({"status": "killed"} if row["key"] in lost else {}) for row in part.runs]
            part.scores = [row for row in part.scores if row["key"] not in lost]
            yield job, part

    outcomes = run(plan, store, dying)
    assert (outcomes.statuses["killed"], outcomes.unwell) == (2, 2)
    first = of(store)
    assert first.chosen["optimizer.lr"] != 0.01
    assert (first.trials["status"] == "killed").sum() == 2
    known = followed(plan, store)
    assert missing(known, store) == set(killed)
    assert followed(plan, store, recorded).cells != known.cells
    again = run(plan, store)
    assert again.unwell == 0
    assert (of(store).trials["status"] == "ok").all()


def test_failed_search_trials_are_final_until_they_are_asked_for_again(tmp_path: Path) -> None:
    plan, store = plan_of(tmp_path), Store(tmp_path / "suite")
    seen: list[Job] = []

    def failing(jobs):
        for job in jobs:
            if job.use == "search":
                seen.append(job)
                yield job, lost_job(job, "failed", "?")
            else:
                yield from execution.inline([job])

    assert run(plan, store, failing).statuses["failed"] == 6
    assert len(seen) == 1, "three values x two repeats train side by side"
    run(plan, store, failing)
    assert len(seen) == 1
    run(plan, store, failing, retry=True)
    assert len(seen) == 2  # once each, however it ends


def test_worker_processes_come_to_the_same_choice(tmp_path: Path) -> None:
    plan = plan_of(tmp_path)
    stores = {name: Store(tmp_path / name) for name in ("inline", "local")}
    run(plan, stores["inline"])
    run(plan, stores["local"], execution.local(2))
    one, other = (of(store) for store in stores.values())
    assert one.chosen == other.chosen
    columns = ["optimizer.lr", "repeat", "score"]
    pd.testing.assert_frame_equal(one.trials[columns], other.trials[columns], check_exact=True)


def test_an_error_is_chosen_by_its_lowest_mean(tmp_path: Path) -> None:
    sine = {
        "use": "sine",
        "set": {"series": 6, "test_series": 4, "points": 40},
        "recipe": {"steps": 6},
        "with": ["rnn"],
    }
    techniques = ["baseline", {"use": "dropout", "choose": {"optimizer.lr": [1e-5, 1e-2]}}]
    plan = plan_of(tmp_path, datasets=[sine], techniques=techniques, choosing={"repeats": 2, "extend": 0})
    store = Store(tmp_path / "suite")
    run(plan, store)
    table = store.searches.runs().merge(store.searches.scores().query("part == 'validation'"), on="key")
    rates = {
        name: held["description"]["recipe"]["optimizer"]["lr"] for name, held in store.searches.remembered().items()
    }
    means = table.groupby(table["training"].map(rates))["rmse"].mean()
    assert of(store).chosen == {"optimizer.lr": means.idxmin()}
    assert not list((store.searches.path).glob("labels/*"))


def test_a_rule_that_reads_labels_is_scored_on_rows_that_it_was_not_fitted_to(tmp_path: Path) -> None:
    combined = {"use": ["focal", "tuned-threshold"], "choose": {"optimizer.lr": [0.001, 0.01]}}
    plan = plan_of(tmp_path, techniques=["baseline", combined], choosing={"repeats": 1, "extend": 0})
    store = Store(tmp_path / "suite")
    run(plan, store)
    scores = store.searches.scores().set_index(["key", "part"])
    found = of(store).trials
    keys = [one["keys"][0] for one in store.read_plan()["searches"][0]["points"]]
    for key, score in zip(keys, found["score"], strict=True):
        counts = np.array(scores.loc[(key, CROSSED), "confusion"], dtype=float).reshape(10, 10)
        shares = counts / counts.sum(axis=1, keepdims=True)
        by_hand = np.mean(2 * np.diag(shares) / (1 + shares.sum(axis=0)))
        assert score == pytest.approx(by_hand)


def test_two_searches_of_one_training_share_their_trials(tmp_path: Path) -> None:
    both = [{"use": "focal", "choose": {"optimizer.lr": [0.001, 0.01]}, "name": name} for name in ("one", "two")]
    plan = plan_of(tmp_path, techniques=["baseline", *both], choosing={"repeats": 1, "extend": 0})
    store = Store(tmp_path / "suite")
    run(plan, store)
    assert len(store.searches.runs()) == 2
    one, two = searched(store.read_plan(), store)
    assert one.chosen == two.chosen


def test_progress_counts_the_trials_of_searches_and_those_that_come_after(tmp_path: Path) -> None:
    out = io.StringIO()
    techniques = ["baseline", TUNED]
    plan, store = plan_of(tmp_path, techniques=techniques), Store(tmp_path / "suite")
    progress = terminal.Running(Console(file=out, width=200), plan)
    totals = []

    class Told:
        def started(self, jobs) -> None:
            progress.started(jobs)
            totals.append(progress._bar.tasks[0].total)

        def stored(self, job, part) -> None:
            progress.stored(job, part)

    runner.run(plan, store, execution.inline, Told())
    task = progress._bar.tasks[0]
    assert totals[0] == 6 + 2  # three values twice, then the two of the cell that waits
    assert task.completed == task.total == len(store.runs()) + len(store.searches.runs())
    assert ("digits", "focal (tuned)") in progress._scores
    remaining = progress._remaining()
    assert remaining is not None
    assert math.isclose(remaining, 0.0)


def test_compare_searches_for_a_technique_of_the_suite_that_is_tuned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    plan_of(tmp_path, repeats=5)  # writes the suite
    monkeypatch.chdir(tmp_path)
    assert cli.main(["compare", "suite.yaml", "focal (tuned)", "--workers", "0"]) in (0, 1)
    told = " ".join(capsys.readouterr().out.split())
    assert "6 search trials for 1 value to choose, 0 stored, 6 to train" in told
    store = Store(tmp_path / "results" / "suite")
    assert len(store.searches.runs()) >= 6
    assert cli.main(["compare", "suite.yaml", "focal (tuned)", "--workers", "0"]) in (0, 1)
    assert "0 to train" in " ".join(capsys.readouterr().out.split())
