"""A report that leads with the gap: numbers by routes of their own, order, figures, single splits, size."""

import csv
import io
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from rich.console import Console
from scipy import stats

from bench.paths import value_at
from bench.reporting import Analysis, analyse, gapwords, page, single, tables, terminal_ranking
from bench.reporting.closing import closing
from bench.reporting.figures import GAP, draw
from bench.reporting.gapcurves import gap_curves_figure
from bench.reporting.grids import Grid, grids_of, short_names
from bench.reporting.page import write_report
from bench.reporting.sensitivity import lines_of, places_of
from bench.reporting.standing import DatasetAnalysis, Standing
from bench.reporting.stopped import stops_of
from bench.reporting.summaries import from_json
from bench.store import Store
from tests.synthetic import World, overfit, write
from tests.test_figures import assert_texts_do_not_overlap, assert_texts_fit

EFFECTS = {
    "baseline": 0.0,
    "good": 0.12,
    "lazy": 0.0,
    "bad": -0.12,
    "early-stopping": 0.05,
    "good [strength.good=2.0]": 0.1,
}
SMALL = World(
    EFFECTS,
    repeats=8,
    noise=0.004,
    focus="gap",
    trained={"baseline": 0.0, "good": 0.0, "lazy": -0.2, "bad": -0.3, "early-stopping": 0.0},
    stops={"early-stopping": 0.5},
    marked=("baseline", "good"),
    strengths={"good": 1.0},
)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return write(tmp_path_factory.mktemp("gap"), SMALL)


@pytest.fixture(scope="module")
def analysis(store: Store) -> Analysis:
    return analyse(store)


