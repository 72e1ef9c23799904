"""Searches in suites and runs: no test row before a choice, the choice by pandas' own route, resuming, budgets."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from jsonschema import Draft202012Validator

from bench import cli, execution, runner
from bench.choosing import FIRST_REPEAT
from bench.errors import UsageError
from bench.jobs import Job, Part
from bench.plan import NOT_CHOSEN, Plan, filter_plan, make_plan
from bench.reporting.page import write_report
from bench.searched import Searched, final, followed, missing, searched
from bench.searches import sentence
from bench.store import Store
from bench.suite import smoke
from bench.suitefile import load_suite, schema
from tests.test_run import Listener

RATES = [0.0001, 0.001, 0.01]
TUNED = {"use": "focal", "choose": {"optimizer.lr": RATES}}
SUITE = {
    "question": "?",
    "seed": 5,
    "repeats": 2,
    "folds": 3,
    "folds_per_repeat": 1,
    "choosing": {"repeats": 2, "extend": 1},
    "datasets": [{"use": "digits", "recipe": {"steps": 20, "network.width": 8}}],
    "techniques": ["baseline", "focal", TUNED],
}


def write_suite(folder: Path, **changes) -> Path:
    file = folder / "suite.yaml"
    file.write_text(yaml.safe_dump({**SUITE, **changes}), encoding="utf-8")
    return file


def plan_of(folder: Path, **changes) -> Plan:
    return make_plan(load_suite(write_suite(folder, **changes)))


class Sums(Listener):
    """Counts what was to be trained in all rounds."""

    planned = 0

    def started(self, jobs) -> None:
        self.planned += sum(len(job.places) for job in jobs if not job.probe)


class Watched:
    """Runs jobs in this process, and keeps them; after ``most`` of them somebody presses Ctrl-C."""

    def __init__(self, store: Store, most: int = 1000) -> None:
        self.jobs: list[Job] = []
        self._store, self._most = store, most

    def __call__(self, jobs: Sequence[Job]) -> Iterator[tuple[Job, Part]]:
        for job, part in execution.inline(jobs):
            if len(self.jobs) == self._most:
                raise KeyboardInterrupt
            self.jobs.append(job)
            if job.use == "search":
                assert Store(self._store.path).runs().empty  # nothing is scored on test rows so far
            yield job, part


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Plan, Store, list[Job]]:
    """A run of the suite from nothing: its plan before, its store, its jobs in order."""
    folder = tmp_path_factory.mktemp("searched")
    plan, store, listener = plan_of(folder), Store(folder / "suite"), Sums()
    watched = Watched(store)
    outcomes = runner.run(plan, store, watched, listener)
    assert listener.trials == listener.planned == sum(outcomes.statuses.values())
    return plan, store, watched.jobs


def of(store: Store) -> Searched:
    (found,) = searched(store.read_plan(), store)
    return found


def weighted_macro_f1(confusion: np.ndarray) -> float:
    """Macro-F1 of rows weighted so that all true classes count alike, from its definition."""
    shares = confusion / confusion.sum(axis=1, keepdims=True)
    hits, said = np.diag(shares), shares.sum(axis=0)
    return float(np.mean(2 * hits / (1 + said)))


# ---- no test row is read before the choice is made


def test_every_search_trial_ends_before_anything_is_scored(run: tuple[Plan, Store, list[Job]]) -> None:
    uses = [job.use for job in run[2]]
    assert uses == sorted(uses, reverse=True)  # 'search' before 'all'
    assert {"search", "all"} == set(uses)


def test_search_records_know_nothing_of_test_rows(run: tuple[Plan, Store, list[Job]]) -> None:
    _, store, _ = run
    place = store.searches
    runs = place.runs()
    assert set(runs["status"]) == {"ok"}
    assert set(runs["rows_test"]) == {0}
    assert set(runs["truth"].fillna("")) == {""}
    assert runs["repeat"].min() == FIRST_REPEAT
    assert runs["curve_test"].map(len).sum() == 0
    assert set(place.scores()["part"]) == {"train", "validation"}
    assert {path.name for path in place.path.iterdir()} == {"records", "scores", "trainings"}
    assert set(store.runs()["repeat"]) == {0, 1}
    assert not set(store.runs()["key"]) & set(runs["key"])
    assert not set(store.runs()["split"]) & set(runs["split"])


def test_a_search_is_given_arrays_without_test_rows(
    run: tuple[Plan, Store, list[Job]], monkeypatch: pytest.MonkeyPatch
) -> None:
    from bench import audit, work

    seen = []
    watch = audit.watch
    monkeypatch.setattr(audit, "watch", lambda *given: [seen.append(given[1]), watch(*given)][1])
    job = next(job for job in run[2] if job.use == "search")
    part = work.run_job(job)
    assert [len(data.test_targets) for data in seen] == [0] * len(seen)
    assert seen
    assert (part.labels, part.logits and {row["part"] for row in part.logits}, part.truths) == (
        [],
        {"train", "validation"},
        {},
    )


# ---- the choice


def test_the_choice_is_the_best_mean_by_another_route(run: tuple[Plan, Store, list[Job]]) -> None:
    _, store, _ = run
    found = of(store)
    rates = {
        name: held["description"]["recipe"]["optimizer"]["lr"] for name, held in store.searches.remembered().items()
    }
    table = store.searches.runs().merge(store.searches.scores().query("part == 'validation'"), on="key")
    table["rate"] = table["training"].map(rates)
    table["by_hand"] = [weighted_macro_f1(np.array(one, dtype=float).reshape(10, 10)) for one in table["confusion"]]
    means = table.groupby("rate")["by_hand"].mean()
    assert found.chosen == {"optimizer.lr": means.idxmax()}
    own = found.trials.groupby("optimizer.lr")["score"].mean()
    pd.testing.assert_series_equal(own, means, check_names=False)
    assert list(found.trials.columns) == [
        "optimizer.lr", "repeat", "fold", "score", "diverged", "status", "seconds", "steps", "key",
    ]  # fmt: skip
    assert (found.trials["seconds"] > 0).all()
    assert set(found.trials["steps"]) == {20}


def test_the_chosen_value_is_what_the_cell_trains_on_fresh_seeds(run: tuple[Plan, Store, list[Job]]) -> None:
    _, store, jobs = run
    found, stored = of(store), store.read_plan()
    cell = next(one for one in stored["cells"] if one["technique"] == "focal (tuned)")
    trained = store.remembered()[cell["training"]]["description"]["recipe"]
    assert trained["optimizer"]["lr"] == found.chosen["optimizer.lr"]
    assert [repeat for repeat, _ in cell["repeat_fold"]] == [0, 1]
    assert set(cell["keys"]) <= set(store.runs()["key"])
    assert store.labels.keys() >= {(key, cell["rule"]) for key in cell["keys"]}
    plain = next(one for one in stored["cells"] if one["technique"] == "focal")
    own = store.remembered()[plain["training"]]["description"]["recipe"]
    assert found.default == {"optimizer.lr": own["optimizer"]["lr"]}
    assert {job.technique_label for job in jobs} == {"baseline", "focal", "focal (tuned)"}


def test_the_largest_rate_is_best_so_the_grid_grew_once_and_no_further(run: tuple[Plan, Store, list[Job]]) -> None:
    found = of(run[1])
    assert list(found.declared["optimizer.lr"]) == RATES
    values = list(found.axes["optimizer.lr"])
    assert values == [*RATES, 0.1]
    assert found.edges == ({"optimizer.lr": "high"} if found.chosen["optimizer.lr"] == 0.1 else {})
    (search,) = followed(run[0], run[1]).searches
    rate = found.chosen["optimizer.lr"]
    assert sentence(search).endswith(
        f"= 8 trials; chosen: optimizer.lr={rate:g}{' (still on the high end of its values)' if found.edges else ''}"
    )


def test_a_second_run_trains_nothing_and_its_plan_is_complete(run: tuple[Plan, Store, list[Job]]) -> None:
    plan, store, _ = run
    known = followed(plan, Store(store.path))
    assert not missing(known, Store(store.path))
    assert not any(cell.waiting for cell in known.cells)
    listener = Sums()
    runner.run(plan, Store(store.path), execution.inline, listener)
    assert listener.trials == 0


def test_the_report_of_a_search_is_made(run: tuple[Plan, Store, list[Job]], tmp_path: Path) -> None:
    page = write_report(run[1].path, tmp_path / "report").page
    assert "focal (tuned)" in page.read_text(encoding="utf-8")


# ---- interruptions and filters


def test_an_interrupted_search_goes_on_and_comes_to_the_same(
    run: tuple[Plan, Store, list[Job]], tmp_path: Path
) -> None:
    plan, store = plan_of(tmp_path), Store(tmp_path / "suite")
    with pytest.raises(KeyboardInterrupt):
        runner.run(plan, store, Watched(store, 1), Sums())  # the declared values, and not the one beyond the edge
    stored = store.read_plan()
    cell = next(one for one in stored["cells"] if one["technique"] == "focal (tuned)")
    assert (cell["not_applicable"], cell["keys"], cell["repeat_fold"]) == (NOT_CHOSEN, [], [])
    assert of(store).chosen == {}
    assert (of(store).trials["status"] == "ok").sum() == 6
    write_report(store.path, tmp_path / "report")
    listener = Sums()
    runner.run(plan, Store(tmp_path / "suite"), Watched(store), listener)
    assert listener.trials == len(run[1].runs()) + len(run[1].searches.runs()) - 6
    pd.testing.assert_frame_equal(of(store).trials.drop(columns="seconds"), of(run[1]).trials.drop(columns="seconds"))
    assert store.read_plan()["cells"] == run[1].read_plan()["cells"]


def test_a_filter_leaves_out_the_searches_of_other_cells(tmp_path: Path) -> None:
    techniques = ["baseline", TUNED, {**TUNED, "name": "other"}]
    plan = plan_of(tmp_path, techniques=techniques)
    assert [one.name for one in plan.searches] == [("digits", "focal (tuned)"), ("digits", "other")]
    only = filter_plan(plan, "technique=other")
    assert [one.name for one in only.searches] == [("digits", "other")]
    assert filter_plan(plan, "technique=baseline").searches == ()
    store = Store(tmp_path / "suite")
    assert [cell.technique for cell in followed(only, store, final).cells] == ["other"]


# ---- plans and keys


def test_cells_that_choose_nothing_keep_their_keys(tmp_path: Path) -> None:
    with_search = plan_of(tmp_path)
    plain = {key: value for key, value in SUITE.items() if key != "choosing"} | {"techniques": ["baseline", "focal"]}
    (tmp_path / "suite.yaml").write_text(yaml.safe_dump(plain), encoding="utf-8")
    without = make_plan(load_suite(tmp_path / "suite.yaml"))
    kept = [cell for cell in with_search.cells if not cell.waiting]
    assert kept == list(without.cells)
    assert "searches" not in without.as_dict()
    assert all("choose" not in one for one in without.as_dict()["techniques"])


def test_a_smoke_run_searches_with_one_trial_of_each_value(tmp_path: Path) -> None:
    (search,) = make_plan(smoke(load_suite(write_suite(tmp_path)))).searches
    assert (len(search.places), search.suite.choosing.extend) == (1, 0)


def test_search_trials_take_the_folds_in_turn_on_repeats_of_their_own(tmp_path: Path) -> None:
    (search,) = plan_of(tmp_path, choosing={"repeats": 4}).searches
    repeats = [repeat for repeat, _ in search.places]
    assert repeats == [FIRST_REPEAT + at for at in range(4)]
    assert [fold for _, fold in search.places] == [repeat % 3 for repeat in repeats]


def test_a_dry_run_counts_search_trials_and_its_document_fits_the_schema(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write_suite(tmp_path)
    documents = json.loads((Path(__file__).parents[1] / "docs/json.schema.json").read_text(encoding="utf-8"))
    monkeypatch.chdir(tmp_path)
    assert cli.main(["run", str(file), "--dry-run", "--json"]) == 0
    made = capsys.readouterr()
    document = json.loads(made.out)
    Draft202012Validator(documents).validate(document)
    (search,) = document["plan"]["searches"]
    assert (search["planned"], search["missing"], search["chosen"]) == (6, 6, None)
    assert document["plan"]["missing"] == 8  # two repeats of baseline, A/A, focal, and of what is chosen
    assert cli.main(["run", str(file), "--dry-run"]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "6 search trials for 1 value to choose, 0 stored, 6 to train" in told
    assert "digits, focal (tuned): 3 values of optimizer.lr x 2 repeats = 6 trials" in told


# ---- suite files


def refused(folder: Path, **changes) -> str:
    with pytest.raises(UsageError) as caught:
        load_suite(write_suite(folder, **changes))
    return str(caught.value)


def test_budgets_that_differ_are_refused_unless_the_suite_says_why(tmp_path: Path) -> None:
    fewer = {"use": "dropout", "choose": {"optimizer.lr": RATES[:2]}}
    longer = {"use": "dropout", "set": {"steps": 40}, "choose": {"optimizer.lr": RATES}}
    larger = {"use": "dropout", "set": {"batch_size": 128}, "choose": {"optimizer.lr": RATES}}
    for other, said in (
        (fewer, "2 values x 2 trials, gradients of 5,120 examples"),
        (longer, "3 values x 2 trials, gradients of 15,360 examples"),
        (larger, "3 values x 2 trials, gradients of 15,360 examples"),
    ):
        techniques = ["baseline", TUNED, other]
        sentence = refused(tmp_path, techniques=techniques)
        assert (
            "on digits 'focal (tuned)' is chosen from 3 values x 2 trials, gradients of 7,680 examples in all, but"
            in sentence
        )
        assert said in sentence
        assert "why_budgets_differ" in sentence
        told = {"repeats": 2, "why_budgets_differ": "dropout needs longer"}
        assert load_suite(write_suite(tmp_path, techniques=techniques, choosing=told)).choosing.repeats == 2


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"choosing": {"why_budgets_differ": "because"}}, "all techniques are chosen at the same budget"),
        ({"techniques": ["baseline"]}, "no technique says 'choose'"),
        ({"choosing": {"repeats": 0}}, "repeats must be a whole number from 1"),
        ({"choosing": {"extend": -1}}, "extend must be a whole number from 0"),
        ({"choosing": {"repeat": 1}}, "unknown key 'repeat', did you mean 'repeats'"),
    ],
)
def test_a_mistake_in_choosing_is_one_sentence(tmp_path: Path, changes: dict, sentence: str) -> None:
    assert sentence in refused(tmp_path, **changes)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"choose": {}}, "choose must name at least one path"),
        ({"choose": {"optimizer.lr": [0.1]}}, "there must be two values of 'optimizer.lr' at least"),
        ({"choose": {"optimizer.lr": [0.1, "high"]}}, "'optimizer.lr' is chosen from numbers, got 'high'"),
        ({"choose": {"optimizer.lr": [0.1, 0.1]}}, "holds the value 0.1 twice"),
        ({"choose": {"optimizer.rate": [0.1, 1]}}, "unknown field"),
        ({"choose": {"optimizer.lr": [-1, 1]}}, "lr"),
        ({"choose": {"optimizer.lr": {"from": 1e-3, "to": 1}}}, "the key 'per_decade' is missing"),
        ({"choose": {"optimizer.lr": {"from": 1, "to": 7, "per_decade": 1}}}, "'to' is not reached from 1"),
        ({"set": {"optimizer.lr": 1}, "choose": {"optimizer.lr": [0.1, 1]}}, "under both set and choose"),
        ({"grid": {"loss.gamma": [1]}, "choose": {"optimizer.lr": [0.1, 1]}}, "leave one out"),
    ],
)
def test_a_mistake_in_choose_is_one_sentence(tmp_path: Path, change: dict, sentence: str) -> None:
    message = refused(tmp_path, techniques=["baseline", {"use": "focal", **change}])
    assert message.startswith(f"{tmp_path / 'suite.yaml'}:")
    assert sentence in message


def test_a_grid_takes_ranges_too_and_the_schema_knows_both(tmp_path: Path) -> None:
    span = {"from": 1e-3, "to": 1e-1, "per_decade": 2}
    suite = {**SUITE, "techniques": ["baseline", {"use": "focal", "grid": {"optimizer.lr": span}}, TUNED]}
    Draft202012Validator(schema()).validate(suite)
    labels = [one.label for one in load_suite(write_suite(tmp_path, techniques=suite["techniques"])).techniques]
    assert labels[1:6] == [f"focal [optimizer.lr={rate}]" for rate in (0.001, 0.00316, 0.01, 0.0316, 0.1)]


def test_validate_counts_search_trials(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["validate", str(write_suite(tmp_path))]) == 0
    assert "4 cells on 8 trainings, and 6 search trials before them" in capsys.readouterr().out
