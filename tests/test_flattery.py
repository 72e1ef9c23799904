"""Flattery by the best epoch on the test set: by a route of its own, planted and absent, and it ranks nothing."""

import csv
import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from bench import statistics
from bench.keys import digest
from bench.reporting import Analysis, analyse, csvs
from bench.reporting.asides import Asides, Flattered
from bench.reporting.comparing import Comparer
from bench.reporting.flattery import _from_zero, flattery_of
from bench.reporting.flatterypage import by_flattery_alone, flattery_figure, flattery_section, pairs_of, sentence
from bench.reporting.page import write_report
from bench.reporting.standing import DatasetAnalysis
from bench.reporting.trials import Trials
from bench.reporting.values import Values
from bench.stages.decisions import Argmax
from bench.stages.thresholds import TunedThreshold
from bench.statistics import Interval, Verdict
from bench.store import Store
from tests.synthetic import World, kind_of, write

PLAIN = digest(Argmax())
REFERENCE = Path(__file__).parents[1] / "results" / "reference" / "overfitting"


@dataclass(frozen=True)
class Plain(World):
    """A world whose techniques have the plain decision rule, but for those named as having one of their own."""

    ruled: tuple[str, ...] = ("tuned",)

    def rule(self, dataset: str, technique: str) -> str:
        if kind_of(dataset) == "errors":
            return ""
        return digest(TunedThreshold()) if technique in self.ruled else PLAIN


WORLD = Plain(
    {"baseline": 0.0, "nothing": 0.0, "good": 0.12, "bad": -0.1, "tuned": 0.05, "unmarked": 0.0},
    repeats=10,
    noise=0.004,
)
PLANTED = {"baseline": 0.01, "nothing": 0.08, "good": 0.0, "bad": 0.02, "tuned": 0.3}  # means of each one's flattery


def _planted(name: str, repeat: int, fold: int) -> float:
    """Return what the best epoch adds: of some trials nothing, of none less than that."""
    return max(0.0, PLANTED[name] * (1 + 0.3 * float(np.random.default_rng([repeat, fold, len(name)]).normal())))


def _with_curves(path: Path, world: Plain, shift: float = 0.0) -> Store:
    """Write a world with test curves of all but 'unmarked': below the final score but for one point."""
    store = write(path, world)
    held = store.scores()
    final = held[held["part"] == "test"].set_index(["key", "rule"])
    rows = []
    for row in store.runs().to_dict("records"):
        name, label = row["technique"], row["dataset"]
        if name in PLANTED:
            metric = world.facts(label)["metric"]
            sign = -1 if metric == "rmse" else 1
            score = final.loc[(row["key"], world.rule(label, name)), metric]
            best = score + sign * (_planted(name, row["repeat"], row["fold"]) + shift)
            points = [score - sign * 0.2, best, score - sign * 0.05, math.nan]
            row |= {"curve_test_step": [75, 150, 225, 300], "curve_test": [1.0] * 4, "curve_test_score": points,
                    "curve_metric": metric}  # fmt: skip
        rows.append(row)
    store.write("999999-curves", rows, [], [], [], {})
    return Store(path)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return _with_curves(tmp_path_factory.mktemp("flattery"), WORLD)


@pytest.fixture(scope="module")
def analysis(store: Store) -> Analysis:
    return analyse(store)


def _held(dataset: DatasetAnalysis) -> dict[str, Flattered]:
    return {one.technique: one for one in dataset.asides.flattery}


# ---- numbers


def test_flattery_is_the_best_recorded_step_minus_the_final_score(analysis: Analysis) -> None:
    for dataset in analysis.datasets:
        found = _held(dataset)
        expected = {"baseline", "nothing", "good", "bad"} | ({"tuned"} if dataset.label == "errors" else set())
        assert set(found) == expected, "a technique with a rule of its own has no curve of its kind"
        for name, one in found.items():
            planted = [_planted(name, *place) for place in WORLD.places]
            assert sorted(one.each) == pytest.approx(sorted(planted), abs=1e-9)
            assert one.added.estimate == pytest.approx(np.mean(planted), abs=1e-9)
        assert found["good"].added.identical


@pytest.mark.parametrize("label", ["generator", "errors", "fixed-test"])
def test_its_interval_is_over_repeats_with_the_test_rows_held_fixed(analysis: Analysis, label: str) -> None:
    (dataset,) = (one for one in analysis.datasets if one.label == label)
    for name in ("baseline", "nothing", "bad"):
        planted = np.array([_planted(name, *place) for place in WORLD.places]).reshape(WORLD.repeats, WORLD.folds)
        theirs: Any = stats.ttest_1samp(planted.mean(axis=1), 0.0)
        low, high = theirs.confidence_interval(0.95)
        added = _held(dataset)[name].added
        assert (added.low95, added.high95) == pytest.approx((max(0.0, low), high))
        assert math.isnan(added.p_value), "what cannot be negative is not tested against zero"


