"""Memorisation of the tail: lines by numpy's own fit, planted slopes, false alarms, rows' noise, words and figure."""

import csv
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from bench import statistics
from bench.bootstrap import row_counts
from bench.reporting import Analysis, analyse
from bench.reporting.asides import SLOPES, Asides, Tail
from bench.reporting.comparing import Comparer
from bench.reporting.page import write_report
from bench.reporting.standing import DatasetAnalysis
from bench.reporting.tail import line_at, lines_of
from bench.reporting.tailpage import sentence, tail_figure, tail_section, telling
from bench.reporting.trials import Trials
from bench.reporting.values import Values
from bench.statistics import Interval, Verdict
from bench.store import Store
from tests.synthetic import CLASSES, World, write

WORLD = World(
    {"baseline": 0.0, "flat": 0.0, "steep": 0.0, "same": 0.0, "rule": 0.0},
    datasets=("generator", "fixed-test", "folds", "errors"),
    repeats=8,
    noise=0.002,
    same_training=("rule",),
)
SUPPORT = np.array([1600, 400, 100, 20])  # training rows of each class
PLANTED = {"baseline": -0.2, "flat": -0.05, "steep": -0.32, "same": -0.2, "rule": -0.2}  # slopes


def _matrix(rows: np.ndarray, recalls: np.ndarray) -> np.ndarray:
    """Return a confusion matrix with these rows and hits nearest to these recalls; wrong ones go to the next class."""
    hits = np.rint(rows * np.clip(recalls, 0, 1)).astype(int)
    made = np.diag(hits)
    for at, missed in enumerate(rows - hits):
        made[at, (at + 1) % len(rows)] += missed
    return made


def _with_training(path: Path, world: World, planted: dict[str, float], support: np.ndarray = SUPPORT) -> Store:
    """Write a world whose training recalls differ from those on test rows by a line in log10 of the support."""
    store = write(path, world)
    scores = store.scores()
    names = store.runs().set_index("key")["technique"]
    test = scores[scores["part"] == "test"].set_index(["key", "rule"])
    rows = []
    for row in scores[scores["part"] == "train"].to_dict("records"):
        matrix = np.array(test.loc[(row["key"], row["rule"]), "confusion"], dtype=int)
        if matrix.size:
            there = matrix.reshape(4, 4)
            recall = np.diagonal(there) / np.maximum(there.sum(axis=1), 1)
            own = np.random.default_rng(int(row["key"][:8], 16)).normal(0, 0.002)
            gaps = (planted[str(names[row["key"]])] + own) * np.log10(support / support.min())
            row |= {"confusion": _matrix(1000 * support, recall + gaps).ravel().tolist()}
        rows.append(row)
    store.write_scores("999999-train", rows, [])
    return Store(path)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return _with_training(tmp_path_factory.mktemp("tail"), WORLD, PLANTED)


@pytest.fixture(scope="module")
def analysis(store: Store) -> Analysis:
    return analyse(store)


def _held(dataset: DatasetAnalysis) -> dict[str, Tail]:
    return {one.technique: one for one in dataset.asides.tails}


def _trials(train: np.ndarray, test: np.ndarray) -> Trials:
    """Return trials with confusion matrices [n, C, C], as the store has them."""
    columns: dict[str, np.ndarray] = {"key": np.arange(len(train))}
    for name, matrices in (("train_confusion", train), ("confusion", test)):
        columns[name] = np.empty(len(matrices), dtype=object)
        columns[name][:] = [one.ravel() for one in matrices]
    return Trials(columns)


# ---- lines


