"""The whole way from stored parts to a page, on worlds whose truth is planted."""

import csv
import io
import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console
from scipy import stats
from sklearn.metrics import f1_score

from bench.errors import UsageError
from bench.reporting import Analysis, analyse, tables, terminal_ranking, words
from bench.reporting.page import write_report
from bench.reporting.standing import DatasetAnalysis, Standing
from bench.store import Store
from tests.synthetic import World, wide, write

EFFECTS = {"baseline": 0.0, "good": 0.12, "bad [loss.gamma=2.0]": -0.12, "none": 0.0, "rule": 0.0}
SMALL = World(EFFECTS, same_training=("rule",), not_applicable=(("errors", "none"),))


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return write(tmp_path_factory.mktemp("small"), SMALL)


@pytest.fixture(scope="module")
def analysis(small: Store) -> Analysis:
    return analyse(small)


@pytest.fixture(scope="module")
def report(small: Store, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_report(small.path, tmp_path_factory.mktemp("report")).page.parent


def _dataset(analysis: Analysis, label: str) -> DatasetAnalysis:
    return next(one for one in analysis.datasets if one.label == label)


def _standing(dataset: DatasetAnalysis, technique: str) -> Standing:
    return next(one for one in dataset.standings if one.technique == technique)


def _text(analysis: Analysis, width: int = 160) -> str:
    out = io.StringIO()
    Console(file=out, width=width).print(terminal_ranking(analysis))
    return out.getvalue()


def _f1(truth: np.ndarray, labels: np.ndarray, average: str | None) -> Any:
    score: Any = f1_score
    return score(truth, labels, average=average, labels=range(4), zero_division=0)


def _cells(store: Store, dataset: str, technique: str, part: str = "test") -> np.ndarray:
    """Return stored scores [R, m] by a route of its own."""
    metric = SMALL.facts(dataset)["metric"]
    scores = store.scores()
    chosen = scores[scores["part"] == part].set_index(["key", "rule"])[metric]
    rule = SMALL.rule(dataset, technique)
    flat = [chosen[SMALL.key(dataset, technique, *place), rule] for place in SMALL.places]
    return np.array(flat).reshape(SMALL.repeats, SMALL.folds)


# ---- numbers


@pytest.mark.parametrize("label", SMALL.datasets)
def test_planted_effects_are_found_and_their_absence_is_not_called_an_effect(analysis: Analysis, label: str) -> None:
    dataset = _dataset(analysis, label)
    words = {one.technique: one.word for one in dataset.standings}
    assert words["baseline"] == "baseline"
    assert words["good"] == "better"
    assert words["bad [loss.gamma=2.0]"] == "worse"
    assert words["none"] in ("equivalent", "undecided", "not applicable")
    assert words["rule"] == "identical"
    assert dataset.standings[0].technique == "good"
    assert dataset.standings[0].rank == 1


@pytest.mark.parametrize("label", SMALL.datasets)
def test_scores_are_means_over_repeats_and_gaps_are_how_much_better_training_looks(
    small: Store, analysis: Analysis, label: str
) -> None:
    one = _standing(_dataset(analysis, label), "good")
    test, train = _cells(small, label, "good"), _cells(small, label, "good", "train")
    assert one.score == pytest.approx(test.mean())
    assert one.train == pytest.approx(train.mean())
    assert one.gap == pytest.approx((train - test).mean() * (-1 if label == "errors" else 1))
    assert one.gap > 0


def test_independent_repeats_give_the_paired_t_over_repeat_means(small: Store, analysis: Analysis) -> None:
    for label in ("generator", "errors"):
        one = _standing(_dataset(analysis, label), "good")
        differences = (_cells(small, label, "good") - _cells(small, label, "baseline")).mean(axis=1)
        low, high = stats.ttest_1samp(differences, 0.0).confidence_interval(0.95)
        assert one.difference is not None
        assert (one.difference.low95, one.difference.high95) == (pytest.approx(low), pytest.approx(high))


def test_folds_as_test_sets_are_corrected_by_the_rows_tested_and_trained_on(small: Store, analysis: Analysis) -> None:
    one = _standing(_dataset(analysis, "folds"), "good")
    differences = (_cells(small, "folds", "good") - _cells(small, "folds", "baseline")).ravel()
    assert one.difference is not None
    expected = differences.std(ddof=1) * np.sqrt(1 / differences.size + 500 / 1600)
    assert one.difference.standard_error == pytest.approx(expected)


def test_a_fixed_test_set_adds_the_noise_of_its_rows(small: Store, analysis: Analysis) -> None:
    one = _standing(_dataset(analysis, "fixed-test"), "good")
    means = (_cells(small, "fixed-test", "good") - _cells(small, "fixed-test", "baseline")).mean(axis=1)
    assert one.difference is not None
    rows = np.sqrt(one.difference.standard_error**2 - means.var(ddof=1) / len(means))
    truth, _ = small.truth(small.runs().set_index("key").loc[SMALL.key("fixed-test", "good", 0, 0), "truth"])
    rng = np.random.default_rng(1)
    drawn = []
    for _ in range(150):
        chosen = rng.integers(0, len(truth), len(truth))
        gains = [
            _f1(truth[chosen], ours[chosen], average="macro")
            - _f1(truth[chosen], theirs[chosen], average="macro")
            for place in SMALL.places[::4]
            for ours, theirs in [
                (small.labels[SMALL.key("fixed-test", name, *place), SMALL.rule("fixed-test", name)] for name in
                 ("good", "baseline"))
            ]
        ]  # fmt: skip
        drawn.append(np.mean(gains))
    assert rows == pytest.approx(np.std(drawn), rel=0.25)


def test_per_class_f1_is_pooled_over_the_folds_of_a_repeat_and_support_counts_distinct_rows(
    small: Store, analysis: Analysis
) -> None:
    runs = small.runs().set_index("key")
    for label, share in (("folds", 1), ("generator", SMALL.folds)):
        found = []
        for repeat in range(SMALL.repeats):
            keys = [SMALL.key(label, "good", repeat, fold) for fold in range(SMALL.folds)]
            truth = np.concatenate([small.truth(runs.loc[key, "truth"])[0] for key in keys])
            labels = np.concatenate([small.labels[key, SMALL.rule(label, "good")] for key in keys])
            found.append(_f1(truth, labels, average=None))
        assert _standing(_dataset(analysis, label), "good").class_f1 == pytest.approx(np.mean(found, axis=0))
        assert _dataset(analysis, label).support.sum() == pytest.approx(500 * SMALL.folds / share)


def test_equivalence_of_errors_is_a_fraction_of_the_baselines(analysis: Analysis) -> None:
    dataset = _dataset(analysis, "errors")
    assert dataset.margin == pytest.approx(0.02 * _standing(dataset, "baseline").score)
    assert _dataset(analysis, "generator").margin == 0.01


def test_who_is_better_than_the_baseline_ranks_above_it(analysis: Analysis) -> None:
    for dataset in analysis.datasets:
        better = sum(one.word == "better" for one in dataset.standings)
        assert _standing(dataset, "baseline").rank == 1 + better
        ranked = [one for one in dataset.standings if one.rank is not None]
        assert sum(one.p_first for one in ranked) == pytest.approx(1.0)
        assert all(1 <= (one.place_low or 0) <= (one.place_high or 0) <= len(ranked) for one in ranked)


def test_cost_is_compared_on_the_same_machine_and_stack_size_only(tmp_path: Path) -> None:
    world = replace(SMALL, effects={"baseline": 0.0, "good": 0.1}, datasets=("generator",), same_training=())
    store = write(tmp_path, world)
    runs = store.runs()
    rows = []
    for row in runs.to_dict("records"):
        good = row["technique"] == "good"
        alone = good and row["repeat"] == 0
        seconds = 900.0 if alone else 4.0 if good else 2.0
        rows.append({**row, "cpu_seconds": seconds, "resample_seconds": 1.0, "stack": 1 if alone else 20})
    store.write("999999-again", rows, [], [], [], {})
    (dataset,) = analyse(Store(tmp_path)).datasets
    assert _standing(dataset, "good").cost_ratio == pytest.approx(5 / 3)
    assert _standing(dataset, "baseline").cost_ratio == 1.0
    elsewhere = [{**row, "machine": "another"} if row["technique"] == "good" else row for row in rows]
    store.write("999999-again", elsewhere, [], [], [], {})
    (dataset,) = analyse(Store(tmp_path)).datasets
    assert np.isnan(_standing(dataset, "good").cost_ratio)
    assert tables.cost(_standing(dataset, "baseline")) == "1.00x"
    assert tables.cost(_standing(dataset, "good")) == "1.00x FLOPs", "machines share no clock, but they share FLOPs"


def test_cost_prefers_the_baseline_of_the_same_run_then_a_probe_of_it_in_that_run(tmp_path: Path) -> None:
    world = replace(SMALL, effects={"baseline": 0.0, "good": 0.1}, datasets=("generator",), same_training=())
    store = write(tmp_path, world)
    runs = store.runs().to_dict("records")

    def ratio(run: str, machine: str = "a processor") -> float:
        rows = []
        for row in runs:
            good = row["technique"] == "good"
            place = {"run": run, "machine": machine} if good else {"run": "first"}
            rows.append({**row, "cpu_seconds": 6.0 if good else 2.0, "resample_seconds": 0.0, **place})
        store.write("999999-again", rows, [], [], [], {})
        (dataset,) = analyse(Store(tmp_path)).datasets
        return _standing(dataset, "good").cost_ratio

    assert ratio("first") == ratio("second") == pytest.approx(3.0)
    steps = runs[0]["steps"]
    probe = {"training": world.training("generator", "baseline"), "run": "second", "stack": 20, "steps": steps // 10}
    store.write_probes("000000-a", [probe | {"machine": "a processor", "cpu_seconds": 0.3}])
    store.write_probes("000000-b", [probe | {"machine": "a processor", "cpu_seconds": 0.5}])
    store.write_probes("000000-c", [probe | {"machine": "another", "cpu_seconds": 1.2}])
    assert ratio("first") == pytest.approx(3.0), "its own trials count where they are of the same run"
    assert ratio("second") == pytest.approx(6 / (10 * 0.4)), "the machine was busier then"
    assert ratio("second", "another") == pytest.approx(6 / 12), "a probe makes machines comparable"
    assert np.isnan(ratio("third", "another"))


def test_where_the_numbers_were_made_is_told_once_per_difference(tmp_path: Path) -> None:
    store = write(tmp_path, replace(SMALL, datasets=("generator",), same_training=()))
    made = {"good": ('{"torch": "2.15.0"}', "b" * 40, True), "none": ("{}", "", False)}
    rows = []
    for row in store.runs().to_dict("records"):
        versions, commit, dirty = made.get(row["technique"], ('{"torch": "2.14.0", "numpy": "2.3.0"}', "a" * 40, False))
        rows.append({**row, "versions": versions, "commit": commit, "dirty": dirty})
    store.write("999999-again", rows, [], [], [], {})
    (dataset,) = analyse(Store(tmp_path)).datasets
    assert dataset.versions == ("numpy 2.3.0", "torch 2.14.0", "torch 2.15.0")
    assert dataset.sources == ("a" * 12, "b" * 12 + " (changed)")
    assert words.protocol(dataset).endswith(f"Made with {', '.join(dataset.versions)}; {', '.join(dataset.sources)}.")


# ---- partial and empty results


def test_below_full_coverage_there_is_no_verdict_but_the_reason(tmp_path: Path) -> None:
    statuses = {("generator", "good", 0, 0): "missing", ("generator", "none", 1, 1): "diverged"}
    store = write(tmp_path, replace(SMALL, statuses=statuses))
    dataset = _dataset(analyse(store), "generator")
    good = _standing(dataset, "good")
    assert (good.word, good.rank, good.done, good.planned) == ("incomplete", None, 11, 12)
    assert good.difference is not None
    assert good.difference.estimate > 0.05
    text = _text(analyse(store))
    assert "good: 11 of 12 trials scored; 1 missing" in text
    assert "none: 11 of 12 trials scored; 1 diverged (1 x it was made to be diverged)" in text
    assert dataset.family == 1, "what is incomplete or identical is not tested"


def test_a_plan_without_any_trial_still_gives_a_report(tmp_path: Path) -> None:
    store = Store(tmp_path / "results")
    store.writable()
    store.write_plan(SMALL.plan())
    page = write_report(store.path, tmp_path / "report").page
    assert "No verdict yet" in page.read_text(encoding="utf-8")
    assert all(one.word in ("incomplete", "not applicable", "baseline") for one in analyse(store).datasets[0].standings)


def test_a_plan_filtered_to_one_cell_needs_no_baseline(tmp_path: Path) -> None:
    store = write(tmp_path / "results", replace(SMALL, datasets=("generator",)))
    plan = SMALL.plan()
    plan["cells"] = [cell for cell in plan["cells"] if (cell["dataset"], cell["technique"]) == ("generator", "good")]
    store.write_plan(plan)
    (dataset,) = analyse(store).datasets
    (good,) = dataset.standings
    assert (good.word, good.rank) == ("not compared", 1)
    assert write_report(store.path, tmp_path / "report").page.exists()


def test_one_repeat_gives_scores_without_intervals(tmp_path: Path) -> None:
    store = write(tmp_path / "results", replace(SMALL, repeats=1, folds=1, datasets=("folds", "fixed-test")))
    for dataset in analyse(store).datasets:
        good = _standing(dataset, "good")
        assert good.difference is not None
        assert np.isnan(good.difference.low95)
        assert (good.word, good.rank, good.place_low) == ("not compared", None, None)
    assert "(no interval)" in write_report(store.path, tmp_path / "report").page.read_text(encoding="utf-8")


def test_a_fixed_test_set_gives_no_verdict_and_no_rank_below_five_repeats(tmp_path: Path) -> None:
    for repeats in (4, 5):
        store = write(tmp_path / str(repeats), replace(SMALL, repeats=repeats, datasets=("fixed-test", "generator")))
        fixed, generator = analyse(store).datasets
        few = repeats < 5
        assert (_standing(fixed, "good").word == "not compared") == few
        assert {one.rank is None and one.place_low is None for one in fixed.standings} == {few}
        assert _standing(fixed, "rule").word == "identical", "what is identical needs no test"
        assert _standing(generator, "good").word != "not compared"
        assert _standing(generator, "good").rank == 1


def test_a_report_on_too_few_repeats_says_so_and_not_that_trials_are_missing(tmp_path: Path) -> None:
    store = write(tmp_path / "results", replace(SMALL, repeats=2, datasets=("fixed-test",)))
    write_report(store.path, tmp_path / "report")
    text = (tmp_path / "report" / "README.md").read_text(encoding="utf-8")
    assert "No verdict: on a fixed test set at least 5 repeats are needed, and 2 were planned." in text
    assert "Not compared: good, " in text
    assert "Identical to it, trial by trial: rule." in text
    assert "no difference was tested" in text
    assert "complete" not in text
    for name in ("differences", "gap-score", "cost-score"):
        drawn = (tmp_path / "report" / f"{name}-fixed-test.svg").read_text(encoding="utf-8")
        assert "incomplete" not in drawn
        assert ">not compared</text>" in drawn


def test_the_finding_names_what_stands_against_a_verdict(tmp_path: Path) -> None:
    world = replace(SMALL, datasets=("generator",), same_training=(), not_applicable=())
    for statuses, sentence in (
        ({("generator", "baseline", 0, 0): "failed"}, "No verdict yet: the baseline is not complete"),
        (
            {("generator", name, 0, 0): "failed" for name in EFFECTS if name != "baseline"},
            "No verdict yet: no technique",
        ),
    ):
        store = write(tmp_path / sentence[-9:], replace(world, statuses=statuses))
        assert words.summary(analyse(store).datasets[0])[0].startswith(sentence)
    alone = write(tmp_path / "alone", replace(world, effects={"baseline": 0.0}))
    assert words.summary(analyse(alone).datasets[0])[0].startswith("No verdict: no technique beside the baseline")
    same = replace(world, effects={"baseline": 0.0, "rule": 0.0}, same_training=("rule",))
    (dataset,) = analyse(write(tmp_path / "same", same)).datasets
    assert words.summary(dataset)[0].startswith("Nothing was shown to be better")


def test_a_ranking_metric_on_a_fixed_test_set_has_no_interval(tmp_path: Path) -> None:
    store = write(tmp_path, replace(SMALL, datasets=("fixed-test",), same_training=()))
    plan = store.read_plan()
    plan["datasets"][0]["metric"] = "roc_auc"
    store.write_plan(plan)
    scores = store.scores()
    rng = np.random.default_rng(0)
    rows = [{**row, "roc_auc": rng.uniform(0.6, 0.9)} for row in scores.to_dict("records")]
    store.write_scores("999999-again", rows, [])
    (dataset,) = analyse(Store(tmp_path)).datasets
    good = _standing(dataset, "good")
    assert good.difference is not None
    assert np.isfinite(good.difference.estimate)
    assert np.isnan(good.difference.low95)
    assert (good.word, good.rank, dataset.family) == ("not compared", None, 0)
    assert words.summary(dataset)[0] == ("No verdict: these repeats and rows give differences in ROC AUC no interval.")


# ---- what is written


class _Page(HTMLParser):
    """Notes links, ids and anything that a page would fetch."""

    def __init__(self) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.fetched: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            if name == "id":
                self.ids.append(value or "")
            if tag == "a" and name == "href":
                self.links.append(value or "")
            if name == "src" or (tag == "link" and name == "href"):
                self.fetched.append(value or "")


def test_the_page_stands_alone_and_its_links_lead_somewhere(report: Path) -> None:
    text = (report / "index.html").read_text(encoding="utf-8")
    page = _Page()
    page.feed(text)
    assert page.fetched == ["data:,"], "nothing but an empty icon, so that no browser asks a server for one"
    assert "@import" not in text
    assert len(page.ids) == len(set(page.ids))
    for link in page.links:
        assert link.removeprefix("#") in page.ids if link.startswith("#") else (report / link).exists(), link
    assert page.tags.count("svg") == page.tags.count("desc") == len(list(report.glob("*.svg")))
    assert "prefers-color-scheme: dark" in text
    assert len(text) < 3_000_000
    assert "$" not in re.sub(r"<script>.*</script>", "", text, flags=re.DOTALL), "a placeholder was left unfilled"


def test_text_of_a_suite_cannot_break_the_page(tmp_path: Path) -> None:
    store = write(tmp_path / "results", replace(SMALL, datasets=("generator",)))
    plan = store.read_plan()
    plan["question"] = "<script>alert('$x')</script>"
    store.write_plan(plan)
    text = write_report(store.path, tmp_path / "report").page.read_text(encoding="utf-8")
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert" in text


def test_the_readme_shows_every_dataset_and_every_figure(report: Path) -> None:
    text = (report / "README.md").read_text(encoding="utf-8")
    for label in SMALL.datasets:
        assert f"## {label}: " in text
    for target in re.findall(r"\]\(([^)]+)\)", text):
        assert (report / target).exists(), target
    widths = [
        {line.count(" | ") for line in block.splitlines()} for block in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE)
    ]
    assert len(widths) == 3 + len(SMALL.datasets)
    assert all(len(width) == 1 for width in widths)


def test_the_ranking_csv_is_the_analysis_and_trials_can_be_traced(
    small: Store, analysis: Analysis, report: Path
) -> None:
    dataset = _dataset(analysis, "fixed-test")
    with (report / "fixed-test-ranking.csv").open(encoding="utf-8") as file:
        rows = {row["technique"]: row for row in csv.DictReader(file)}
    good = _standing(dataset, "good")
    assert list(rows) == [one.technique for one in dataset.standings]
    assert float(rows["good"]["score"]) == pytest.approx(good.score, rel=1e-5)
    assert float(rows["good"]["macro_f1"]) == pytest.approx(good.score, rel=1e-5)
    assert rows["good"]["verdict"] == "better"
    assert rows["good"]["training"] == SMALL.training("fixed-test", "good")
    assert rows["baseline"]["difference"] == ""
    with (report / "fixed-test-trials.csv").open(encoding="utf-8") as file:
        trials = list(csv.DictReader(file))
    assert len(trials) == len(EFFECTS) * len(SMALL.places)
    assert {row["key"] for row in trials} <= set(small.statuses())


@pytest.mark.parametrize("label", ["generator", "fixed-test", "folds"])
def test_the_page_shows_the_scores_of_every_class(report: Path, analysis: Analysis, label: str) -> None:
    dataset = _dataset(analysis, label)
    rows = tables.class_rows(dataset)
    assert len(rows) == 1 + len(dataset.scored) * 4
    with (report / f"{label}-classes.csv").open(encoding="utf-8") as file:
        for held, shown in zip(csv.DictReader(file), rows[1:], strict=True):
            assert [held["technique"], held["class"]] == shown[:2]
            for name, text in zip(("precision", "recall", "f1"), shown[3:6], strict=True):
                assert float(text) == pytest.approx(float(held[name]), abs=5.1e-4)
    page = (report / "index.html").read_text(encoding="utf-8")
    assert page.count("Precision, recall and F1 of each class") == 3, "a regression has no classes"
    assert "".join(f"<td class='number'>{text}</td>" for text in rows[1][2:6]) in page


def test_the_terminal_shows_names_as_they_are_and_ranks_in_order(analysis: Analysis) -> None:
    text = _text(analysis)
    assert "bad [loss.gamma=2.0]" in text
    assert "not applicable (it must not): none" in text
    for dataset in analysis.datasets:
        ranks = [one.rank for one in dataset.standings if one.rank is not None]
        assert ranks == sorted(ranks)


def test_a_report_folder_that_cannot_be_written_is_a_usage_error(small: Store, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UsageError, match=r"cannot be written .*--report"):
        write_report(small.path, tmp_path / "file" / "suite")


def test_results_that_cannot_be_read_leave_no_report_folder(small: Store, tmp_path: Path) -> None:
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "plan.json").write_text("{")
    with pytest.raises(UsageError):
        write_report(tmp_path / "results", tmp_path / "report" / "suite")
    assert not (tmp_path / "report").exists()


