"""What a report tells of searches, by routes of its own: choices, gains, steps to a target, sentences, figures."""

import csv
import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from scipy import stats

from bench.reporting import Analysis, analysis, searchcurves, searchmap, searchpage, tries
from bench.reporting.figures import draw
from bench.reporting.page import write_report
from bench.reporting.searching import Reached, Tuned, value_text
from bench.reporting.searchpage import searches_section, sentences, target_section
from bench.reporting.standing import DatasetAnalysis
from bench.searched import Searched
from bench.store import Store
from tests.synthetic import World, write
from tests.test_figures import assert_texts_do_not_overlap, assert_texts_fit

VALUES = (1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0)
PEAKS = {"good": 1e-3, "poor": 1.0, "alike": 1e-2, "broken": 0.0, "a-technique-of-a-rather-long-name": 1e-4}
EFFECTS = {"baseline": 0.0}
for _name in PEAKS:
    EFFECTS |= {_name: 0.0, f"{_name} (tuned)": {"good": 0.15, "poor": -0.1}.get(_name, 0.0)}
WORLD = World(EFFECTS, repeats=8, folds=1, noise=0.004)


def _search(dataset: str, name: str) -> Searched:
    """Return a search whose scores peak at a planted value, in three repeats."""
    metric = WORLD.facts(dataset)["metric"]
    rows = []
    for value in VALUES:
        for repeat in range(3):
            luck = np.random.default_rng([repeat, len(name), round(-10 * np.log10(value)) + 99]).normal(0, 0.004)
            score = 0.7 - 0.05 * abs(np.log10(value / (PEAKS[name] or 1e-3))) + luck
            score = 2 - score if metric == "rmse" else score
            diverged = name == "broken" or (name == "alike" and value == 1.0 and repeat == 1)
            rows.append({
                "optimizer.lr": value, "repeat": 100_000 + repeat, "fold": repeat, "diverged": diverged,
                "score": np.nan if diverged else score, "status": "diverged" if diverged else "ok",
                "seconds": 1.0, "steps": 300,
            })  # fmt: skip
    chosen = {} if name == "broken" else {"optimizer.lr": PEAKS[name]}
    return Searched(
        dataset=dataset,
        technique=f"{name} (tuned)",
        metric=metric,
        paths=("optimizer.lr",),
        trials=pd.DataFrame(rows),
        axes={"optimizer.lr": VALUES},
        declared={"optimizer.lr": VALUES},
        default={"optimizer.lr": 1e-3},
        chosen=chosen,
        edges={"optimizer.lr": "high"} if name == "poor" else {},
    )


def _described(plan: dict[str, Any]) -> dict[str, Any]:
    """Return the plan with its tuned techniques described as those of a suite that chooses values."""
    techniques = []
    for one in plan["techniques"]:
        plain = one["label"].removesuffix(" (tuned)")
        tuned = {"choose": ["optimizer.lr"]} if plain != one["label"] else {}
        techniques.append({**one, "parts": [plain], "setting": {}, **tuned})
    return {**plan, "techniques": techniques}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    made = write(tmp_path_factory.mktemp("searches"), WORLD)
    made.write_plan(_described(WORLD.plan()))
    return made


@pytest.fixture(scope="module")
def patched() -> Iterator[list[Figure]]:
    """Give what was drawn; the searches of the store's plan are the planted ones."""
    drawn: list[Figure] = []
    save = Figure.savefig

    def keep(figure: Figure, *args: Any, **kwargs: Any) -> None:
        save(figure, *args, **kwargs)
        drawn.append(figure)

    with pytest.MonkeyPatch.context() as patch:
        planted = [_search(dataset, name) for dataset in WORLD.datasets for name in PEAKS]
        patch.setattr(analysis, "searched", lambda *_: planted)
        patch.setattr(Figure, "savefig", keep)
        yield drawn


@pytest.fixture(scope="module")
def found(store: Store, patched: list[Figure]) -> Analysis:
    return analysis.analyse(store)


def _dataset(found: Analysis, label: str) -> DatasetAnalysis:
    return next(one for one in found.datasets if one.label == label)


def _tuned(found: Analysis, label: str, name: str) -> Tuned:
    return next(one for one in _dataset(found, label).asides.searches if one.technique == f"{name} (tuned)")


def _test_scores(store: Store, label: str, technique: str) -> np.ndarray:
    scores = store.scores()
    chosen = scores[scores["part"] == "test"].set_index(["key", "rule"])[WORLD.facts(label)["metric"]]
    rule = WORLD.rule(label, technique)
    return np.array([chosen[WORLD.key(label, technique, *place), rule] for place in WORLD.places])


