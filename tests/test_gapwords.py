"""No sentence on the gap claims more than the verdicts on test score, gap and training score do."""

import itertools
import re
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench.reporting import Analysis, analyse, gapwords
from bench.reporting.closing import closing, short_closing, told_closing
from bench.reporting.gaptables import gap_rows
from bench.reporting.standing import DatasetAnalysis, Standing
from bench.statistics import Interval, Verdict
from tests.synthetic import World, write

TECHNIQUES = tuple(f"technique-{letter}" for letter in "abcdefgh")
JUDGED = ("better", "worse", "equivalent", "identical", "undecided")
UNJUDGED = ("incomplete", "not compared", "not applicable")
ALIKE = ("equivalent", "identical")
Said = tuple[str, str, str]  # verdicts on test score, gap, training score


@pytest.fixture(scope="module")
def analysis(tmp_path_factory: pytest.TempPathFactory) -> Analysis:
    effects = {"baseline": 0.0} | dict.fromkeys(TECHNIQUES, 0.0)
    return analyse(write(tmp_path_factory.mktemp("gapwords"), World(effects, datasets=("generator", "errors"))))


def _as_said(one: Standing, said: Said, gain: float, higher: bool) -> Standing:
    """Return a standing with these verdicts, and a difference on test rows that goes with the first."""
    test, gap, train = said
    if one.is_baseline:
        return one
    size = gain * (1 if higher == (test != "worse") else -1)
    difference = Interval(size, 0.01, 5, size - 0.02, size + 0.02, size - 0.015, size + 0.015, 0.01, False, "test")
    verdict = Verdict(test if test in JUDGED else "", "", 0.01, 0.5, 0.0321)
    if test == "not applicable":
        return replace(one, not_applicable="it must not", planned=0, done=0, difference=None, verdict=None)
    done = one.planned - (test == "incomplete")
    silent = test in UNJUDGED
    others = [replace(verdict, word="" if silent else word) for word in (gap, train)]
    return replace(
        one, done=done, difference=difference, verdict=verdict, gap_verdict=others[0], train_verdict=others[1]
    )


def _with(before: DatasetAnalysis, said: dict[str, Said], gains: dict[str, float]) -> DatasetAnalysis:
    standings = tuple(
        _as_said(one, said.get(one.technique, ("", "", "")), gains.get(one.technique, 0.0), before.higher)
        for one in before.standings
    )
    return replace(before, standings=standings)


WORD = st.sampled_from(JUDGED)
SAID = st.tuples(st.sampled_from((*JUDGED, *JUDGED, *UNJUDGED)), WORD, WORD)


@given(
    st.lists(SAID, min_size=len(TECHNIQUES), max_size=len(TECHNIQUES)),
    st.lists(st.floats(0.001, 0.5), min_size=len(TECHNIQUES), max_size=len(TECHNIQUES)),
    st.sampled_from([0, 1]),
)
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_sentence_on_the_gap_says_what_three_verdicts_say(
    analysis: Analysis, words: list[Said], gains: list[float], at: int
) -> None:
    said = dict(zip(TECHNIQUES, words, strict=True))
    dataset = _with(analysis.datasets[at], said, dict(zip(TECHNIQUES, gains, strict=True)))
    up, down, by = ("Raised", "lowered", "lowering") if dataset.higher else ("Lowered", "raised", "raising")
    metric = "macro F1" if dataset.higher else "RMSE"
    sentences = gapwords.summary(dataset)
    for technique, (test, gap, train) in said.items():
        holding = [one for one in sentences if technique in re.split(r"[^\w-]+", one)]
        if test == "not applicable":
            assert holding == []
            continue
        (sentence,) = holding
        head, _, names = sentence.partition(": ")
        aside = re.search(rf"{technique} \(([^()]*)\)", names)
        aside = aside[1] if aside else ""
        judged = test in JUDGED
        assert head.startswith(f"{up} {metric} on test rows") == (test == "better")
        claims_closed = ("closed the gap" in head and "nor closed" not in head) or head.startswith("Closed the gap")
        assert claims_closed == (judged and gap == "better")
        if f"{down} it on training rows" in head or f"by {by} {metric} on training rows" in head:
            assert (gap, train) == ("better", "worse")
        if "only by" in head or "practically equivalent" in head:
            assert test in ALIKE
        if "on test rows undecided" in head:
            assert test == "undecided"
        if head.startswith("Neither"):
            assert test in ("worse", *ALIKE)
            assert gap in ("worse", *ALIKE)
            assert (gap == "worse") == ("the gap widened" in aside)
        told_worse = "less so, on test rows" in head or "worse on test rows" in aside
        assert told_worse == (test == "worse")
        assert not aside.endswith("the gap widened") or gap == "worse"
        assert head.startswith("Incomplete") == (test == "incomplete")
        assert head.startswith("Not compared") == (test == "not compared")
    text = " ".join(sentences)
    assert not re.search(r"no difference|\bsame\b|no effect", text, re.IGNORECASE)
    better = [(gain, one) for one, gain in zip(TECHNIQUES, gains, strict=True) if said[one][0] == "better"]
    if not better:
        assert sentences[0].startswith(("Nothing was shown", "No verdict"))
    short = gapwords.answers(dataset)
    starts = [[re.split("[:,]", one)[0] for one in each] for each in (short, sentences)]
    assert starts[0] == starts[1]


def _expected(test: str, gap: str, train: str) -> str:
    """Return what may be said, from the verdicts alone, by a route of its own."""
    if gap != "better":
        return {"worse": "widened", "undecided": "undecided"}.get(gap, "not closed")
    trained = train == "worse"
    by_test = {"better": "both" if trained else "test"}
    by_training = {"worse": "both worse", "undecided": "train", "equivalent": "train only", "identical": "train only"}
    return by_test.get(test) or (by_training[test] if trained else "how undecided")


@pytest.mark.parametrize("at", [0, 1])
def test_how_the_gap_closed_follows_from_the_three_verdicts(analysis: Analysis, at: int) -> None:
    dataset = analysis.datasets[at]
    one = next(each for each in dataset.standings if not each.is_baseline)
    for test, gap, train in itertools.product(JUDGED, repeat=3):
        held = _as_said(one, (test, gap, train), 0.1, dataset.higher)
        assert closing(held) == _expected(test, gap, train)
        told, short = told_closing(held, dataset.higher), short_closing(held)
        assert told.startswith("closed") == (gap == "better") == short.startswith("gap closed")
        assert ("error" in told) == (not dataset.higher and closing(held) not in ("how undecided",) and gap == "better")
        assert ("training worse" in short) == (gap == "better" and train == "worse")
        assert ("only" in told) == ((gap, train) == ("better", "worse") and test in ALIKE)
    for test in UNJUDGED:
        assert closing(_as_said(one, (test, "better", "worse"), 0.1, dataset.higher)) == ""
    base = dataset.baseline
    assert base is not None
    assert closing(base) == ""


def test_the_table_of_the_gap_stands_by_what_raises_the_test_score(analysis: Analysis) -> None:
    for dataset in analysis.datasets:
        gains = {name: 0.01 * place - 0.03 for place, name in enumerate(TECHNIQUES)}
        held = _with(dataset, dict.fromkeys(TECHNIQUES, ("better", "better", "worse")), gains)
        order = [row[0] for row in gap_rows(held)]
        expected = sorted(gains | {"baseline": 0.0}, key=lambda name: (-(gains | {"baseline": 0.0})[name], name))
        assert [name for name in order if name != TECHNIQUES[3]] == [n for n in expected if n != TECHNIQUES[3]]
