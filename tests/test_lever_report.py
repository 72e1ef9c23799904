"""A report that leads with tuning levers: words against verdicts, numbers by routes of their own, the chart."""

import csv
import io
import math
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from matplotlib.figure import Figure
from playwright.sync_api import Browser
from rich.console import Console
from scipy import stats

import bench
from bench.reporting import Analysis, analyse, leverchart, leverwords, terminal_ranking
from bench.reporting.drawing import Drawing
from bench.reporting.focus import FOCI
from bench.reporting.leverchart import HEADINGS, lever_chart
from bench.reporting.leverpage import COLUMNS, lever_section
from bench.reporting.levers import Cost, Lever, Setting, levers_of
from bench.reporting.page import write_report
from bench.reporting.standing import DatasetAnalysis
from bench.reporting.tables import signed
from bench.store import Store
from bench.suite import Focus
from tests.browser import DESKTOP, PHONE, chromium, opened
from tests.synthetic import World, write
from tests.test_figures import assert_texts_do_not_overlap, assert_texts_fit

EFFECTS = {
    "baseline": 0.0,
    "width [network.scale=4.0]": 0.03,
    "width [network.scale=0.25]": -0.03,
    "width [network.scale=0.5]": 0.0,
    "initialisation [initial.method=zero]": -0.5,
    "initialisation [initial.method=he]": 0.0,
    "epochs [steps_factor=0.5]": -0.04,
    "batch-size [batch_factor=0.5]": 0.0,
    "batch-size [batch_factor=2.0]": 0.0,
    "augmentation": 0.06,
    "l2 [penalties.l2.strength=0.001]": 0.0,
    "l2 [penalties.l2.strength=0.01]": 0.01,
}
WORLD = World(EFFECTS, datasets=("generator", "fixed-test", "errors"), repeats=8, folds=1, noise=0.002, focus="levers",
              not_applicable=(("errors", "augmentation"),))  # fmt: skip
RECIPE = {"network": {"kind": "mlp", "width": 64}, "batch_size": 64}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    store = write(tmp_path_factory.mktemp("levers"), WORLD)
    for label in WORLD.datasets:
        store.remember(WORLD.training(label, "baseline"), {"recipe": RECIPE}, label, "baseline")
    return store


@pytest.fixture(scope="module")
def analysis(store: Store) -> Analysis:
    return analyse(store)


@pytest.fixture(scope="module")
def drawn(analysis: Analysis) -> tuple[Drawing, list[Figure]]:
    figures: list[Figure] = []
    save = Figure.savefig

    def keep(figure: Figure, *args: object, **kwargs: object) -> None:
        save(figure, *args, **kwargs)  # type: ignore[arg-type]
        figures.append(figure)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Figure, "savefig", keep)
        return lever_chart(analysis), figures