def test_an_interval_is_cut_at_zero_and_covers_what_is_planted() -> None:
    rng = np.random.default_rng(5)
    comparer = Comparer("independent", np.arange(20), np.nan, 100)
    truth = float(np.maximum(rng.normal(0, 1, (200_000, 3)).max(axis=1), 0).mean())
    covered, below = [], []
    for _ in range(400):
        each = np.maximum(rng.normal(0, 1, (20, 3)).max(axis=1), 0.0)  # best of three steps and of the final one
        raw = comparer.interval(Values(each[None], None), 0)
        assert raw is not None
        cut = _from_zero(raw)
        covered.append(cut.low95 <= truth <= cut.high95)
        below.append(cut.low95 < 0)
    assert 0.92 < np.mean(covered) < 0.98
    assert not any(below)
    rare = np.zeros(20)
    rare[3] = 0.1  # one lucky trial among many
    one = comparer.interval(Values(rare[None], None), 0)
    assert one is not None
    assert one.low95 < 0 == _from_zero(one).low95


curves = st.lists(st.floats(-1, 1), min_size=1, max_size=20)


def _trials(curve: Any, score: float, metric: str = "macro_f1", rule: str = PLAIN) -> Trials:
    columns = {"key": np.array(["a"]), "rule": np.array([rule], dtype=object), metric: np.array([score])}
    columns["curve_metric"] = np.array(["macro_f1" if metric != "rmse" else metric], dtype=object)
    columns["curve_test_score"] = np.empty(1, dtype=object)
    columns["curve_test_score"][0] = curve
    return Trials(columns)


@given(curves, st.floats(-1, 1), st.randoms(use_true_random=False))
def test_nobody_loses_by_picking_the_best(curve: list[float], score: float, random: Any) -> None:
    (found,) = flattery_of(_trials(np.array(curve), score), "macro_f1")
    assert found == (pytest.approx(max(curve) - score) if max(curve) - score > 1e-12 else 0.0)
    assert found >= 0
    shuffled = random.sample(curve, len(curve))
    assert flattery_of(_trials(np.array([*shuffled, math.nan]), score), "macro_f1") == pytest.approx(found)
    (of_errors,) = flattery_of(_trials(-np.array(curve), -score, "rmse", ""), "rmse")
    assert of_errors == pytest.approx(found)


@pytest.mark.parametrize(
    ("trials", "metric"),
    [
        (_trials(None, 0.5), "macro_f1"),
        (_trials(math.nan, 0.5), "macro_f1"),
        (_trials(np.empty(0), 0.5), "macro_f1"),
        (_trials(np.array([math.nan, math.inf]), 0.5), "macro_f1"),
        (_trials(np.array([0.9]), 0.5, rule=digest(TunedThreshold())), "macro_f1"),
        (_trials(np.array([0.9]), 0.5, "mcc"), "mcc"),
    ],
    ids=["no curve", "no list", "empty", "not finite", "a rule of its own", "another metric"],
)
def test_without_a_curve_of_the_score_there_is_no_flattery(trials: Trials, metric: str) -> None:
    assert np.isnan(flattery_of(trials, metric)).all()


def test_the_score_that_ranks_is_the_curves_at_the_step_that_was_kept() -> None:
    """Of real trainings: those that stopped early keep another step than the last, and its score is the final one."""
    store = Store(REFERENCE)
    runs, scores = store.runs(), store.scores()
    final = scores[(scores["part"] == "test") & scores["rule"].isin(["", PLAIN])].set_index("key")
    compared = stopped = 0
    for run in runs[runs["curve_test_step"].map(len) > 0].itertuples():
        steps = list(run.curve_test_step)
        if run.stop_step in steps:
            compared, stopped = compared + 1, stopped + (run.stop_step < run.steps)
            assert run.curve_test_score[steps.index(run.stop_step)] == pytest.approx(
                final.loc[run.key, run.curve_metric], abs=1e-9
            )
    assert compared > 100
    assert stopped > 20


# ---- what would have been said


def test_better_by_flattery_alone_is_said_of_whom_flattery_alone_made_better(analysis: Analysis) -> None:
    for dataset in analysis.datasets:
        pairs = {one.technique: pair for pair in pairs_of(dataset) for one in pair[:1]}
        assert by_flattery_alone(*pairs["nothing"])
        assert not by_flattery_alone(*pairs["good"]), "it is better without"
        assert not by_flattery_alone(*pairs["baseline"])
        assert pairs["bad"][0].word == "worse"
        assert f"nothing (honestly {pairs['nothing'][1].word})" in sentence(dataset).partition("alone: ")[2]
        gain, honest = pairs["nothing"][0].gain, pairs["nothing"][1].difference
        assert gain is not None
        assert honest is not None
        sign = 1 if dataset.higher else -1
        mean = np.mean([_planted("nothing", *place) for place in WORLD.places])
        assert gain.estimate == pytest.approx(honest.estimate + sign * mean)