def test_the_page_of_two_thousand_trials_is_at_most_3_mb(tmp_path: Path) -> None:
    store = write(tmp_path / "results", wide())
    assert sum(len(cell["keys"]) for cell in store.read_plan()["cells"]) > 1700
    page = write_report(store.path, tmp_path / "report").page
    assert page.stat().st_size < 3_000_000


def test_two_reports_of_one_store_are_the_same_bytes_and_need_no_torch(
    small: Store, report: Path, tmp_path: Path
) -> None:
    code = (
        "import sys, pathlib; from bench.reporting.page import write_report;"
        "write_report(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])); sys.exit('torch' in sys.modules)"
    )
    command = [sys.executable, "-W", "error", "-c", code, str(small.path), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    first, second = ({path.name: path.read_bytes() for path in folder.iterdir()} for folder in (report, tmp_path))
    assert first == second


def test_results_whose_plan_lacks_what_was_added_later_are_still_reported(small: Store, tmp_path: Path) -> None:
    shutil.copytree(small.path, tmp_path / "older")
    path = tmp_path / "older" / "plan.json"
    plan = json.loads(path.read_text(encoding="utf-8"))
    for facts in plan["datasets"]:
        for name in ("offers", "absent", "origin"):
            del facts[name]
    path.write_text(json.dumps(plan), encoding="utf-8")
    older = analyse(Store(tmp_path / "older"))
    assert [one.label for one in older.datasets] == [one.label for one in analyse(small).datasets]


def test_absent_data_are_one_line_in_place_of_a_table_of_dashes(tmp_path: Path) -> None:
    store = write(tmp_path / "results", World(EFFECTS, datasets=("fixed-test",)))
    path = store.path / "plan.json"
    plan = json.loads(path.read_text(encoding="utf-8"))
    away = {**plan["datasets"][0], "label": "away", "absent": "away is not on this machine; import it"}
    plan["datasets"].append(away)
    plan["cells"] += [{**cell, "dataset": "away", "keys": ["0" * 32] * len(cell["keys"])} for cell in plan["cells"]]
    path.write_text(json.dumps(plan), encoding="utf-8")
    report = write_report(store.path, tmp_path / "report").page.parent
    readme = (report / "README.md").read_text(encoding="utf-8")
    assert "Nothing was trained: the data were not on the machine." in readme
    (line,) = (line for line in readme.splitlines() if line.startswith("- away is not on this machine; import it; "))
    assert set(line.partition("missing: ")[2].split(", ")) == set(EFFECTS)
    assert "no data" in readme
    page = (report / "index.html").read_text(encoding="utf-8")
    assert "Ranking on fixed-test" in page
    assert "Ranking on away" not in page
