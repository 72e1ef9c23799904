"""Figures: what they show, that their texts do not overlap and can be read, and what is written of them."""

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from pyexpat import ParserCreate
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.backends.backend_svg import RendererSVG
from matplotlib.figure import Figure
from matplotlib.text import Text
from scipy import stats

from bench import statistics
from bench.reporting import Analysis, analyse
from bench.reporting.canvas import canvas
from bench.reporting.curves import curves_of
from bench.reporting.drawing import Drawing
from bench.reporting.figures import draw
from bench.reporting.layout import WIDTH, rows_of, text_width, wrap
from bench.reporting.noise import repeat_differences
from bench.reporting.page import write_report
from bench.reporting.places import SHADES, shades
from bench.reporting.plot import Plot
from bench.reporting.scatter import cost_figure, spread
from bench.reporting.trials import Trials
from bench.store import Store
from tests.synthetic import NAMES, World, write

AGAIN = "again"  # A/A under a name that a file may have
SMALL = World({"baseline": 0.0, "good": 0.12, "bad [loss.gamma=2.0]": -0.12, "none": 0.0, AGAIN: 0.0})
MANY = tuple(dict.fromkeys((*NAMES, *(f"{name}-{place}" for place, name in enumerate(NAMES[:16])))))[:39]
FIGURES = {
    "verdict-matrix", "differences", "noise", "places", "per-class-f1", "gap-score", "cost-score", "learning-curves",
}  # fmt: skip


def _write(path: Path, world: World) -> Store:
    """Write a world in which the technique AGAIN is the baseline trained once more; trainings have curves apart."""
    store = write(path, world)
    plan = store.read_plan()
    plan["techniques"] = [one for one in plan["techniques"] if one["label"] != AGAIN]
    plan["cells"] = [{**cell, "replica": int(cell["technique"] == AGAIN)} for cell in plan["cells"]]
    store.write_plan(plan)
    places = {name: place for place, name in enumerate(world.effects)}
    rows = []
    for row in store.runs().to_dict("records"):
        shift = 0.1 * places[row["technique"]] + 0.01 * row["repeat"] + 0.02 * row["fold"]
        rows.append({**row, "curve_validation": [1.1, 0.8, 0.7 + shift], "curve_train": [1.0, 0.7, 0.1]})
    store.write("999999-again", rows, [], [], [], {})
    return Store(path)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return _write(tmp_path_factory.mktemp("small"), SMALL)


@pytest.fixture(scope="module")
def analysis(store: Store) -> Analysis:
    return analyse(store)


@pytest.fixture(scope="module")
def drawings(analysis: Analysis) -> dict[str, Drawing]:
    return {one.name: one for one in draw(analysis)}


def _rows(drawing: Drawing, dataset: str) -> list[dict[str, Any]]:
    rows = [dict(zip(drawing.headings, line, strict=True)) for line in drawing.rows]
    return [row for row in rows if row["dataset"] == dataset]


# ---- texts


def _texts(figure: Figure) -> tuple[list[str], np.ndarray]:
    """Return the texts of a drawn figure and their places [texts, left bottom right top] in display units."""
    renderer = RendererSVG(figure.bbox.width, figure.bbox.height, io.StringIO())
    found = [one for one in figure.findobj(Text) if isinstance(one, Text) and one.get_visible() and one.get_text()]
    places = np.array([one.get_window_extent(renderer).extents for one in found])
    return [one.get_text() for one in found], places


def assert_texts_do_not_overlap(figures: list[Figure]) -> None:
    """Fail where two texts of a drawn figure cover each other."""
    for figure in figures:
        texts, places = _texts(figure)
        left, bottom, right, top = places.T + np.array([0.5, 0.5, -0.5, -0.5])[:, None]  # a line's height has some air
        beside = (left[:, None] < right) & (left < right[:, None])
        cover = np.triu(beside & (bottom[:, None] < top) & (bottom < top[:, None]), 1)
        assert len(texts) > 5
        assert [(texts[one], texts[other]) for one, other in np.argwhere(cover)] == []


def assert_texts_fit(figures: list[Figure]) -> None:
    """Fail where a text of a drawn figure leaves it."""
    for figure in figures:
        texts, places = _texts(figure)
        size = np.array([figure.bbox.width, figure.bbox.height])
        outside = (places[:, :2] < 0).any(axis=1) | (places[:, 2:] > size).any(axis=1)
        assert [texts[at] for at in np.flatnonzero(outside)] == []


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[list[Drawing], list[Figure]]]:
    """Give the figures of 40 techniques on four datasets, as drawings and as matplotlib drew them."""
    effects = {"baseline": 0.0} | {name: 0.14 * np.sin(1.7 * place) ** 3 for place, name in enumerate(MANY)}
    world = World({**effects, AGAIN: 0.0}, repeats=5, folds=1, not_applicable=(("errors", "smote"),))
    drawn: list[Figure] = []
    save = Figure.savefig

    def keep(figure: Figure, *args: Any, **kwargs: Any) -> None:
        save(figure, *args, **kwargs)
        drawn.append(figure)

    analysis = analyse(_write(tmp_path_factory.mktemp("many"), world))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Figure, "savefig", keep)
        yield draw(analysis), drawn