def test_a_search_is_told_with_its_scores_choice_edge_and_plain_technique(found: Analysis) -> None:
    good, poor, broken = (_tuned(found, "generator", name) for name in ("good", "poor", "broken"))
    frame = _search("generator", "good").trials
    expected = frame.groupby("optimizer.lr")["score"].mean()
    assert good.values.tolist() == list(VALUES)
    assert good.means == pytest.approx(expected.to_numpy())
    assert (good.plain, good.default, good.chosen, good.edge) == ("good", 1e-3, 1e-3, "")
    assert good.best == pytest.approx(expected.max())
    assert (poor.chosen, poor.edge) == (1.0, "high")
    assert np.isnan([broken.chosen, broken.best]).all()
    assert broken.good is None
    assert broken.diverged == 1.0
    assert _tuned(found, "generator", "alike").diverged == pytest.approx(1 / 18)


@pytest.mark.parametrize("label", ["generator", "errors"])
def test_what_choosing_gained_is_the_paired_difference_on_test_rows_to_the_recipes_own_value(
    found: Analysis, store: Store, label: str
) -> None:
    one = _tuned(found, label, "good")
    tuned, plain = (_test_scores(store, label, name) for name in ("good (tuned)", "good"))
    interval = stats.ttest_1samp(tuned - plain, 0.0).confidence_interval(0.95)
    assert (one.test, one.own_test) == pytest.approx((tuned.mean(), plain.mean()))
    assert one.gained is not None
    assert one.gained.estimate == pytest.approx((tuned - plain).mean())
    assert (one.gained.low95, one.gained.high95) == pytest.approx((interval.low, interval.high))
    assert one.word == "better"
    assert _tuned(found, label, "poor").word == "worse"


def test_verdicts_are_adjusted_over_the_searches_of_a_dataset(found: Analysis) -> None:
    found_ones = _dataset(found, "generator").asides.searches
    raw = np.array([one.gained.p_value for one in found_ones if one.gained is not None])
    order = np.argsort(raw)
    held = np.maximum.accumulate(raw[order] * np.arange(len(raw), 0, -1)).clip(max=1.0)
    adjusted = np.empty_like(raw)
    adjusted[order] = held
    assert [one.verdict.p_holm for one in found_ones if one.verdict is not None] == pytest.approx(adjusted.tolist())


