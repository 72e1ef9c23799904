"""The whole path: plan, train, store, resume, from Python and from the command line."""

import contextlib
import io
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pytest
import yaml
from rich.console import Console

from bench import execution, runner, terminal
from bench.plan import Plan, filter_plan, make_plan
from bench.reporting import analyse
from bench.runner import missing_jobs, with_probes
from bench.stages.corrections import LogitAdjustment
from bench.store import Store
from bench.stored import unwell
from bench.suitefile import load_suite
from bench.work import lost_job

MEASURED = ["cpu_seconds", "resample_seconds", "prepare_seconds", "evaluate_seconds", "score_seconds", "stack"]


class Listener:
    """Counts what is trained."""

    def __init__(self) -> None:
        self.trials = 0

    def started(self, jobs) -> None:
        self.planned = sum(len(job.places) for job in jobs if not job.probe)

    def stored(self, job, part) -> None:
        self.trials += len(part.runs)


def write_suite(folder: Path, techniques: list, **changes) -> Path:
    suite = {
        "question": "?",
        "seed": 5,
        "repeats": 3,
        "folds": 3,
        "folds_per_repeat": 2,
        "datasets": [{"use": "digits", "recipe": {"steps": 30, "network.width": 16}}],
        "techniques": techniques,
    }
    file = folder / "suite.yaml"
    file.write_text(yaml.safe_dump({**suite, **changes}), encoding="utf-8")
    return file


def plan_of(folder: Path, techniques: list, **changes) -> Plan:
    return make_plan(load_suite(str(write_suite(folder, techniques, **changes))))


def run(plan: Plan, store: Store, execute=execution.inline, **options) -> int:
    """Run a plan; return how many trials were trained."""
    listener = Listener()
    runner.run(plan, store, execute, listener, **options)
    assert listener.trials == listener.planned
    return listener.trials


def scores(store: Store) -> pd.DataFrame:
    return store.scores().sort_values(["key", "rule", "part"]).reset_index(drop=True)


def test_a_second_run_trains_nothing_and_what_is_added_is_all_that_trains(tmp_path: Path) -> None:
    folder = tmp_path / "results"
    assert run(plan_of(tmp_path, ["baseline", "focal"]), Store(folder)) == 18
    first = scores(Store(folder))
    assert run(plan_of(tmp_path, ["baseline", "focal"]), Store(folder)) == 0
    assert run(plan_of(tmp_path, ["focal", "baseline"]), Store(folder)) == 0
    assert run(plan_of(tmp_path, ["baseline", "focal", "tuned-threshold", "logit-adjustment"]), Store(folder)) == 0
    assert run(plan_of(tmp_path, ["baseline", "dropout", "focal"]), Store(folder)) == 6
    after = scores(Store(folder))
    kept = after.merge(first[["key", "rule", "part"]])
    pd.testing.assert_frame_equal(kept.sort_values(["key", "rule", "part"]).reset_index(drop=True), first)


def test_a_rule_scored_from_stored_logits_equals_one_scored_at_training_to_the_bit(tmp_path: Path) -> None:
    techniques = ["baseline", "tuned-threshold", "logit-adjustment"]
    for datasets in (["digits"], [{"use": "fraud", "set": {"rows": 2000, "test_rows": 1000, "customers": 300}}]):
        name = str(datasets[0])[:12]
        whole, staged = Store(tmp_path / f"whole {name}"), Store(tmp_path / f"staged {name}")
        protocol = {"datasets": datasets, "repeats": 1, "folds_per_repeat": 1}
        run(plan_of(tmp_path, techniques, **protocol), whole)
        run(plan_of(tmp_path, ["baseline"], **protocol), staged)
        assert run(plan_of(tmp_path, techniques, **protocol), Store(staged.path)) == 0
        pd.testing.assert_frame_equal(scores(Store(staged.path)), scores(whole), check_exact=True)


def test_without_logits_a_new_rule_is_trained_for(tmp_path: Path) -> None:
    store = Store(tmp_path / "suite")
    run(plan_of(tmp_path, ["baseline"]), store)
    for file in (store.path / "logits").iterdir():
        file.unlink()
    suite = str(write_suite(tmp_path, ["baseline", "tuned-threshold"]))
    dry = bench("run", suite, "--dry-run", "--results", str(tmp_path), cwd=tmp_path)
    assert "0 stored, 12 to train" in dry.stdout
    assert "missing: logits to score a decision rule on are not stored here" in " ".join(dry.stdout.split())
    assert run(plan_of(tmp_path, ["baseline", "tuned-threshold"]), Store(store.path)) == 12
    assert run(plan_of(tmp_path, ["baseline", "tuned-threshold"]), Store(store.path)) == 0