@given(st.integers(0, 10_000), st.integers(2, 6))
def test_a_line_is_numpys_least_squares_of_the_gaps(seed: int, classes: int) -> None:
    rng = np.random.default_rng(seed)
    rates = 10.0 ** rng.uniform(0, 2.5, classes)
    train, test = (rng.poisson(rates[:, None] / classes, (3, classes, classes)) for _ in range(2))
    train[rng.random((3, classes)) < 0.15] = 0  # classes without rows
    found = lines_of(_trials(train, test), classes)
    for at in range(3):
        rows, tested = train[at].sum(axis=1), test[at].sum(axis=1)
        known = (rows > 0) & (tested > 0)
        assert np.isfinite(found.rows[at]).tolist() == known.tolist()
        if known.sum() < 2 or len(set(rows[known])) < 2:
            assert np.isnan(found.slope[at])
            continue
        here, there = (np.diagonal(one[at])[known] / one[at].sum(axis=1)[known] for one in (train, test))
        slope, level = np.polyfit(np.log10(rows[known]), here - there, 1)
        assert (found.slope[at], found.level[at]) == pytest.approx((slope, level), abs=1e-7)
        gaps = np.nan_to_num(found.train[at] - found.test[at])
        assert (found.weights[at] * gaps).sum() == pytest.approx(slope, abs=1e-7)


def test_of_two_classes_the_line_runs_through_both() -> None:
    train, test = np.array([[[90, 10], [0, 10]]]), np.array([[[40, 10], [5, 5]]])
    found = lines_of(_trials(train, test), 2)
    one = Tail("two", True, Interval(found.slope[0], 0, 1, 0, 0, 0, 0, 1.0, False, ""), found.level[0],
               found.rows[0], found.train[0], found.test[0])  # fmt: skip
    assert one.gap == pytest.approx([0.1, 0.5])
    assert [line_at(one, rows) for rows in (100, 10)] == pytest.approx(one.gap.tolist())
    assert one.slope.estimate == pytest.approx(-0.4)


# ---- the whole path


def test_planted_slopes_are_found_and_told_apart(analysis: Analysis) -> None:
    for dataset in analysis.datasets:
        found = _held(dataset)
        if dataset.label == "errors":
            assert found == {}
            continue
        assert set(found) == set(PLANTED)
        for name, one in found.items():
            if dataset.label != "folds":  # where few test rows leave out the rare class in some folds
                assert one.slope.estimate == pytest.approx(PLANTED[name], abs=0.04)
        words = {name: one.word for name, one in found.items()}
        assert words["baseline"] == ""
        assert (words["flat"], words["steep"]) == ("less in the tail", "more in the tail")
        assert (words["same"], words["rule"]) == ("alike", "alike")
        assert found["rule"].difference is not None
        assert found["rule"].difference.identical


def test_a_difference_of_slopes_is_paired_over_repeats(store: Store, analysis: Analysis) -> None:
    scores = store.scores().set_index(["key", "rule", "part"])["confusion"]
    slopes = {}
    for name in ("baseline", "flat"):
        each = []
        for place in WORLD.places:
            pair = WORLD.key("generator", name, *place), WORLD.rule("generator", name)
            here, there = (np.array(scores[*pair, part]).reshape(4, 4) for part in ("train", "test"))
            known = there.sum(axis=1) > 0
            gaps = np.diagonal(here)[known] / here.sum(axis=1)[known] - np.diagonal(there)[known] / there.sum(1)[known]
            each.append(np.polyfit(np.log10(here.sum(axis=1)[known]), gaps, 1)[0])
        slopes[name] = np.array(each).reshape(WORLD.repeats, WORLD.folds).mean(axis=1)
    theirs: Any = stats.ttest_1samp(slopes["flat"] - slopes["baseline"], 0.0)
    low, high = theirs.confidence_interval(0.95)
    found = _held(analysis.datasets[0])["flat"].difference
    assert found is not None
    assert (found.low95, found.high95) == pytest.approx((low, high))