def test_the_target_lies_above_the_baselines_lowest_loss_and_steps_are_those_of_the_first_validation_below_it(
    found: Analysis, store: Store
) -> None:
    target = _dataset(found, "generator").asides.target
    runs = store.runs()
    own = runs[(runs["dataset"] == "generator") & (runs["technique"] == "baseline")]
    loss = 1.05 * np.mean([min(curve) for curve in own["curve_validation"]])
    assert target is not None
    assert target.loss == pytest.approx(loss)
    for one in target.reached:
        trials = runs[(runs["dataset"] == "generator") & (runs["technique"] == one.technique)]
        steps = []
        for at, curve in zip(trials["curve_step"], trials["curve_validation"], strict=True):
            below = [step for step, value in zip(at, curve, strict=True) if value <= loss]
            steps.append(below[0] if below else np.inf)
        assert one.trainings == len(trials)
        assert one.reached == np.isfinite(steps).sum()
        assert one.steps == sorted(steps)[(len(steps) - 1) // 2]
    names = [one.technique for one in target.reached]
    assert names[0] == "baseline"
    assert set(names) == set(EFFECTS)


def test_sentences_claim_what_verdicts_say(found: Analysis) -> None:
    told = sentences(_dataset(found, "generator"))
    assert any(
        "On an end of its grid, grown as far as the suite allows, lies the choice of poor (tuned)." in one
        for one in told
    )
    assert any("No value could be chosen for broken (tuned)" in one for one in told)
    assert any(one.startswith("Choosing gained on the recipe's own value") and "good (tuned)" in one for one in told)
    assert any(one.startswith("Choosing lost against") and "poor (tuned)" in one for one in told)
    assert told[0].startswith("The best mean score on validation rows was that of ")


def test_the_tables_hold_every_search_and_their_csv_the_same_numbers(found: Analysis) -> None:
    section, target = searches_section(found.datasets, found.plan), target_section(found.datasets)
    assert section is not None
    assert target is not None
    assert len(section.rows) == len(WORLD.datasets) * len(PEAKS)
    lines = list(csv.DictReader(io.StringIO(section.files["searches.csv"])))
    good = next(one for one in lines if (one["dataset"], one["technique"]) == ("generator", "good (tuned)"))
    one = _tuned(found, "generator", "good")
    assert float(good["expected_3"]) == pytest.approx(one.tries[2], rel=1e-4)
    assert float(good["good_low"]) <= 1e-3 <= float(good["good_high"])
    assert len(target.rows) == len(WORLD.datasets) * len(EFFECTS)


def test_the_note_says_what_searches_were_allowed_and_why_budgets_differ(found: Analysis) -> None:
    searches = [
        {"declared": {"optimizer.lr": [0.1] * count}, "points": [{"keys": ["a", "b", "c"]}] * (count + 1)}
        for count in (13, 15)
    ]
    choosing = {"repeats": 3, "extend": 2, "why_budgets_differ": "one needs less."}
    section = searches_section(found.datasets, {**found.plan, "choosing": choosing, "searches": searches})
    assert section is not None
    assert section.note.endswith(
        "Every search had 13 to 15 values x 3 repeats, and up to 2 more where an end of the grid won: 90 search trials "
        "in all. Budgets differ, as the suite says: one needs less."
    )
    alike = {"repeats": 3, "extend": 0, "why_budgets_differ": ""}
    section = searches_section(found.datasets, {**found.plan, "choosing": alike, "searches": searches[:1]})
    assert section is not None
    assert section.note.endswith("Every search had 13 values x 3 repeats: 42 search trials in all.")


def test_who_reached_a_target_first_is_told_in_steps_and_in_seconds() -> None:
    order = [Reached("few", 4, 4, 10.0, 2.5), Reached("quick", 4, 3, 20.0, 0.5), Reached("never", 4, 1, np.inf, np.inf)]
    assert searchpage._soonest(order, 0.25) == (
        "Validation loss 0.25 was reached by 2 of 3 techniques in half of their trainings, in the fewest steps by few "
        "(10), in the least CPU time by quick (0.50 s)."
    )
    assert searchpage._soonest(order[2:], 0.25).endswith("by 0 of 1 techniques in half of their trainings.")


def test_a_map_holds_the_setting_that_most_searches_are_for(found: Analysis) -> None:
    dataset = found.datasets[0]
    searches = [
        replace(one, path="loss.gamma") if one.technique == "good (tuned)" else one for one in dataset.asides.searches
    ]
    mixed = replace(dataset, asides=replace(dataset.asides, searches=searches))
    drawn = {row[1] for row in searchmap.search_map([mixed]).rows}
    assert drawn == {one.technique for one in searches} - {"good (tuned)"}


def test_without_searches_nothing_is_told(tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(analysis, "searched", lambda *_: [])
        bare = analysis.analyse(write(tmp_path, World({"baseline": 0.0}, repeats=5, folds=1)), classes=False)
    assert searches_section(bare.datasets, bare.plan) is None
    assert target_section(bare.datasets) is None
    assert not {one.name for one in draw(bare)} & {searchcurves.NAME, searchmap.NAME, tries.NAME}


def test_the_page_leads_with_the_map_and_holds_all_three_figures(store: Store, found: Analysis, tmp_path: Path) -> None:
    page = write_report(store.path, tmp_path).page.read_text(encoding="utf-8")
    places = [page.index(f"<section id='{name}'>") for name in (searchmap.NAME, tries.NAME, "all-verdicts", "searches")]
    assert places == sorted(places)
    assert f"<section id='{searchcurves.NAME}'>" in page
    for name in (searchmap.NAME, tries.NAME, searchcurves.NAME):
        assert (tmp_path / f"{name}.csv").stat().st_size > 100
        assert (tmp_path / f"{name}-generator.svg").is_file()
    assert "The best mean score on validation rows was that of" in page[: page.index("<nav")]
    assert "searches.csv" in (tmp_path / "README.md").read_text(encoding="utf-8")


def test_texts_of_the_figures_do_not_overlap_and_fit(found: Analysis, patched: list[Figure]) -> None:
    patched.clear()
    drawings = [make(found.datasets) for make in (searchcurves.search_curves, searchmap.search_map, tries.tries_figure)]
    assert [len(one.panels) for one in drawings] == [len(WORLD.datasets)] * 3
    assert_texts_do_not_overlap(patched)
    assert_texts_fit(patched)
    cells = drawings[1].rows
    assert len(cells) == len(WORLD.datasets) * len(PEAKS) * len(VALUES)


def test_values_are_written_shortly() -> None:
    assert [value_text(one) for one in (1e-5, 3.16e-5, 0.001, 0.0316, 1.0, 10.0, 316.0)] == [
        "1e-5", "3.16e-5", "0.001", "0.0316", "1", "10", "316",
    ]  # fmt: skip