def test_a_regression_whose_scores_are_gone_is_trained_again(tmp_path: Path) -> None:
    sine = {"use": "sine", "set": {"series": 9, "test_series": 5, "points": 60}, "recipe": {"steps": 5}}
    plan, store = plan_of(tmp_path, ["baseline"], datasets=[sine]), Store(tmp_path / "results")
    assert run(plan, store) == 12
    for file in (store.path / "scores").iterdir():
        file.unlink()
    assert run(plan, Store(store.path)) == 12


def test_company_and_order_change_no_score(tmp_path: Path) -> None:
    alone, together = Store(tmp_path / "alone"), Store(tmp_path / "together")
    run(plan_of(tmp_path, ["baseline", "dropout"]), alone)
    run(plan_of(tmp_path, ["smote", "dropout", "focal", "baseline"], repeats=5), together)
    merged = scores(alone).merge(scores(together), on=["key", "rule", "part"], suffixes=("", " too"))
    assert len(merged) == len(scores(alone))
    np.testing.assert_array_equal(merged["macro_f1"], merged["macro_f1 too"])
    np.testing.assert_array_equal(merged["log_loss"], merged["log_loss too"])


def test_a_run_times_the_baseline_where_it_does_not_train_it(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, ["baseline", "focal", "tuned-threshold"])
    both = filter_plan(plan, "technique=[bf]*")  # without A/A, which joins the baseline's stack
    jobs = missing_jobs(both, set(), 0, None)
    assert with_probes(both, jobs) == jobs, "it trains the baseline in a stack of the same size"
    only = filter_plan(plan, "technique=focal")
    made = with_probes(only, missing_jobs(only, set(), 0, None))
    assert [bool(job.probe) for job in made] == [True, False, True]
    first, focal, last = made
    (base,) = (training for training in plan.trainings if training.technique_label == "baseline")
    assert (first.training, first.recipe) == (last.training, last.recipe) == (base.digest, base.recipe)
    assert len(first.places) == len(focal.places)
    assert len({job.part for job in made}) == 3
    store = Store(tmp_path / "results")
    assert run(only, store) == 6
    probes = store.probes()
    assert list(probes["training"]) == [base.digest] * 2
    assert set(probes["run"]) == set(store.runs()["run"])
    assert set(store.statuses()) == set(only.cells[0].keys), "a probe is no trial"


def test_the_baseline_against_itself_has_the_same_rows_and_other_weights(tmp_path: Path) -> None:
    plan, store = plan_of(tmp_path, ["baseline", "focal"]), Store(tmp_path / "results")
    run(plan, store)
    runs = store.runs().query("technique == 'baseline'").sort_values(["replica", "repeat", "fold"])
    first, again = (runs[runs["replica"] == replica].reset_index(drop=True) for replica in (0, 1))
    same = ["repeat", "fold", "fingerprint", "truth", "rows_train", "rows_validation", "steps", "training"]
    pd.testing.assert_frame_equal(first[same], again[same])
    assert all(
        one != two for one, two in zip(map(list, first["curve_train"]), map(list, again["curve_train"]), strict=True)
    )
    (dataset,) = analyse(Store(store.path)).datasets
    assert dataset.noise is not None
    assert (dataset.noise.word, dataset.noise.done, dataset.noise.rank) == ("noise floor", 6, None)
    assert dataset.noise.difference is not None
    assert not dataset.noise.difference.identical
    assert [one.technique for one in dataset.planned][-1] == "A/A"
    assert {one.technique for one in dataset.standings} == {"baseline", "focal"}, "it is no technique"


def test_a_local_cluster_gives_the_scores_of_this_process(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, ["baseline", "dropout", "smote"])
    inline, cluster = Store(tmp_path / "inline"), Store(tmp_path / "cluster")
    run(plan, inline)
    run(plan, cluster, execution.local(2))
    pd.testing.assert_frame_equal(scores(cluster), scores(inline), check_exact=True)


def test_an_existing_scheduler_gives_the_scores_of_this_process(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, ["baseline", "dropout"])
    inline, remote = Store(tmp_path / "inline"), Store(tmp_path / "remote")
    run(plan, inline)
    with execution.local_cluster(1) as cluster:
        assert execution.check_scheduler(cluster.scheduler_address) == 1
        run(plan, remote, execution.remote(cluster.scheduler_address))
    pd.testing.assert_frame_equal(scores(remote), scores(inline), check_exact=True)