def test_no_two_texts_overlap_with_forty_techniques(crowd: tuple[list[Drawing], list[Figure]]) -> None:
    drawings, figures = crowd
    assert {one.name for one in drawings} == FIGURES
    assert len(figures) == sum(len(one.panels) for one in drawings)
    assert_texts_do_not_overlap(figures)


def test_texts_stay_inside_their_panel_and_are_large_enough_for_a_phone(
    crowd: tuple[list[Drawing], list[Figure]],
) -> None:
    assert_texts_fit(crowd[1])
    for drawing in crowd[0]:
        for panel in drawing.panels:
            (width,) = re.findall(r'viewBox="0 0 ([0-9.]+)', panel.svg)
            least = re.search(r"min-width: ([0-9]+)px", panel.svg)
            sizes = [float(size) for size in re.findall(r"font-size: ([0-9.]+)px", panel.svg)]
            shown = max(352.0, float(least[1]) if least else 0.0)  # a page of 400 pixels less its margins
            assert min(sizes) * shown / float(width) >= 8.5
            assert (least is None) or float(width) > WIDTH


def test_every_technique_is_named_in_every_panel_that_shows_it(crowd: tuple[list[Drawing], list[Figure]]) -> None:
    for drawing in crowd[0]:
        at = drawing.headings.index("technique")
        for panel in drawing.panels:
            written = re.sub(r"\W", "", "".join(re.findall(r"<text[^>]*>([^<]*)</text>", panel.svg)))
            shown = {line[at] for line in drawing.rows if panel.label in (*line, "")} - {"baseline", AGAIN}
            if drawing.name != "noise":
                assert shown
                assert all(re.sub(r"\W", "", name) in written for name in shown)


def test_a_panel_wider_than_a_phones_page_keeps_a_width_at_which_it_can_be_read() -> None:
    with canvas(50, 2 * WIDTH) as wide, canvas(50) as narrow:
        assert "min-width: 662px" in wide.finished("a", "title", "words").svg
        assert "min-width" not in narrow.finished("a", "title", "words").svg


def test_ticks_are_round_and_inside_and_whole_where_halves_mean_nothing() -> None:
    for edges, log in (((0.4, 3.6), ""), ((0.4, 40.6), ""), ((0.9, 1.3), "x"), ((0.002, 700.0), "x")):
        with canvas(50) as made:
            Plot(made.page, 0, 0, 150, 40, edges, (0, 1), log).ticks_x(whole=not log)
            values = [float(text.get_text()) for text in made.figure.texts]
        assert len(values) > 1
        assert all(edges[0] <= value <= edges[1] for value in values)
        assert values == sorted(values)
        assert log or all(value == round(value) for value in values)


@given(st.text("abc -[]=+", min_size=1, max_size=60).filter(str.strip), st.floats(30, 120))
def test_wrapped_names_keep_their_letters_and_their_room(text: str, limit: float) -> None:
    wrapped = wrap(text, limit)
    assert re.sub(r"\s", "", wrapped) == re.sub(r"\s", "", text)
    assert text_width(wrapped) <= limit + 1e-9


def test_names_break_at_spaces_before_hyphens() -> None:
    assert wrap("dropout + early-stopping", 104) == "dropout +\nearly-stopping"
    rows = rows_of(["l2", "class-weights-inverse-mean", "l2"])
    low, high, again = np.diff(rows.edges)
    assert high > low == pytest.approx(again)
    assert rows.height == rows.edges[-1]


@given(st.lists(st.tuples(st.floats(0, 400), st.floats(8, 30)), max_size=40), st.floats(100, 900))
def test_labels_never_overlap_and_stay_inside(labels: list[tuple[float, float]], room: float) -> None:
    wanted, sizes = sorted(place for place, _ in labels), np.array([size for _, size in labels])
    places = spread(wanted, sizes, room)
    assert len(places) == len(wanted)
    if places:
        fitting = sizes * min(1.0, room / sizes.sum())
        apart = (fitting[1:] + fitting[:-1]) / 2
        assert (np.diff(places) >= apart - 1e-6).all()
        assert places[0] >= fitting[0] / 2 - 1e-6
        assert places[-1] <= room - fitting[-1] / 2 + 1e-6
        inside = wanted[0] >= fitting[0] / 2 and wanted[-1] <= room - fitting[-1] / 2
        if inside and (np.diff(wanted) >= apart).all():
            assert places == pytest.approx(wanted, abs=1e-6)