@pytest.fixture(scope="module")
def report(store: Store, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_report(store.path, tmp_path_factory.mktemp("report")).page.parent


def _dataset(analysis: Analysis, label: str) -> DatasetAnalysis:
    return next(one for one in analysis.datasets if one.label == label)


def _standing(dataset: DatasetAnalysis, technique: str) -> Standing:
    return next(one for one in dataset.standings if one.technique == technique)


def _cells(store: Store, label: str, technique: str, part: str) -> np.ndarray:
    """Return stored scores [R, m] by a route of its own."""
    scores = store.scores()
    chosen = scores[scores["part"] == part].set_index(["key", "rule"])[SMALL.facts(label)["metric"]]
    rule = SMALL.rule(label, technique)
    flat = [chosen[SMALL.key(label, technique, *place), rule] for place in SMALL.places]
    return np.array(flat).reshape(SMALL.repeats, SMALL.folds)


def _csv(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


# ---- numbers


@pytest.mark.parametrize("label", SMALL.datasets)
def test_gap_and_training_score_are_compared_in_pairs_as_the_test_score_is(
    store: Store, analysis: Analysis, label: str
) -> None:
    dataset = _dataset(analysis, label)
    sign = -1 if label == "errors" else 1
    cells = {(name, part): _cells(store, label, name, part) for name in EFFECTS for part in ("train", "test")}
    for name in ("good", "lazy", "bad"):
        one = _standing(dataset, name)
        train = cells[name, "train"] - cells["baseline", "train"]
        test = cells[name, "test"] - cells["baseline", "test"]
        assert one.train_difference is not None
        assert one.gap_difference is not None
        assert one.train_difference.estimate == pytest.approx(train.mean())
        assert one.gap_difference.estimate == pytest.approx(sign * (train - test).mean())
        if label in ("generator", "errors", "fixed-test"):  # the rows trained on are held fixed
            low, high = stats.ttest_1samp(train.mean(axis=1), 0.0).confidence_interval(0.95)
            assert (one.train_difference.low95, one.train_difference.high95) == pytest.approx((low, high))
        else:
            error = train.std(ddof=1) * np.sqrt(1 / train.size + 500 / 1600)
            assert one.train_difference.standard_error == pytest.approx(error)


@pytest.mark.parametrize("label", SMALL.datasets)
def test_planted_ways_of_closing_the_gap_are_told_apart_for_scores_and_errors(analysis: Analysis, label: str) -> None:
    dataset = _dataset(analysis, label)
    assert closing(_standing(dataset, "good")) == "test"
    assert closing(_standing(dataset, "lazy")) in ("train", "train only")
    assert closing(_standing(dataset, "bad")) == "both worse"
    assert _standing(dataset, "baseline").gap == pytest.approx(
        abs(_standing(dataset, "baseline").train - _standing(dataset, "baseline").score)
    )


def test_a_gap_below_full_coverage_or_without_training_scores_has_no_word(tmp_path: Path) -> None:
    world = replace(SMALL, datasets=("generator",), statuses={("generator", "good", 0, 0): "missing"})
    store = write(tmp_path, world)
    (dataset,) = analyse(store).datasets
    assert closing(_standing(dataset, "good")) == ""
    assert closing(_standing(dataset, "lazy")) != ""
    rows = store.scores()
    lost = rows[(rows["part"] == "train") & (rows["key"] == world.key("generator", "lazy", 1, 0))]
    store.write_scores("999999-again", [{**row, "macro_f1": None} for row in lost.to_dict("records")], [])
    (dataset,) = analyse(Store(tmp_path)).datasets
    lazy = _standing(dataset, "lazy")
    assert (closing(lazy), lazy.complete) == ("", True)


# ---- single splits


@pytest.mark.parametrize(("label", "effect"), [("generator", 0.012), ("errors", 0.03)])
def test_single_splits_are_counted_against_the_verdict(tmp_path: Path, label: str, effect: float) -> None:
    effects = {"baseline": 0.0, "good": effect, "bad": -effect}
    world = replace(SMALL, effects=effects, datasets=(label,), noise=0.05, repeats=30, folds=1, strengths={})
    store = write(tmp_path, world)
    (dataset,) = analyse(store).datasets
    scores = store.scores()
    held = scores[scores["part"] == "test"].set_index(["key", "rule"])[world.facts(label)["metric"]]
    cells = {
        name: np.array([held[world.key(label, name, *place), world.rule(label, name)] for place in world.places])
        for name in effects
    }
    found = single.misled(dataset)
    sure = {one.technique for one in dataset.standings if one.word in ("better", "worse")}
    assert {each.one.technique for each in found} == sure != set()
    for each in found:
        differences = cells[each.one.technique] - cells["baseline"]
        helps, harms = differences > 0, differences < 0
        wrong = harms if (each.one.word == "better") == (label != "errors") else helps
        assert (each.splits, each.opposite) == (30, wrong.sum())
        assert (each.low, each.high) == pytest.approx((differences.min(), differences.max()))
    against = sum(each.opposite for each in found)
    assert against > 0
    text = single.sentence(dataset)
    assert f"in {against} of {30 * len(found)} cases" in text
    assert f"most often for {found[0].one.technique} ({found[0].opposite} of 30)" in text


def test_the_spread_of_the_baseline_is_over_repeats_and_folds(store: Store, analysis: Analysis, report: Path) -> None:
    rows = {(row["dataset"], row["rows"]): row for row in _csv(report / "baseline-spread.csv")}
    for label in SMALL.datasets:
        for part in ("test", "validation"):
            cells, row = _cells(store, label, "baseline", part), rows[label, part]
            assert int(row["splits"]) == cells.size
            expected = [cells.mean(), cells.std(ddof=1), cells.min(), cells.max()]
            names = ("mean", "standard_deviation", "lowest", "highest")
            assert [float(row[name]) for name in names] == pytest.approx(expected, rel=1e-4)
    for row in _csv(report / "single-splits.csv"):
        assert _standing(_dataset(analysis, row["dataset"]), row["technique"]).word == row["verdict"]


# ---- grids


def _facts(label: str, parts: list[str], setting: dict[str, Any]) -> dict[str, Any]:
    return {"label": label, "parts": parts, "setting": setting}


def test_grids_are_techniques_that_differ_in_one_number_alone() -> None:
    techniques = [
        _facts("a", ["a"], {}),
        _facts("a [x=2]", ["a"], {"x": 2}),
        _facts("a [x=1.0]", ["a"], {"x": 1.0}),
        _facts("a [x=1, y=3]", ["a"], {"x": 1, "y": 3}),
        _facts("a [x=2, y=3]", ["a"], {"x": 2, "y": 3}),
        _facts("a [mode=sum]", ["a"], {"mode": "sum"}),
        _facts("a [flag=True]", ["a"], {"flag": True}),
        _facts("a + b [x=5]", ["a", "b"], {"x": 5}),
    ]
    recipes = {"a": {"x": 0.5}, "a + b": {"x": 0.5}}
    found = grids_of(techniques, recipes.get)
    assert found[0] == Grid("a", "x", ((0.5, "a"), (1.0, "a [x=1.0]"), (2.0, "a [x=2]")), "a")
    assert found[1] == Grid("a [y=3]", "x", ((1.0, "a [x=1, y=3]"), (2.0, "a [x=2, y=3]")))
    assert [(one.name, one.path) for one in found] == [("a", "x"), ("a [y=3]", "x")], "'y' has one value each"
    assert grids_of(techniques[:2], lambda _: None) == ()
    assert short_names(found) == {
        "a [x=1.0]": "a 1", "a [x=2]": "a 2", "a [x=1, y=3]": "a [y=3] 1", "a [x=2, y=3]": "a [y=3] 2",
    }  # fmt: skip


def test_a_default_that_is_a_point_of_the_grid_counts_once() -> None:
    techniques = [_facts("a", ["a"], {}), *(_facts(f"a [x={x}]", ["a"], {"x": x}) for x in (1, 2))]
    (found,) = grids_of(techniques, lambda _: {"x": 2.0})
    assert found.points == ((1.0, "a [x=1]"), (2.0, "a [x=2]"))


def test_a_plan_that_describes_no_settings_has_no_grids(tmp_path: Path) -> None:
    store = write(tmp_path, replace(SMALL, datasets=("generator",), repeats=2))
    plan = store.read_plan()
    plan["techniques"] = [{"label": one["label"], "family": ""} for one in plan["techniques"]]
    store.write_plan(plan)
    assert [one.grids for one in analyse(store).datasets] == [()]


def test_numbers_are_found_in_a_recipe_by_slot_kind_and_field() -> None:
    recipe = {"network": {"kind": "mlp", "dropout": 0.5}, "penalties": [{"kind": "l1"}, {"kind": "l2", "strength": 3}]}
    assert value_at(recipe, "network.dropout") == 0.5
    assert value_at(recipe, "penalties.l2.strength") == 3.0
    for path in ("penalties.l1.strength", "network", "network.kind", "none.at.all", "network.dropout.more"):
        assert np.isnan(value_at(recipe, path))
    assert np.isnan(value_at(None, "network.dropout"))


def test_strengths_stand_where_neighbours_can_be_told_apart() -> None:
    for strengths in ([0.0, 0.1, 5.0], [0.2, 0.5, 0.8], [1.0, 2.0, 10.0]):
        assert places_of(np.array(strengths)).tolist() == strengths
    assert np.diff(places_of(np.array([1e-4, 1e-3, 1e-2]))) == pytest.approx([1, 1])
    assert np.diff(places_of(np.array([0.9, 0.99, 0.999]))) == pytest.approx([1, 1])


def test_sensitivity_shows_the_baseline_plus_paired_differences(analysis: Analysis) -> None:
    for dataset in analysis.datasets:
        (line,) = lines_of(dataset)
        assert line.strengths.tolist() == [1.0, 2.0]
        assert line.grid.default == "good"
        base = dataset.baseline
        assert base is not None
        for at, one in enumerate(line.standings):
            assert line.test[0, at] == pytest.approx(one.score)
            assert line.train[0, at] == pytest.approx(one.train)
            assert one.difference is not None
            assert line.test[1, at] == pytest.approx(base.score + one.difference.low95)


# ---- stopping and curves


def test_stops_are_fractions_of_the_most_steps_taken(store: Store, analysis: Analysis) -> None:
    runs = store.runs()
    for dataset in analysis.datasets:
        (one,) = stops_of(dataset)
        own = runs[(runs["dataset"] == dataset.label) & (runs["technique"] == "early-stopping")]
        assert one.technique == "early-stopping"
        assert sorted(one.fractions) == pytest.approx(sorted(own["stop_step"] / 300))
        assert one.at_end == (own["stop_step"] == 300).sum()


def test_test_curves_are_there_for_the_marked_and_called_recorded_only(analysis: Analysis) -> None:
    drawing = gap_curves_figure(analysis.datasets, always=True)
    rows = [dict(zip(drawing.headings, row, strict=True)) for row in drawing.rows if row[0] == "generator"]
    assert {row["technique"] for row in rows if row["part"] == "test"} == {"baseline", "good"}
    assert {row["technique"] for row in rows} == {"baseline", "good", "early-stopping"}
    for row in rows:
        assert np.isfinite(row["score"]) == (row["part"] == "test")
    last = {row["part"]: row["loss"] for row in rows if (row["technique"], row["step"]) == ("baseline", 300)}
    assert last["test"] == pytest.approx(last["validation"] + 0.03)
    assert all("test rows (recorded only)" in panel.svg for panel in drawing.panels)


def test_test_curves_choose_nothing(analysis: Analysis, tmp_path: Path) -> None:
    held = analysis
    bare = write(tmp_path / "bare", replace(SMALL, marked=(), datasets=SMALL.datasets[:2]))
    found = analyse(bare)
    for one, other in zip(held.datasets, found.datasets, strict=False):
        assert [each.score for each in one.standings] == [each.score for each in other.standings]
        assert [each.word for each in one.standings] == [each.word for each in other.standings]
    assert gap_curves_figure(found.datasets, always=False).panels == ()
    drawing = gap_curves_figure(found.datasets, always=True)
    assert drawing.panels
    assert all("test rows (recorded only)" not in panel.svg for panel in drawing.panels)


# ---- the page


def test_the_gap_comes_first_where_the_suite_asks_for_it(report: Path, tmp_path: Path) -> None:
    text = (report / "index.html").read_text(encoding="utf-8")
    sections = re.findall(r"<section id='([^']+)'", text)
    assert sections[: 2 + len(GAP)] == ["answers", "all-gaps", *GAP]
    assert sections[2 + len(GAP)] == "all-verdicts"
    for label in SMALL.datasets:
        assert text.index(f"The gap on {label}") < text.index(f"Ranking on {label}")
    readme = (report / "README.md").read_text(encoding="utf-8")
    assert readme.index("## Answers") < readme.index("gap-score.csv") < readme.index("## Verdicts")
    assert "Raised macro F1 on test rows and closed the gap: good (" in text
    assert "Lowered RMSE on test rows and closed the gap: good (" in readme
    other = write(tmp_path / "score", replace(SMALL, focus="score", datasets=("folds",)))
    text = write_report(other.path, tmp_path / "report").page.read_text(encoding="utf-8")
    sections = re.findall(r"<section id='([^']+)'", text)
    assert sections[:2] == ["answers", "all-verdicts"]
    assert "single-splits" in sections
    assert text.index("Ranking on folds") < text.index("The gap on folds")


def test_terminal_and_summary_tell_the_gap_first(report: Path, analysis: Analysis) -> None:
    out = io.StringIO()
    Console(file=out, width=400).print(terminal_ranking(analysis))
    text = out.getvalue()
    summary = from_json((report / "summary.json").read_text(encoding="utf-8"))
    for dataset, outcome in zip(analysis.datasets, summary.outcomes, strict=True):
        told = gapwords.answers(dataset)
        assert outcome.finding == told[0]
        start, end = text.index(f"{dataset.label}: the gap between"), text.index(tables.title(dataset))
        lines = text[start:end].splitlines()[1:]
        assert [line.strip() for line in lines] == [f"- {sentence}" for sentence in told]
    plain = replace(analysis, plan={**analysis.plan, "focus": "score"})
    out = io.StringIO()
    Console(file=out, width=400).print(terminal_ranking(plain))
    assert "closed the gap" not in out.getvalue()


def test_the_csv_of_the_gap_is_the_analysis(report: Path, analysis: Analysis) -> None:
    for dataset in analysis.datasets:
        rows = {row["technique"]: row for row in _csv(report / f"{dataset.label}-gaps.csv")}
        assert set(rows) == set(EFFECTS)
        for one in dataset.standings:
            row = rows[one.technique]
            assert (row["closing"], row["test_verdict"]) == (closing(one), "" if one.is_baseline else one.word)
            assert float(row["gap"]) == pytest.approx(one.gap, rel=1e-5)
            if one.train_difference is not None:
                assert float(row["train_change"]) == pytest.approx(one.train_difference.estimate, rel=1e-5, abs=1e-9)


def test_a_page_that_would_be_too_large_leaves_its_long_tables_to_the_files(
    store: Store, report: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page, "LARGEST", 10_000)
    small = write_report(store.path, tmp_path).page
    text, full = small.read_text(encoding="utf-8"), (report / "index.html").read_text(encoding="utf-8")
    assert "Numbers of this figure: <a href='sensitivity.csv'>" in text
    assert "Numbers of this figure: <a" not in full
    assert "Ranking on folds" in text
    assert len(text) < len(full)
    for target in re.findall(r"href='([^'#]+)'", text):
        assert (tmp_path / target).exists(), target


def test_forty_five_techniques_stay_legible_and_eight_datasets_below_3_mb(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[Figure] = []
    save = Figure.savefig

    def keep(figure: Figure, *args: Any, **kwargs: Any) -> None:
        save(figure, *args, **kwargs)
        drawn.append(figure)

    monkeypatch.setattr(Figure, "savefig", keep)
    monkeypatch.setattr(page, "LARGEST", 0)  # what a page of eight datasets falls back to
    store = write(tmp_path / "results", overfit(repeats=4, datasets=2))
    written = write_report(store.path, tmp_path / "report")
    assert 8 / 2 * written.page.stat().st_size < 2_500_000
    assert_texts_do_not_overlap(drawn)
    assert_texts_fit(drawn)
    (grids,) = (one for one in draw(written.analysis) if one.name == "sensitivity")
    for panel in grids.panels:
        assert len({row[1] for row in grids.rows if row[0] == panel.label}) >= 7
        assert all(row[1] in panel.svg for row in grids.rows if row[0] == panel.label)
