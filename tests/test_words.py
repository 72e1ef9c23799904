"""No sentence claims more than its verdict, whatever the verdicts are."""

import io
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rich.console import Console

from bench.reporting import Analysis, analyse, tables, terminal_ranking, words
from bench.reporting.standing import DatasetAnalysis, Standing
from bench.statistics import Interval, Verdict
from tests.synthetic import World, write

TECHNIQUES = tuple(f"technique-{letter}" for letter in "abcdefgh")
OPENINGS = {
    "better": "Better than the baseline",
    "worse": "Worse than the baseline",
    "equivalent": "Practically equivalent",
    "identical": "Identical to it",
    "undecided": "Undecided",
    "incomplete": "Incomplete, so without a verdict",
    "not compared": "Not compared",
}
WORDS = (*OPENINGS, "not applicable")


@pytest.fixture(scope="module")
def analysis(tmp_path_factory: pytest.TempPathFactory) -> Analysis:
    effects = {"baseline": 0.0} | dict.fromkeys(TECHNIQUES, 0.0)
    return analyse(write(tmp_path_factory.mktemp("words"), World(effects, datasets=("generator", "errors"))))


def _as_said(one: Standing, word: str, gain: float, higher: bool) -> Standing:
    """Return a standing with this verdict, and a difference that goes with it."""
    if one.is_baseline:
        return one
    size = gain * (1 if higher == (word != "worse") else -1)
    difference = Interval(size, 0.01, 5, size - 0.02, size + 0.02, size - 0.015, size + 0.015, 0.01, False, "test")
    verdict = Verdict(word, "", 0.01, 0.5, 0.0321)
    if word == "not applicable":
        return replace(one, not_applicable="it must not", planned=0, done=0, difference=None, verdict=None)
    if word == "incomplete":
        return replace(one, done=one.planned - 1, difference=difference, verdict=replace(verdict, word=""))
    if word == "not compared":
        return replace(one, difference=difference, verdict=replace(verdict, word=""))
    return replace(one, difference=difference, verdict=verdict)


@given(
    st.lists(st.sampled_from(WORDS), min_size=len(TECHNIQUES), max_size=len(TECHNIQUES)),
    st.lists(st.floats(0.001, 0.5), min_size=len(TECHNIQUES), max_size=len(TECHNIQUES)),
    st.sampled_from([0, 1]),
)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_sentence_says_of_a_technique_what_its_verdict_is(
    analysis: Analysis, said: list[str], gains: list[float], at: int
) -> None:
    before = analysis.datasets[at]
    given_words = dict(zip(TECHNIQUES, zip(said, gains, strict=True), strict=True)) | {"baseline": ("", 0.0)}
    dataset = replace(
        before,
        standings=tuple(_as_said(one, *given_words[one.technique], before.higher) for one in before.standings),
    )
    sentences = words.summary(dataset)
    text = " ".join(sentences)
    for technique, (word, _) in given_words.items():
        holding = [one for one in sentences if technique in re.split(r"[^\w-]+", one)]
        if word in OPENINGS:
            assert len(holding) == 1, "every verdict is told, in one sentence"
            assert holding[0].startswith(OPENINGS[word])
        elif technique != "baseline":
            assert holding == []
    assert not re.search(r"no difference|\bsame\b|no effect", text, re.IGNORECASE)
    for word, opening in OPENINGS.items():
        assert any(one.startswith(opening) for one in sentences) == (word in said)
    _assert_the_largest_gain_is_told(dataset, sentences[0], said, gains)
    assert text.count("(0.0321)") == said.count("undecided")


def _assert_the_largest_gain_is_told(
    dataset: DatasetAnalysis, finding: str, said: list[str], gains: list[float]
) -> None:
    better = [
        (gain, technique) for gain, technique, word in zip(gains, TECHNIQUES, said, strict=True) if word == "better"
    ]
    if better:
        gain = max(better)[0]
        names = [technique for other, technique in better if round(other, 12) == round(gain, 12)]
        shown = gain if dataset.higher else -gain
        assert any(re.search(rf": {name} \([^)]*{re.escape(f'{shown:+.4f} [')}", finding) for name in names)
        assert ("the largest estimate" in finding) == (len(better) > 1)
    else:
        assert finding.startswith(("No verdict", "Nothing was shown to be better"))


def test_every_undecided_shows_what_would_have_been_found(analysis: Analysis) -> None:
    out = io.StringIO()
    Console(file=out, width=160).print(terminal_ranking(analysis))
    shown = {line.split()[1]: line for line in out.getvalue().splitlines() if " undecided (" in line}
    undecided = [one for dataset in analysis.datasets for one in dataset.standings if one.word == "undecided"]
    assert len(undecided) > 3
    for one in undecided:
        assert one.verdict is not None
        least = one.verdict.smallest_detectable
        assert tables.cells(one)["detectable"] == f"{least:.4f}"
    assert tables.UNDECIDED in out.getvalue()
    last = {one.technique: one for one in undecided}
    for technique, line in shown.items():
        verdict = last[technique].verdict
        assert verdict is not None
        assert f"undecided ({verdict.smallest_detectable:.3f})" in line


def test_the_baseline_against_itself_is_the_noise_floor_and_no_verdict(tmp_path: Path) -> None:
    world = World({"baseline": 0.0, "again": 0.0, "good": 0.12}, datasets=("generator", "fixed-test", "folds"))
    store = write(tmp_path, world)
    plain = analyse(store)
    plan = store.read_plan()
    for cell in plan["cells"]:
        cell["replica"] = int(cell["technique"] == "again")
    plan["techniques"] = [one for one in plan["techniques"] if one["label"] != "again"]
    store.write_plan(plan)
    for before, dataset in zip(plain.datasets, analyse(store).datasets, strict=True):
        (as_technique,) = (one for one in before.standings if one.technique == "again")
        noise = dataset.noise
        assert noise is not None
        assert (noise.verdict, noise.rank, noise.class_q is None or np.isnan(noise.class_q).all()) == (None, None, True)
        assert noise.difference == as_technique.difference
        assert noise.difference is not None
        trials = {name: dataset.trials.where(dataset.trials["technique"] == name) for name in ("again", "baseline")}
        cells = [trials[name]["macro_f1"].reshape(world.repeats, world.folds) for name in trials]
        assert noise.spread == pytest.approx((cells[0] - cells[1]).mean(axis=1).std(ddof=1))
        (sentence,) = words.noise(dataset)
        assert sentence in words.summary(dataset)
        assert f"{noise.difference.estimate:+.4f} [" in sentence
        assert f"standard deviation of {noise.spread:.4f}" in sentence
        assert words.noise(before) == []