# ---- what the figures show


def test_the_noise_floor_shows_each_repeats_difference_of_the_baseline_to_itself(
    store: Store, analysis: Analysis, drawings: dict[str, Drawing]
) -> None:
    scores = store.scores()
    scores = scores[scores["part"] == "test"].set_index(["key", "rule"])
    for dataset in analysis.datasets:
        assert dataset.noise is not None
        metric = SMALL.facts(dataset.label)["metric"]
        again, first = (
            np.array(
                [
                    scores.loc[(SMALL.key(dataset.label, name, *place), SMALL.rule(dataset.label, name)), metric]
                    for place in SMALL.places
                ]
            )
            for name in (AGAIN, "baseline")
        )
        expected = (again - first).reshape(SMALL.repeats, SMALL.folds).mean(axis=1)
        assert list(repeat_differences(dataset, dataset.noise).values()) == pytest.approx(expected.tolist())
        rows = _rows(drawings["noise"], dataset.label)
        assert [row["difference"] for row in rows if row["technique"] == AGAIN] == pytest.approx(expected.tolist())
        assert dataset.noise.difference is not None
        assert dataset.noise.difference.estimate == pytest.approx(expected.mean())
        assert {row["technique"] for row in rows if row["repeat"] == "all"} == {"good", "bad [loss.gamma=2.0]", "none"}


def test_places_of_the_resampled_repeats_add_up_to_their_chances_and_intervals() -> None:
    rng = np.random.default_rng(3)
    scores = rng.normal(0, 0.02, (6, 8)) + np.linspace(0, 0.03, 6)[:, None]
    found = statistics.ranks(scores, np.zeros((6, 6), dtype=bool))
    assert found.places.sum(axis=1) == pytest.approx(np.ones(6))
    assert found.places.sum(axis=0) == pytest.approx(np.ones(6)), "without ties each place is taken once a draw"
    assert found.places[:, 0] == pytest.approx(found.first)
    drawn = np.random.default_rng(0).multinomial(8, np.full(8, 1 / 8), 2000) @ scores.T
    place = stats.rankdata(-drawn, axis=1).astype(int)
    assert found.places == pytest.approx(np.array([[(place[:, t] == p).mean() for p in range(1, 7)] for t in range(6)]))


@given(st.lists(st.integers(0, 50), min_size=1, max_size=30).filter(any))
def test_shades_cover_exactly_the_places_that_are_taken(counts: list[int]) -> None:
    shares = np.array(counts) / sum(counts)
    dark = np.zeros(len(shares))
    for first, last, shade in shades(shares):
        assert (dark[first - 1 : last] == 0).all()
        dark[first - 1 : last] = shade
    assert ((dark > 0) == (shares > 0)).all()
    assert (dark >= shares - 1e-6).all()
    assert (dark - shares < 1 / SHADES).all()


def test_the_matrix_has_those_on_top_that_are_better_on_more_datasets(drawings: dict[str, Drawing]) -> None:
    rows = drawings["verdict-matrix"].rows
    names = list(dict.fromkeys(row[0] for row in rows))
    better = [sum(word == "better" for name, _, word in rows if name == one) for one in names]
    assert better == sorted(better, reverse=True)
    assert names[0] == "good"
    assert names[-1] == "bad [loss.gamma=2.0]"
    (panel,) = drawings["verdict-matrix"].panels
    assert panel.svg.count(">better</text>") == sum(word == "better" for _, _, word in rows) > 0


def test_learning_curves_are_means_over_repeats_with_the_spread_of_repeats(drawings: dict[str, Drawing]) -> None:
    rows = _rows(drawings["learning-curves"], "generator")
    assert {row["technique"] for row in rows} == {"baseline", "good", "bad [loss.gamma=2.0]", "none"}
    last = {row["technique"]: row for row in rows if row["step"] == 300}
    repeats = 0.7 + 0.01 + 0.01 * np.arange(SMALL.repeats)  # 0.01: the mean of the two folds
    assert last["baseline"]["validation"] == pytest.approx(repeats.mean())
    low, high = np.quantile(repeats, (0.1, 0.9))
    assert last["baseline"]["validation_low80"] == pytest.approx(low)
    assert last["baseline"]["validation_high80"] == pytest.approx(high)
    assert last["baseline"]["train"] == pytest.approx(0.1)
    assert last["none"]["validation"] == pytest.approx(repeats.mean() + 0.3)