@pytest.fixture(scope="module")
def report(store: Store, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_report(store.path, tmp_path_factory.mktemp("report")).page.parent


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


def _dataset(analysis: Analysis, label: str) -> DatasetAnalysis:
    return next(one for one in analysis.datasets if one.label == label)


def _levers(analysis: Analysis, label: str) -> dict[str, Lever]:
    return {one.name: one for one in levers_of(analysis.plan, _dataset(analysis, label))}


# ---- levers


def test_every_focus_of_a_suite_has_its_place_in_the_report() -> None:
    assert set(FOCI) == set(Focus.__args__)


def test_settings_stand_under_their_lever_in_order_of_value(analysis: Analysis) -> None:
    found = _levers(analysis, "generator")
    assert list(found) == ["width", "initialisation", "epochs", "batch-size", "augmentation", "l2"]
    assert [one.value for one in found["width"].settings] == ["0.25x", "0.5x", "4x"]
    assert [one.value for one in found["initialisation"].settings] == ["zero", "he"]
    assert [one.value for one in found["augmentation"].settings] == [""]
    assert "augmentation" not in _levers(analysis, "errors")
    held = [one.standing.technique for lever in found.values() for one in lever.settings]
    assert sorted(held) == sorted(set(EFFECTS) - {"baseline"})


def test_the_baselines_own_value_is_its_recipes_or_where_the_technique_is_neutral(analysis: Analysis) -> None:
    own = {name: lever.own for name, lever in _levers(analysis, "generator").items()}
    assert own == {"width": "1x", "initialisation": "default", "epochs": "1x", "batch-size": "1x", "augmentation": "",
                   "l2": "0"}  # fmt: skip
    dataset = _dataset(analysis, "generator")
    other = replace(dataset, recipe={"network": {"scale": 0.5}})
    assert next(one for one in levers_of(analysis.plan, other) if one.name == "width").own == "0.5x"


def _lever(*words: str) -> Lever:
    settings = tuple(Setting(str(at), SimpleNamespace(word=word), Cost(1.0)) for at, word in enumerate(words))  # type: ignore[arg-type]
    return Lever("width", frozenset(), "", settings)


@pytest.mark.parametrize(("words", "expected"), [
    (("worse", "better", "undecided"), "better"), (("worse", "equivalent"), "worse"), (("worse", "undecided"), "worse"),
    (("equivalent", "identical"), "equivalent"), (("equivalent", "undecided"), "undecided"),
    (("equivalent", "incomplete"), "undecided"), (("incomplete", "not compared"), ""), (("identical",), "equivalent"),
])  # fmt: skip
def test_a_levers_word_claims_no_more_than_its_settings_do(words: tuple[str, ...], expected: str) -> None:
    assert _lever(*words).word == expected


def test_planted_levers_get_their_words(analysis: Analysis) -> None:
    for label in WORLD.datasets:
        words = {name: lever.word for name, lever in _levers(analysis, label).items()}
        assert words["width"] == "better"
        assert words["initialisation"] == words["epochs"] == "worse"
        assert words.get("augmentation", "better") == "better"
        assert words["batch-size"] in ("equivalent", "undecided")


# ---- words


def test_each_sentence_names_the_levers_whose_verdict_it_says(analysis: Analysis) -> None:
    starts = {"better": "With a setting that is better", "worse": "With a setting that is worse",
              "equivalent": "With every setting practically equivalent", "undecided": "Undecided"}  # fmt: skip
    for dataset in analysis.datasets:
        levers = levers_of(analysis.plan, dataset)
        told = leverwords.summary(dataset, levers)
        for word, start in starts.items():
            named = {lever.name for lever in levers if lever.word == word}
            lines = [line for line in told if line.startswith(start)]
            assert len(lines) == bool(named)
            for line in lines:
                assert {name for name in (one.name for one in levers) if re.search(rf"\b{name}\b", line)} == named


def test_an_outlier_leads_among_worse_ones_with_its_interval(analysis: Analysis) -> None:
    dataset = _dataset(analysis, "generator")
    line = next(one for one in leverwords.summary(dataset, levers_of(analysis.plan, dataset)) if "worse" in one)
    zero = next(one for one in dataset.standings if one.technique.endswith("zero]"))
    assert zero.difference is not None
    assert f"initialisation zero ({zero.difference.estimate:+.4f} [{zero.difference.low95:+.4f}" in line
    assert line.index("initialisation") < line.index("epochs")


def test_equal_examples_are_said_from_the_records(analysis: Analysis) -> None:
    dataset = _dataset(analysis, "generator")
    levers = levers_of(analysis.plan, dataset)
    assert "Every batch size saw as many examples as the baseline (19,200)" in " ".join(
        leverwords.summary(dataset, levers)
    )
    standings = tuple(
        replace(one, examples=2 * one.examples) if "batch_factor=2" in one.technique else one
        for one in dataset.standings
    )
    other = replace(dataset, standings=standings)
    told = " ".join(leverwords.summary(other, levers_of(analysis.plan, other)))
    assert "differ by up to 100.0 % from the baseline's" in told


def test_without_a_better_setting_that_is_said_first(tmp_path: Path) -> None:
    world = replace(WORLD, effects={"baseline": 0.0, "epochs [steps_factor=0.5]": -0.1}, datasets=("generator",))
    found = analyse(write(tmp_path, replace(world, not_applicable=())))
    (dataset,) = found.datasets
    first, second, *_ = leverwords.answers(dataset, levers_of(found.plan, dataset))
    assert first == "No setting of any lever was shown to be better than the baseline in macro F1."
    assert second.startswith("With a setting that is worse in macro F1, and none shown to be better: epochs 0.5x (")


# ---- numbers


def test_the_cost_has_students_interval_of_the_logarithm_where_trials_were_timed_apart(analysis: Analysis) -> None:
    dataset = _dataset(analysis, "generator")
    one = _levers(analysis, "generator")["epochs"].settings[0]
    trials = dataset.trials.split("technique")

    def seconds(technique: str) -> np.ndarray:
        own = trials[technique]
        return (own["cpu_seconds"] + own["resample_seconds"])[np.argsort(own["repeat"])].astype(float)

    ratio = np.log(seconds(one.standing.technique) / seconds("baseline"))
    theirs = stats.t.interval(0.95, len(ratio) - 1, 0, stats.sem(ratio))
    assert one.cost.ratio == one.standing.cost_ratio
    assert np.log([one.cost.low95, one.cost.high95]) - math.log(one.cost.ratio) == pytest.approx(np.array(theirs))


def test_trials_of_one_stack_give_the_cost_no_interval(analysis: Analysis) -> None:
    dataset = _dataset(analysis, "generator")
    columns = dict(dataset.trials.columns) | {"cpu_seconds": np.ones(len(dataset.trials))}
    together = replace(dataset, trials=replace(dataset.trials, columns=columns))
    for lever in levers_of(analysis.plan, together):
        for one in lever.settings:
            assert math.isnan(one.cost.low95)
            assert one.cost.ratio == one.standing.cost_ratio


def test_chart_table_and_csv_are_the_analysis(
    analysis: Analysis, drawn: tuple[Drawing, list[Figure]], report: Path
) -> None:
    chart, _ = drawn
    assert chart.headings == HEADINGS
    lines = list(csv.DictReader(io.StringIO((report / "levers.csv").read_text())))
    assert tuple(lines[0]) == COLUMNS
    settings = [
        (dataset.label, one) for dataset in analysis.datasets for lever in levers_of(analysis.plan, dataset)
        for one in lever.settings
    ]  # fmt: skip
    assert len(lines) == len(chart.rows) == len(settings)
    for line, row, (label, one) in zip(lines, chart.rows, settings, strict=True):
        difference = one.standing.difference
        assert difference is not None
        assert (line["dataset"], line["technique"], line["verdict"]) == (label, one.standing.technique, row[5])
        assert float(line["score_low95"]) == pytest.approx(difference.low95, rel=1e-5)
        assert row[4].startswith(signed(difference.estimate))
    assert (report / "lever-chart.csv").exists()


# ---- pictures and pages


def test_no_texts_of_the_chart_overlap_or_leave_it(drawn: tuple[Drawing, list[Figure]]) -> None:
    chart, figures = drawn
    assert [panel.label for panel in chart.panels] == list(WORLD.datasets)
    assert_texts_do_not_overlap(figures)
    assert_texts_fit(figures)


def test_the_chart_names_every_setting_and_gives_an_outlier_its_value(drawn: tuple[Drawing, list[Figure]]) -> None:
    for panel in drawn[0].panels[:2]:
        texts = re.findall(r">([^<>]+)</text>", panel.svg)
        assert {"width (baseline 1x)", "initialisation (baseline default)", "augmentation", "zero", "he"} <= set(texts)
        assert any(re.fullmatch(r"-0\.3\d\d", text) for text in texts), "zero lies far outside"


def test_levers_lead_the_page_the_readme_the_terminal_and_the_summary(report: Path, analysis: Analysis) -> None:
    page = (report / "index.html").read_text(encoding="utf-8")
    sections = re.findall(r"<section id='([^']+)'", page)
    assert sections[:4] == ["answers", "levers", "lever-chart", "all-verdicts"]
    section = lever_section(analysis)
    assert section is not None
    assert section.headings == ["lever", *WORLD.datasets]
    by_name = {row[0]: row[1:] for row in section.rows}
    assert by_name["augmentation"][2] == "not applicable"
    assert by_name["initialisation"][0].startswith("worse (zero -0.3")
    markdown = (report / "README.md").read_text(encoding="utf-8")
    assert markdown.index("## Answers") < markdown.index(f"## {leverwords.TITLE}") < markdown.index("## Verdicts")
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(terminal_ranking(analysis))
    assert "With a setting that is better" in console.export_text()


def test_a_suite_on_something_else_has_no_such_section(tmp_path: Path) -> None:
    written = write_report(write(tmp_path / "results", replace(WORLD, focus="gap")).path, tmp_path / "report")
    assert "lever-chart" not in written.page.read_text(encoding="utf-8")


@pytest.mark.parametrize("width", [PHONE, DESKTOP])
def test_the_page_opens_without_complaint_scrolls_downwards_only_and_axe_finds_nothing(
    browser: Browser, report: Path, width: int
) -> None:
    with opened(browser, report / "index.html", width) as page:
        assert page.locator("#levers table tbody tr").count() == 6
        assert page.locator("#lever-chart svg").count() == len(WORLD.datasets)
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        found = Axe().run(page)
        assert found.violations_count == 0, found.generate_report()


def test_a_gap_that_closes_with_a_worse_score_has_no_colour(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    look = leverchart._look
    monkeypatch.setattr(leverchart, "_look", lambda word: told.append(word) or look(word))
    tuning = bench.load("reference/tuning").analysis
    lever_chart(tuning)
    levers = [lever for dataset in tuning.datasets for lever in levers_of(tuning.plan, dataset)]
    settings = [one.standing for lever in levers for one in lever.settings]
    assert len(told) == 2 * len(settings)
    closed = 0
    for one, score, gap in zip(settings, told[::2], told[1::2], strict=True):
        assert score == one.word
        found = "" if one.gap_verdict is None else one.gap_verdict.word
        assert gap == ("" if one.word == "worse" else found)
        closed += one.word == "worse" and found == "better"
    assert closed > 0