def test_what_cannot_train_is_a_record_and_the_rest_goes_on(tmp_path: Path) -> None:
    wild = {"use": "dropout", "name": "wild", "set": {"optimizer.lr": 1e30}}
    plan = plan_of(tmp_path, ["baseline", "smote", wild], datasets=[{"use": "digits", "set": {"imbalance": 24}}])
    store = Store(tmp_path / "results")
    run(plan, store)
    runs = Store(store.path).runs()
    by_technique = runs.groupby("technique")["status"].unique().map(list).to_dict()
    assert by_technique == {"baseline": ["ok"], "smote": ["failed"], "wild": ["diverged"]}
    assert runs.loc[runs["technique"] == "smote", "reason"].str.contains("needs more than 5 training rows").all()
    assert run(plan, Store(store.path)) == 0
    assert run(plan, Store(store.path), retry=True) == 12


class Unwilling:
    """A rule's fit that cannot work on these rows."""

    def __call__(self, *_: object) -> None:
        raise ValueError("no such\nprior")


@pytest.mark.parametrize("staged", [False, True], ids=["scored at training", "scored from stored logits"])
def test_a_rule_that_cannot_be_fitted_concerns_no_other_cell_and_is_tried_again_only_where_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, staged: bool
) -> None:
    plain, plan = (plan_of(tmp_path, ["baseline", *more]) for more in ([], ["logit-adjustment"]))
    alone, folder = Store(tmp_path / "alone"), tmp_path / "results"
    run(plain, alone)
    with monkeypatch.context() as patch:
        patch.setattr(LogitAdjustment, "fit", Unwilling())
        if staged:
            run(plain, Store(folder))
        assert run(plan, Store(folder)) == (0 if staged else 12)
        before = len(list(folder.rglob("*.parquet")))
        assert run(plan, Store(folder)) == 0
        assert len(list(folder.rglob("*.parquet"))) == before, "neither trained nor scored again"
    baseline = scores(Store(folder)).query("reason == ''").reset_index(drop=True)
    pd.testing.assert_frame_equal(baseline, scores(alone), check_exact=True)
    assert set(Store(folder).refused().values()) == {"no such prior"}
    assert standings(folder) == {"baseline": {"ok": 6}, "logit-adjustment": {"failed": 6}}
    assert (unwell(plain, Store(folder)), unwell(plan, Store(folder))) == (0, 6)
    assert run(plan, Store(folder)) == 0
    assert run(plan, Store(folder), retry=True) == 0, "its logits are stored"
    assert standings(folder) == {"baseline": {"ok": 6}, "logit-adjustment": {"ok": 6}}
    assert unwell(plan, Store(folder)) == 0


def standings(folder: Path) -> dict[str, dict[str, int]]:
    """Return how the trials of each technique ended, as the report says it."""
    (dataset,) = analyse(Store(folder)).datasets
    return {one.technique: dict(one.statuses) for one in dataset.standings}


def test_a_stack_past_its_limit_is_recorded_and_trained_again_next_time(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, ["baseline"])
    store = Store(tmp_path / "results")
    run(plan, store, limit=1e-9)
    assert set(store.statuses().values()) == {"timeout"}
    assert run(plan, Store(store.path)) == 12
    assert set(Store(store.path).statuses().values()) == {"ok"}


def test_epochs_as_the_budget_give_more_rows_more_steps(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, ["baseline", "over-sampling"], budget="epochs", repeats=1)
    store = Store(tmp_path / "results")
    run(plan, store)
    runs = store.runs().set_index("technique")
    assert (runs.loc["baseline", "steps"] == 30).all()
    more = runs.loc["over-sampling"]
    np.testing.assert_array_equal(more["steps"], np.round(30 * more["rows_train"] / more["rows_own"]))
    assert (more["steps"] > 60).all()


def test_regressions_run_from_end_to_end(tmp_path: Path) -> None:
    sine = {"use": "sine", "set": {"series": 9, "test_series": 5, "points": 60}, "recipe": {"steps": 40}}
    plan = plan_of(tmp_path, ["baseline", "last-value", "linear-autoregression", "focal"], datasets=[sine])
    store = Store(tmp_path / "results")
    assert run(plan, store) == 24
    test = store.scores().query("part == 'test'").merge(store.runs()[["key", "technique"]])
    means = test.groupby("technique")["rmse"].mean()
    assert means["linear-autoregression"] < means["last-value"]
    assert test["macro_f1"].isna().all()


# ---- the command line ---------------------------------------------------------------------------------------------


def bench(*arguments: str, cwd: Path | None = None, **options) -> subprocess.CompletedProcess:
    environment = {**os.environ, "PYTHONPATH": str(Path.cwd()), "COLUMNS": "160"}
    command = [sys.executable, "-m", "bench", *arguments]
    return subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, env=environment, timeout=300, check=False, **options
    )


