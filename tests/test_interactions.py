"""Contrasts of techniques, and interactions: by formulas of their own, planted and absent, in words and figures."""

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
from bench.bootstrap import DRAWS, row_standard_error
from bench.reporting import Analysis, analyse
from bench.reporting.asides import SUMS, Asides, Interaction
from bench.reporting.comparing import Comparer, Method
from bench.reporting.interactionpage import SPOKEN, interaction_figure, interaction_section, sentence
from bench.reporting.interactions import COEFFICIENTS, pairs_of
from bench.reporting.page import write_report
from bench.reporting.standing import DatasetAnalysis
from bench.reporting.trials import means
from bench.reporting.values import Values
from bench.statistics import Interval, Verdict
from bench.store import Store
from tests.synthetic import World, write

METHODS: tuple[Method, ...] = ("independent", "test set", "folds")
FOUR = tuple(zip(range(4), COEFFICIENTS, strict=True))
REPEATS, FOLDS = 8, 2
REPEAT = np.repeat(np.arange(REPEATS), FOLDS)
WORLD = World(
    {
        "baseline": 0.0, "mixup": 0.03, "drw": 0.03, "mixup + drw": 0.15, "dropout": 0.06, "dropout + drw": 0.0,
        "dropout + unknown": 0.1,
    },
    repeats=12, noise=0.004, focus="gap",
)  # fmt: skip


def _values(seed: int, missing: float = 0.0, techniques: int = 5) -> Values:
    rng = np.random.default_rng(seed)
    cells = rng.normal(0.7, 0.05, (techniques, REPEATS * FOLDS))
    cells[rng.random(cells.shape) < missing] = np.nan
    return Values(cells, rng.normal(0, 0.01, (techniques, DRAWS)))


def _comparer(method: Method) -> Comparer:
    return Comparer(method, REPEAT, 0.3, 500)


def _same(one: Interval | None, other: Interval | None) -> bool:
    return repr(one) == repr(other)  # NaN equals itself here


# ---- contrasts


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_a_difference_is_the_contrast_of_plus_and_minus_one_to_the_bit(method: Method, missing: float) -> None:
    comparer = _comparer(method)
    for seed in range(20):
        values = _values(seed, missing)
        found = comparer.interval(values, 1, 3)
        assert _same(found, comparer.contrast(values, ((1, 1.0), (3, -1.0))))
        differences = values.cells[1] - values.cells[3]
        known = np.isfinite(differences)
        by_repeat = means(differences[known], REPEAT[known])[:, None]
        assert values.draws is not None
        rows = row_standard_error(values.draws[1], values.draws[3])
        expected = {
            "independent": lambda cells=by_repeat: statistics.independent_repeats(cells),
            "test set": lambda cells=by_repeat, error=rows: statistics.fixed_test_set(cells, error, 500),
            "folds": lambda cells=differences[known]: statistics.nadeau_bengio(cells, 0.3),
        }
        assert _same(found, expected[method]())
        assert _same(comparer.interval(values, 2), comparer.contrast(values, ((2, 1.0),)))


def test_an_interaction_has_the_interval_of_its_kind_of_data() -> None:
    values = _values(0)
    assert values.draws is not None
    cells = values.cells[0] - values.cells[1] - values.cells[2] + values.cells[3]
    by_repeat = cells.reshape(REPEATS, FOLDS).mean(axis=1)
    theirs: Any = stats.ttest_1samp(by_repeat, 0.0)
    found = _comparer("independent").contrast(values, FOUR)
    assert found is not None
    assert found.p_value == pytest.approx(theirs.pvalue)
    assert (found.low95, found.high95) == pytest.approx(tuple(theirs.confidence_interval(0.95)))
    found = _comparer("folds").contrast(values, FOUR)
    assert found is not None
    assert found.standard_error == pytest.approx(cells.std(ddof=1) * np.sqrt(1 / cells.size + 0.3))
    found = _comparer("test set").contrast(values, FOUR)
    assert found is not None
    rows = (values.draws[0] - values.draws[1] - values.draws[2] + values.draws[3]).var(ddof=1)
    assert found.standard_error**2 == pytest.approx(by_repeat.var(ddof=1) / REPEATS + rows)


coefficients = st.lists(st.floats(-2, 2).filter(lambda x: abs(x) > 1e-3), min_size=3, max_size=4)