def test_on_a_fixed_test_set_the_rows_noise_is_in_the_slope(store: Store, analysis: Analysis) -> None:
    """The rows are drawn again here with lines fitted anew on every draw of every trial."""
    (dataset,) = (one for one in analysis.datasets if one.label == "fixed-test")
    truth, _ = store.truth(store.runs().query("dataset == 'fixed-test'")["truth"].iloc[0])
    counts = row_counts(len(truth))
    x = np.log10(1000 * SUPPORT)
    means = []
    for name in ("flat",):
        total = np.zeros(len(counts))
        for place in WORLD.places:
            labels = store.labels[WORLD.key("fixed-test", name, *place), WORLD.rule("fixed-test", name)]
            right = (labels == truth).astype(float)
            recall = [(counts * right)[:, truth == c].sum(1) / np.maximum(counts[:, truth == c].sum(1), 1)
                      for c in range(4)]  # fmt: skip
            total += np.polyfit(x, -np.array(recall), 1)[0]
        means.append(total / len(WORLD.places))
    slope = _held(dataset)["flat"].slope
    scores = store.scores().set_index(["key", "rule", "part"])["confusion"]
    own = []
    for place in WORLD.places:
        pair = WORLD.key("fixed-test", "flat", *place), WORLD.rule("fixed-test", "flat")
        here, there = (np.array(scores[*pair, part]).reshape(4, 4) for part in ("train", "test"))
        own.append(np.polyfit(x, np.diagonal(here) / here.sum(1) - np.diagonal(there) / there.sum(1), 1)[0])
    trials = np.array(own).reshape(WORLD.repeats, -1).mean(axis=1).var(ddof=1) / WORLD.repeats
    assert slope.standard_error**2 == pytest.approx(trials + means[0].var(ddof=1), rel=1e-3)
    assert means[0].var(ddof=1) > trials


@pytest.mark.parametrize("kind", ["alike", "not stored"])
def test_there_is_no_slope_where_support_tells_nothing(tmp_path: Path, kind: str) -> None:
    world = replace(WORLD, datasets=("generator",), repeats=3)
    even = np.array([110, 100, 100, 90])
    store = _with_training(tmp_path, world, PLANTED, even) if kind == "alike" else write(tmp_path, world)
    (dataset,) = analyse(store).datasets
    assert dataset.asides.tails == ()
    assert tail_section([dataset]) is None
    assert tail_figure([dataset]).panels == ()


def test_a_technique_below_full_coverage_has_a_slope_and_no_word(tmp_path: Path) -> None:
    world = replace(WORLD, datasets=("generator",), statuses={("generator", "flat", 1, 0): "diverged"})
    (dataset,) = analyse(_with_training(tmp_path, world, PLANTED)).datasets
    assert _held(dataset)["flat"].word == ""
    assert _held(dataset)["steep"].word == "more in the tail"


def test_equal_slopes_are_seldom_told_apart_and_intervals_cover_the_planted_one() -> None:
    """Recalls of classes with few rows, drawn anew 400 times: the lines of two techniques, and of a flatter one."""
    rng = np.random.default_rng(4)
    rows, tested = np.array([800, 200, 50, 12]), np.array([400, 100, 40, 20])
    comparer = Comparer("independent", np.arange(10), np.nan, 560)
    x = np.log10(rows)
    wrong, covered, seen = [], [], []
    for _ in range(400):
        cells = []
        for slope in (-0.15, -0.15, -0.02):
            test, train = 0.6, 0.65 + slope * (x - x[0])
            here, there = (
                np.array([_matrix(size, rng.binomial(size, rate) / size) for _ in range(10)])
                for size, rate in ((rows, train), (tested, test))
            )
            cells.append(lines_of(_trials(here, there), 4).slope)
        values = Values(np.array(cells), None)
        same, other = comparer.interval(values, 1, 0), comparer.interval(values, 2, 0)
        assert same is not None
        assert other is not None
        wrong.append(same.p_value < 0.05)
        covered.append(other.low95 < 0.13 < other.high95)
        seen.append(statistics.verdicts([other], 1e-9, "higher", [True])[0].word)
    assert 0.02 < np.mean(wrong) < 0.085
    assert 0.92 < np.mean(covered) < 0.98
    assert np.mean([word == "better" for word in seen]) > 0.9


# ---- words, files, figure