def places(folder: Path) -> list[str]:
    return ["--results", str(folder / "results"), "--report", str(folder / "report")]


def test_run_trains_ranks_and_reports_and_report_repeats_the_same_bytes(tmp_path: Path) -> None:
    suite = str(write_suite(tmp_path, ["baseline", "focal", "tuned-threshold"]))
    dry = bench("run", suite, "--dry-run", *places(tmp_path))
    assert dry.returncode == 0, dry.stderr
    assert "18 to train" in dry.stdout
    assert [line.split() for line in dry.stdout.splitlines() if line.startswith("  TTV")] == [
        ["TTV", "repeats", "0,", "1"]
    ]
    assert not (tmp_path / "results").exists(), "a dry run writes nothing"
    done = bench("run", suite, "--workers", "0", *places(tmp_path))
    assert done.returncode == 0, done.stderr
    assert "trained: 18 ok" in done.stdout
    page = tmp_path / "report" / "suite" / "index.html"
    assert str(page) in done.stdout
    before = {file.name: file.read_bytes() for file in page.parent.iterdir()}
    again = bench("report", "suite", *places(tmp_path))
    assert again.returncode == 0, again.stderr
    assert {file.name: file.read_bytes() for file in page.parent.iterdir()} == before
    stored = bench("run", suite, "--dry-run", *places(tmp_path))
    assert "18 stored, 0 to train" in stored.stdout


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["run", "imbalence"], "did you mean 'imbalance'"),
        (["run", "imbalance", "--filter", "technik=x"], "unknown field 'technik', did you mean 'technique'"),
        (["run", "imbalance", "--filter", "technique=nothing"], "matches no cell"),
        (["run", "imbalance", "--workers", "-1"], "--workers must be 0 (inline) or more"),
        (["run", "imbalance", "--timeout", "0"], "--timeout must be above 0"),
        (["run", "imbalance", "--scheduler", "tcp://127.0.0.1:9"], "no Dask scheduler answered"),
        (["run", "imbalance", "--scheduler", "nonsense://"], "not an address; give one like tcp://127.0.0.1:8786"),
        (["run", "imbalance", "--scheduler", "tls://127.0.0.1:9"], "needs certificates"),
        (["run", "imbalance", "--scheduler", ""], "--scheduler '': not an address"),
        (["run", "imbalance", "--filter", ""], "--filter '': unknown field ''"),
        (["run", "imbalance", "--timeout", "nan"], "--timeout must be above 0 seconds, and finite"),
        (["run", "imbalance", "--timeout", "inf"], "--timeout must be above 0 seconds, and finite"),
        (["run", ""], "name a suite file"),
        (["validate", ""], "name a suite file"),
        (["runn"], "did you mean 'run'"),
        (["describe", "focl"], "did you mean 'focal'"),
        (["list", "technique"], "did you mean 'techniques'"),
        (["report", "nothing"], "no results"),
    ],
)
def test_bad_usage_is_one_sentence_exit_2_and_nothing_written(
    tmp_path: Path, arguments: list[str], sentence: str
) -> None:
    extra = places(tmp_path) if arguments[0] in ("run", "report") else []
    done = bench(*arguments, *extra)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert done.stderr.count("\n") == 1
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("folder", ["reference", "results/reference", "results/reference/x", "results/a/reference/b"])
def test_no_run_writes_into_reference_results(tmp_path: Path, folder: str) -> None:
    suite = str(write_suite(tmp_path, ["baseline"]))
    done = bench("run", suite, "--workers", "0", "--results", str(tmp_path / folder))
    assert done.returncode == 2
    assert "never written by 'run'" in done.stderr
    assert not (tmp_path / folder).exists()


def test_a_failure_is_not_forgotten_by_the_next_run(tmp_path: Path) -> None:
    digits = {"use": "digits", "set": {"imbalance": 24}, "recipe": {"steps": 5, "network.width": 8}}
    suite = str(write_suite(tmp_path, ["baseline", "smote"], datasets=[digits], repeats=1, folds_per_repeat=1))
    first, second = (bench("run", suite, "--workers", "0", *places(tmp_path)) for _ in range(2))
    assert first.returncode == second.returncode == 1, second.stderr
    assert "nothing to train" in second.stdout
    assert "planned scores that failed: 1" in " ".join(second.stdout.split())
    well = bench("run", suite, "--workers", "0", "--filter", "technique=baseline", *places(tmp_path))
    assert well.returncode == 0, "what is not in the plan does not count"