@given(st.integers(0, 99), coefficients, st.floats(0.1, 5), st.sampled_from(METHODS))
def test_contrasts_are_linear(seed: int, numbers: list[float], factor: float, method: Method) -> None:
    values, comparer = _values(seed), _comparer(method)
    terms = tuple(enumerate(numbers))
    found = comparer.contrast(values, terms)
    larger = comparer.contrast(values, tuple((at, factor * number) for at, number in terms))
    turned = comparer.contrast(values, tuple((at, -number) for at, number in reversed(terms)))
    assert found is not None
    assert larger is not None
    assert turned is not None
    own = [comparer.interval(values, at) for at, _ in terms]
    assert found.estimate == pytest.approx(
        sum(number * one.estimate for number, one in zip(numbers, own, strict=True) if one is not None)
    )
    assert (larger.estimate, larger.standard_error) == pytest.approx(
        (factor * found.estimate, factor * found.standard_error)
    )
    assert larger.p_value == pytest.approx(found.p_value)
    assert (turned.estimate, turned.standard_error) == pytest.approx((-found.estimate, found.standard_error))
    assert (turned.low95, turned.high95) == pytest.approx((-found.high95, -found.low95))


def test_a_remedy_that_does_nothing_has_no_interaction_in_spite_of_rounding() -> None:
    values = _values(1)
    assert values.draws is not None
    order = [1, 0, 1, 0]  # both as the second, the first as the baseline
    same = Values(values.cells[order], values.draws[order])
    for method in METHODS:
        found = _comparer(method).contrast(same, FOUR)
        assert found is not None
        assert found.identical


# ---- pairs


def _technique(label: str, parts: list[str], **setting: Any) -> dict[str, Any]:
    return {"label": label, "parts": parts, "setting": {name.replace("_", "."): v for name, v in setting.items()}}


def test_pairs_are_combinations_of_two_whose_parts_stand_alone_with_their_settings() -> None:
    techniques = [
        _technique("baseline", ["baseline"]),
        _technique("a", ["a"]),
        _technique("strong a", ["a"], a_p=2),
        _technique("b", ["b"]),
        _technique("strong b", ["b"], b_q=3),
        _technique("ab", ["a", "b"]),
        _technique("ab 2", ["b", "a"], a_p=2),
        _technique("ab 2 3", ["a", "b"], a_p=2, b_q=3),
        _technique("ab 5", ["a", "b"], a_p=5),
        _technique("abc", ["a", "b", "c"]),
        _technique("ac", ["a", "c"]),
        {"label": "of an older plan"},
    ]
    assert pairs_of(techniques) == [("ab", "a", "b"), ("ab 2", "b", "strong a"), ("ab 2 3", "strong a", "strong b")]


def test_settings_that_contradict_each_other_make_no_pair() -> None:
    techniques = [
        _technique("a", ["a"], x=1), _technique("b", ["b"], x=2), _technique("b 1", ["b"], x=1),
        _technique("ab", ["a", "b"], x=1), _technique("ab 2", ["a", "b"], x=2),
    ]  # fmt: skip
    assert pairs_of(techniques) == [("ab", "a", "b 1")]


# ---- the whole path


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return write(tmp_path_factory.mktemp("interactions"), WORLD)


@pytest.fixture(scope="module")
def analysis(store: Store) -> Analysis:
    return analyse(store)


def test_planted_interactions_are_found_for_scores_and_errors(store: Store, analysis: Analysis) -> None:
    scores = store.scores()
    for dataset in analysis.datasets:
        held = {one.both: one for one in dataset.asides.interactions}
        assert set(held) == {"mixup + drw", "dropout + drw"}
        assert (held["mixup + drw"].word, held["dropout + drw"].word) == ("more than the sum", "less than the sum")
        own = scores[scores["part"] == "test"].set_index(["key", "rule"])[dataset.metric]

        def cells(name: str, label: str = dataset.label, own: Any = own) -> np.ndarray:
            return np.array([own[WORLD.key(label, name, *place), WORLD.rule(label, name)] for place in WORLD.places])

        expected = (cells("mixup + drw") - cells("mixup") - cells("drw") + cells("baseline")).mean()
        assert held["mixup + drw"].contrast.estimate == pytest.approx(expected)
        assert (expected < 0) == (dataset.label == "errors")


def test_no_interaction_below_full_coverage_or_where_a_part_does_not_apply(tmp_path: Path) -> None:
    world = replace(
        WORLD, datasets=("generator", "errors"), statuses={("generator", "drw", 0, 0): "diverged"},
        not_applicable=(("errors", "mixup"),),
    )  # fmt: skip
    generator, errors = analyse(write(tmp_path, world)).datasets
    assert {one.word for one in generator.asides.interactions} == {""}
    assert "No verdict" in sentence(generator)
    assert [one.both for one in errors.asides.interactions] == ["dropout + drw"]


def _judged(found: list[Interval], margin: float) -> list[str]:
    """Return the word of each interval where it is the only one of its dataset."""
    return [SUMS[statistics.verdicts([one], margin, "higher", [True])[0].word] for one in found]