def test_a_training_that_stopped_keeps_its_last_loss() -> None:
    columns = {
        "status": np.array(["ok", "ok", "failed"], dtype=object), "repeat": np.array([0, 1, 2]),
        "curve_step": _objects([10, 20, 30], [10, 20], []), "curve_train": _objects([3.0, 2.0, 1.0], [5.0, 4.0], []),
        "curve_validation": _objects([3.0, 3.0, 3.0], [1.0, 1.0], []), "key": np.array(["a", "b", "c"]),
    }  # fmt: skip
    found = curves_of(Trials(columns), "one")
    assert found is not None
    assert found.steps.tolist() == [10, 20, 30]
    assert found.parts["train"][0].tolist() == [4.0, 3.0, 2.5]
    assert curves_of(Trials(columns).where(np.array([False, False, True])), "one") is None


def _objects(*lists: list[float]) -> np.ndarray:
    held = np.empty(len(lists), dtype=object)
    for place, values in enumerate(lists):
        held[place] = np.array(values)
    return held


def test_classes_stand_by_support_and_techniques_by_effect(analysis: Analysis, drawings: dict[str, Drawing]) -> None:
    for dataset in analysis.datasets:
        order = [row["technique"] for row in _rows(drawings["differences"], dataset.label)]
        assert order == [one.technique for one in dataset.compared]
        heat = _rows(drawings["per-class-f1"], dataset.label)
        if heat:
            assert list(dict.fromkeys(row["technique"] for row in heat)) == order
            support = [row["test_rows"] for row in heat if row["technique"] == "good"]
            assert support == sorted(support, key=lambda rows: -float(str(rows)))


def test_the_cost_figure_says_who_has_no_point_in_it_and_why(tmp_path: Path) -> None:
    world = replace(SMALL, datasets=("generator", "folds"), same_training=())
    store = write(tmp_path, world)
    rows = store.runs().to_dict("records")
    moved = [{**row, "machine": "another"} for row in rows if (row["technique"], row["dataset"]) == ("good", "folds")]
    assert "Left out" not in cost_figure(analyse(Store(tmp_path)).datasets).description
    store.write("999999-again", moved, [], [], [], {})
    drawn = cost_figure(analyse(Store(tmp_path)).datasets)
    assert drawn.description.count("Left out") == 1
    assert "Left out on folds: good (no trial of the baseline ran on the same machine" in drawn.description
    assert ("folds", "good") not in {row[:2] for row in drawn.rows}
    plan = store.read_plan()
    plan["cells"] = [cell for cell in plan["cells"] if cell["technique"] == "good" and cell["dataset"] == "folds"]
    store.write_plan(plan)
    alone = cost_figure(analyse(Store(tmp_path)).datasets).description
    assert "good (there is no trial of the baseline to compare with)" in alone


# ---- what is written


def test_every_figure_is_panels_with_words_and_a_csv_with_its_numbers(store: Store, tmp_path: Path) -> None:
    report = write_report(store.path, tmp_path).page.parent
    drawn = sorted(path.stem for path in report.glob("*.svg"))
    labels = [label for label in SMALL.datasets if label != "errors"]
    expected = {f"{name}-{label}" for name in FIGURES - {"verdict-matrix"} for label in labels} | {"verdict-matrix"}
    assert set(drawn) == expected | {f"{name}-errors" for name in FIGURES - {"verdict-matrix", "per-class-f1"}}
    page = (report / "index.html").read_text(encoding="utf-8")
    assert page.count("<div class='panel'>") == len(drawn)
    for name in drawn:
        svg = (report / f"{name}.svg").read_text(encoding="utf-8")
        ParserCreate().Parse(svg, True)
        assert re.search(r'<svg role="img" [^>]*><title>[^<]+</title><desc>[^<]+</desc>', svg)
        assert f"]({name}.svg)" in (report / "README.md").read_text(encoding="utf-8")
    for name in FIGURES:
        with (report / f"{name}.csv").open(encoding="utf-8") as file:
            assert len(list(csv.DictReader(file))) > 5


def test_colours_of_ink_lines_and_paper_are_the_themes_in_the_page_alone(store: Store, tmp_path: Path) -> None:
    report = write_report(store.path, tmp_path).page.parent
    page = (report / "index.html").read_text(encoding="utf-8")
    figures = "".join(re.findall(r"<svg role=.*?</svg>", page, re.DOTALL))
    assert "currentColor" in figures
    assert not re.search("#1f2933|#d5d9de|#fffffe", figures)
    ids = re.findall(r' id="([^"]+)"', figures)
    assert len(ids) == len(set(ids)) > 0
    used = set(re.findall(r'(?:href="#|url\(#)([^")]+)', figures))
    assert used
    assert used <= set(ids)
    assert "#1f2933" in (report / "differences-generator.svg").read_text(encoding="utf-8")


def test_results_from_before_the_comparison_with_itself_have_no_strip_of_it(store: Store, tmp_path: Path) -> None:
    older = _write(tmp_path, replace(SMALL, effects={"baseline": 0.0, "good": 0.1}, datasets=("generator",)))
    assert {one.name for one in draw(analyse(older))} == FIGURES - {"noise"}