def test_a_results_folder_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "results").write_text("a file", encoding="utf-8")
    done = bench("run", str(write_suite(tmp_path, ["baseline"])), "--workers", "0", *places(tmp_path))
    assert done.returncode == 2
    assert "cannot be written" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_report_folder_that_cannot_be_made_is_refused_before_anything_is_trained(tmp_path: Path) -> None:
    (tmp_path / "report").write_text("a file", encoding="utf-8")
    done = bench("run", str(write_suite(tmp_path, ["baseline"])), "--workers", "0", *places(tmp_path))
    assert done.returncode == 2
    assert "cannot be written (Not a directory); choose another with --report" in done.stderr
    assert not (tmp_path / "results").exists()


def test_the_remaining_time_is_that_of_the_pace_of_training_not_of_starting_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    plan = plan_of(tmp_path, ["baseline"], repeats=50)
    jobs = missing_jobs(plan, set(), 0, None)  # ten of 20 trials
    out = io.StringIO()
    progress = terminal.Running(Console(file=out, width=200), plan)
    progress.started(jobs)
    now[0] += 90.0  # a cluster starts
    for job in jobs:
        now[0] += 30.0
        part = lost_job(job, "killed", "?")
        for row in part.runs:
            row["cpu_seconds"] = 30.0 / len(part.runs)
        progress.stored(job, part)
    lines = out.getvalue().splitlines()
    assert lines[:2] == ["trained 20 of 200, about 4 min 30 s left", "trained 40 of 200, about 4 min 0 s left"]
    assert lines[-1] == "trained 200 of 200, about 0 s left"


@pytest.mark.parametrize("command", ["list", "validate", "--help", "run --help"])
def test_light_commands_load_nothing_heavy(command: str) -> None:
    words = [*command.split(), "imbalance"] if command == "validate" else command.split()
    code = (
        "import sys; from bench.cli import main\n"
        f"try:\n    main({words!r})\nexcept SystemExit:\n    pass\n"
        "heavy = {'torch', 'pandas', 'sklearn', 'scipy', 'pyarrow', 'matplotlib'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", ["focal", "fraud", "macro_f1", "augmentation"])
def test_describe_gives_source(name: str) -> None:
    done = bench("describe", name)
    assert done.returncode == 0
    assert "source" in done.stdout


def test_a_killed_run_loses_at_most_what_was_training_and_resumes_to_the_same_scores(tmp_path: Path) -> None:
    suite = write_suite(tmp_path, ["baseline", "dropout", "focal", "smote", "l2"], repeats=4)
    plan = make_plan(load_suite(str(suite)))
    whole = Store(tmp_path / "whole")
    run(plan, whole)
    command = [sys.executable, "-m", "bench", "run", str(suite), "--workers", "0", *places(tmp_path)]
    moments = random.Random(3)
    for _ in range(4):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(moments.uniform(1.5, 5.0))
        process.send_signal(signal.SIGKILL)
        process.wait()
        held = Store(tmp_path / "results" / "suite")
        done = {key for key, status in held.statuses().items() if status == "ok"}
        assert done == set(held.runs()["key"])
        assert {key for key, _ in held.scored()} >= done, "a record that exists is complete"
    store = Store(tmp_path / "results" / "suite")
    run(plan, store)
    pd.testing.assert_frame_equal(scores(Store(store.path)), scores(whole), check_exact=True)


def _workers(parent: psutil.Process) -> int:
    """Number of worker processes below a process; its other children come and go meanwhile."""
    count = 0
    for child in parent.children():
        with contextlib.suppress(psutil.NoSuchProcess):
            count += "spawn_main" in " ".join(child.cmdline())
    return count


@pytest.mark.parametrize("moment", ["workers start", "workers train"])
def test_interrupting_the_terminals_processes_is_one_sentence_and_exit_3(tmp_path: Path, moment: str) -> None:
    slow = {"use": "digits", "recipe": {"steps": 500_000}}
    suite = str(write_suite(tmp_path, ["baseline"], datasets=[slow]))
    # What is started in the background ignores Ctrl-C, and so does all that it starts; a terminal's processes do not.
    listening = "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); import bench.cli; "
    command = [sys.executable, "-c", f"{listening}sys.exit(bench.cli.main(sys.argv[1:]))"]
    command += ["run", suite, "--workers", "2", *places(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True) as process:
        while _workers(psutil.Process(process.pid)) < 2:
            time.sleep(0.02)
        time.sleep(0.3 if moment == "workers start" else 8.0)
        os.killpg(process.pid, signal.SIGINT)
        try:
            _, errors = process.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise
    assert errors.decode() == "interrupted: what was finished is stored; run the same command to go on\n"
    assert process.returncode == 3