def _simulated(method: Method, planted: float, datasets: int = 300) -> list[Interval]:
    """Return intervals of an interaction on simulated datasets: what repeats share, noise of trials and of rows."""
    rng = np.random.default_rng([3, METHODS.index(method)])
    found, rows = [], 200
    weights = rng.multinomial(rows, np.full(rows, 1 / rows), DRAWS) / rows
    comparer = Comparer(method, np.arange(10), np.nan, rows)
    for _ in range(datasets):
        row = rng.normal(0, 0.3, (4, rows)) + rng.normal(0, 0.3, rows)  # of each technique on each row, and shared
        trials = rng.normal(0, 0.02, (4, 10)) + rng.normal(0, 0.05, 10)
        fixed = method == "test set"
        cells = trials + row.mean(axis=1, keepdims=True) * fixed + np.array([[planted], [0.0], [0.0], [0.0]])
        one = comparer.contrast(Values(cells, row @ weights.T if fixed else None), FOUR)
        assert one is not None
        found.append(one)
    return found


@pytest.mark.parametrize("method", ["independent", "test set"])
def test_additive_remedies_are_seldom_said_to_interact_and_intervals_cover_what_is_planted(method: Method) -> None:
    found = _simulated(method, 0.0)
    wrong = np.mean([word in SPOKEN[:2] for word in _judged(found, 1e-9)])
    assert 0.02 < wrong < 0.09
    planted = _simulated(method, 0.04)
    covered = np.mean([one.low95 < 0.04 < one.high95 for one in planted])
    assert 0.92 < covered < 0.98
    strong = _judged(_simulated(method, 0.25, 100), 1e-9)
    assert np.mean([word == "more than the sum" for word in strong]) > 0.95
    assert np.mean([word == "additive" for word in _judged(found, 0.3)]) > 0.95


# ---- words, table, figure


def _as_said(dataset: DatasetAnalysis, words: list[str], sizes: list[float]) -> DatasetAnalysis:
    made = []
    for at, (word, size) in enumerate(zip(words, sizes, strict=True)):
        contrast = Interval(size, 0.01, 5, size - 0.02, size + 0.02, size - 0.015, size + 0.015, 0.01, False, "test")
        verdict = Verdict(word, "", 0.01, 0.5, 0.0321)
        made.append(Interaction(f"first-{at} + second", f"first-{at}", "second", contrast, verdict))
    return replace(dataset, asides=Asides(interactions=tuple(made)))


@given(
    st.lists(st.tuples(st.sampled_from(["", *SUMS]), st.floats(-0.3, 0.3)), min_size=1, max_size=4),
)
def test_every_sentence_says_of_a_pair_what_its_verdict_is(analysis: Analysis, said: list[tuple[str, float]]) -> None:
    words, sizes = [word for word, _ in said], [size for _, size in said]
    dataset = _as_said(analysis.datasets[0], words, sizes)
    text = sentence(dataset)
    for at, word in enumerate(words):
        part = next((line for line in text.split(". ") if f"first-{at} " in line), "")
        assert part.lower().startswith(SUMS[word]) if word else not part
    nothing = "No pair was shown" in text
    assert nothing == (any(words) and not {"better", "worse"} & set(words))


def test_table_and_csv_and_figure_are_the_contrasts(tmp_path: Path) -> None:
    small = write(tmp_path / "small", replace(WORLD, datasets=("errors",), repeats=6, folds=1))
    report, analysis = write_report(small.path, tmp_path).page, analyse(small)
    with (tmp_path / "interactions.csv").open(encoding="utf-8") as file:
        lines = {(row["dataset"], row["both"]): row for row in csv.DictReader(file)}
    section = interaction_section(analysis.datasets)
    assert section is not None
    for dataset in analysis.datasets:
        gains = {one.technique: one.difference for one in dataset.standings}
        for one in dataset.asides.interactions:
            row = lines[dataset.label, one.both]
            assert row["word"] == one.word
            assert float(row["interaction"]) == pytest.approx(one.contrast.estimate, rel=1e-5)
            both, first, second = (gains[name] for name in (one.both, one.first, one.second))
            assert both is not None
            assert first is not None
            assert second is not None
            assert both.estimate - first.estimate - second.estimate == pytest.approx(one.contrast.estimate)
            line = next(line for line in section.rows if line[:2] == [dataset.label, one.first])
            assert one.word in line[list(section.headings).index(f"with {one.second}")]
    drawing = interaction_figure(analysis.datasets)
    assert len(drawing.panels) == len(analysis.datasets)
    assert len(drawing.rows) == len(lines)
    text = report.read_text(encoding="utf-8")
    assert text.index("id='together'") < text.index("id='interaction-forest'") < text.index("id='single-splits'")
    assert "## Do two remedies gain together" in (tmp_path / "README.md").read_text(encoding="utf-8")


def test_a_suite_without_pairs_has_no_such_section(analysis: Analysis) -> None:
    bare = [replace(dataset, asides=Asides()) for dataset in analysis.datasets]
    assert interaction_section(bare) is None
    assert interaction_figure(bare).panels == ()