@given(
    st.lists(st.tuples(st.sampled_from(["", *SLOPES]), st.floats(0.001, 0.3)), min_size=4, max_size=4),
    st.tuples(st.floats(-0.3, 0.3), st.floats(0.001, 0.2)),
)
def test_no_sentence_claims_more_than_its_interval_or_verdict(
    analysis: Analysis, said: list[tuple[str, float]], own: tuple[float, float]
) -> None:
    dataset = analysis.datasets[0]
    middle, half = own
    slope = Interval(middle, half / 2, 5, middle - half, middle + half, middle, middle, 0.01, False, "test")
    scores = np.full(4, 0.5)
    made = [Tail("baseline", True, slope, 0.1, SUPPORT.astype(float), scores, scores)]
    for at, (word, size) in enumerate(said):
        change = size * (-1 if word == "worse" else 1)
        difference = Interval(change, 0.01, 5, change, change, change, change, 0.01, False, "test")
        verdict = Verdict(word, "", 0.01, 0.5, 0.03)
        shifted = replace(slope, estimate=middle + change)
        made.append(replace(made[0], technique=f"t-{at}", is_baseline=False, slope=shifted,
                            difference=difference, verdict=verdict))  # fmt: skip
    text = sentence(replace(dataset, asides=Asides(tails=tuple(made))))
    assert ("rare classes are learned by heart more" in text) == (middle + half < 0)
    assert ("common classes are learned by heart more" in text) == (middle - half > 0)
    for at, (word, _) in enumerate(said):
        part = next((line for line in text.split(". ") if f"t-{at}" in line), "")
        assert part.lower().startswith(SLOPES[word]) if word in ("better", "worse") else not part
    for word in ("Alike", "Undecided"):
        count = sum(SLOPES.get(kind) == word.lower() for kind, _ in said)
        assert (f": {count} technique" in text.partition(word)[2]) == bool(count)


def test_classes_with_few_test_rows_are_flagged(analysis: Analysis) -> None:
    (dataset,) = (one for one in analysis.datasets if one.label == "fixed-test")
    few = [name for name, rows in zip(CLASSES, dataset.support, strict=True) if rows < 10]
    assert few == ["rare"]
    assert "Fewer than 10 test rows: rare." in sentence(dataset)
    drawing = tail_figure([dataset])
    flags = {row[drawing.headings.index("class")]: row[drawing.headings.index("few_test_rows")] for row in drawing.rows}
    assert flags == {name: int(name == "rare") for name in CLASSES}


def test_the_figure_shows_the_baseline_and_who_differs_most(analysis: Analysis) -> None:
    for dataset in analysis.datasets[:3]:
        names = [one.technique for one in telling(dataset)]
        assert names[0] == "baseline"
        assert set(names[1:3]) == {"flat", "steep"}
        assert "rule" not in names, "what is identical to the baseline tells nothing"


def test_files_and_page_are_the_analysis(tmp_path: Path) -> None:
    world = replace(WORLD, datasets=("generator",), repeats=5, folds=1)
    small = _with_training(tmp_path / "small", world, PLANTED)
    page, (dataset,) = write_report(small.path, tmp_path).page, analyse(small).datasets
    with (tmp_path / "tail-slopes.csv").open(encoding="utf-8") as file:
        slopes = {row["technique"]: row for row in csv.DictReader(file)}
    with (tmp_path / "tail-classes.csv").open(encoding="utf-8") as file:
        classes = list(csv.DictReader(file))
    for name, one in _held(dataset).items():
        assert float(slopes[name]["slope"]) == pytest.approx(one.slope.estimate, rel=1e-5)
        assert slopes[name]["change_word"] == (one.word or "baseline")
        own = {row["class"]: float(row["gap"]) for row in classes if row["technique"] == name}
        assert [own[name] for name in CLASSES] == pytest.approx(one.gap.tolist(), rel=1e-4, abs=1e-6)
    text = page.read_text(encoding="utf-8")
    assert text.index("id='tail'") < text.index("id='tail-gaps'")
    assert "## Which classes are learned by heart" in (tmp_path / "README.md").read_text(encoding="utf-8")