def test_a_technique_without_flattery_keeps_its_honest_word_and_numbers(analysis: Analysis) -> None:
    for dataset in analysis.datasets:
        one, honest = next(pair for pair in pairs_of(dataset) if pair[0].technique == "good")
        assert one.gain == honest.difference
        assert one.word == honest.word


def test_flattery_chooses_nothing(analysis: Analysis, tmp_path: Path) -> None:
    bare = analyse(write(tmp_path / "bare", WORLD))
    more = analyse(_with_curves(tmp_path / "more", replace(WORLD, datasets=("generator",)), shift=0.5))
    for one, other in [*zip(analysis.datasets, bare.datasets, strict=True), (analysis.datasets[0], more.datasets[0])]:
        assert csvs.ranking_csv(one) == csvs.ranking_csv(other)
        for own, same in zip(one.standings, other.standings, strict=True):
            assert repr(own) == repr(same)
    assert all(dataset.asides.flattery == () for dataset in bare.datasets)
    assert flattery_section(bare.datasets) is None
    assert flattery_figure(bare.datasets).panels == ()


def test_equals_are_seldom_called_better_until_they_pick_their_best_epoch() -> None:
    """Twenty epochs that are equally good but for noise: the last one is honest, the best one is not."""
    rng = np.random.default_rng(8)
    comparer = Comparer("independent", np.arange(10), np.nan, 100)
    honest, flattered = [], []
    for _ in range(200):
        shared = rng.normal(0, 0.1, 10)
        curve = shared[:, None] + rng.normal(0, 0.02, (10, 20))
        final, base = curve[:, -1], shared + rng.normal(0, 0.02, 10)
        added = [flattery_of(_trials(own, score), "macro_f1")[0] for own, score in zip(curve, final, strict=True)]
        for cells, said in ((final, honest), (final + added, flattered)):
            one = comparer.interval(Values(np.array([cells, base]), None), 0, 1)
            assert one is not None
            said.append(statistics.verdicts([one], 1e-9, "higher", [True])[0].word)
    assert np.mean([word == "better" for word in honest]) < 0.06
    assert np.mean([word == "better" for word in flattered]) > 0.9


def test_too_few_repeats_give_flattery_and_no_words(tmp_path: Path) -> None:
    (dataset,) = analyse(_with_curves(tmp_path, replace(WORLD, datasets=("fixed-test",), repeats=3))).datasets
    assert _held(dataset)["nothing"].added.estimate > 0
    assert {one.word for one in dataset.asides.flattery} == {""}
    assert "flattery alone" not in sentence(dataset)
    assert "by that alone" not in sentence(dataset)


@given(st.lists(st.sampled_from(["better", "worse", "undecided", "equivalent", ""]), min_size=4, max_size=4))
def test_the_sentence_names_those_whose_words_would_have_turned(analysis: Analysis, words: list[str]) -> None:
    dataset = analysis.datasets[0]
    names = ("nothing", "good", "bad")
    interval = Interval(0.02, 0.01, 5, 0.0, 0.04, 0.0, 0.03, math.nan, False, "test")
    made = [
        Flattered(name, False, np.array([0.02]), interval, interval, Verdict(word, "", 0.01, 0.5, 0.02))
        for name, word in zip(names, words, strict=False)
    ]
    changed = replace(dataset, asides=Asides(tuple(made)))
    honest = {one.technique: one.word for one in dataset.standings}
    _, _, alone = sentence(changed).partition("by flattery alone: ")
    for name, word in zip(names, words, strict=False):
        assert (f"{name} (honestly {honest[name]})" in alone) == (word == "better" != honest[name])


# ---- the page


def test_csv_and_page_are_the_analysis(tmp_path: Path) -> None:
    small = _with_curves(tmp_path / "small", replace(WORLD, datasets=("generator",), repeats=6, folds=1))
    page, (dataset,) = write_report(small.path, tmp_path).page, analyse(small).datasets
    with (tmp_path / "flattery.csv").open(encoding="utf-8") as file:
        rows = {row["technique"]: row for row in csv.DictReader(file)}
    found = _held(dataset)
    assert set(rows) == set(found)
    for name, one in found.items():
        assert float(rows[name]["flattery"]) == pytest.approx(one.added.estimate, rel=1e-5)
        assert float(rows[name]["most"]) == pytest.approx(one.each.max(), rel=1e-5)
        assert rows[name]["flattered_verdict"] == one.word
    assert rows["nothing"]["by_flattery_alone"] == "1"
    drawing = flattery_figure([dataset])
    assert len(drawing.rows) == sum(len(one.each) for one in found.values())
    assert "undecided \u2192" in drawing.panels[0].svg or "equivalent \u2192" in drawing.panels[0].svg
    text = page.read_text(encoding="utf-8")
    assert text.index("id='best-epoch'") < text.index("id='flattery-trials'")
    assert "What the best epoch on the test set would have added" in (tmp_path / "README.md").read_text("utf-8")
