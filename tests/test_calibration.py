"""The calibration bill: Brier and ECE before and after correction, verdicts, words, figure."""

import csv
import io
import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure
from scipy import stats

from bench.companions import ARGMAX, COMPANIONS, CORRECTED
from bench.keys import digest
from bench.reporting import Analysis, analyse, calibrationwords, honesttables
from bench.reporting.calibration import EQUIVALENCE, MEASURES
from bench.reporting.dumbbell import calibration_figure
from bench.reporting.gains import Bill
from bench.reporting.standing import DatasetAnalysis
from bench.store import Store
from tests.posteriors import SAID, World, judged_as, write
from tests.test_figures import assert_texts_do_not_overlap, assert_texts_fit

WORLD = World(repeats=6)
NAMES = tuple(name for name in WORLD.techniques if name not in ("baseline", "A/A"))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return write(tmp_path_factory.mktemp("calibration"), WORLD)


@pytest.fixture(scope="module")
def analysis(store: Store) -> Analysis:
    return analyse(store)


def _dataset(analysis: Analysis, label: str) -> DatasetAnalysis:
    return next(one for one in analysis.datasets if one.label == label)


def _bill(dataset: DatasetAnalysis, technique: str, measure: str = "brier") -> Bill:
    return next(one for one in dataset.standings if one.technique == technique).bill[measure]


def test_balancing_ruins_calibration_and_the_correction_repairs_it(analysis: Analysis) -> None:
    detection = _dataset(analysis, "detection")  # tested on the shares it was trained on
    for name in ("shifted", "logit-adjustment"):
        bill = _bill(detection, name)
        assert bill.before.word == "worse"
        assert bill.after.word not in ("worse", "not scored")
        assert bill.score_after < bill.score_before
    assert _bill(detection, "logit-adjustment").after.word == "identical"  # the baseline's own training, as it was
    assert _bill(detection, "ranks-worse").after.word == "worse"
    assert _bill(detection, "tuned-threshold").before.word == "identical"
    balanced = _dataset(analysis, "balanced")  # tested on balanced classes: what balances is calibrated for them
    assert _bill(balanced, "shifted").before.word == "better"
    base = _bill(balanced, "baseline")
    assert base.score_after < base.score_before


@pytest.mark.parametrize("measure", MEASURES)
def test_changes_are_paired_differences_to_the_baseline_as_it_is(
    store: Store, analysis: Analysis, measure: str
) -> None:
    scores = store.scores()
    held = scores[scores["part"] == "test"].set_index(["key", "rule"])[measure]
    rules = {name: digest(rule) for name, rule in COMPANIONS.items()}

    def of(label: str, technique: str, rule: str) -> np.ndarray:
        return np.array([held[WORLD.key(label, technique, repeat), rules[rule]] for repeat in WORLD.each])

    for label in ("balanced", "detection"):
        base = of(label, "baseline", ARGMAX)
        for name in ("shifted", "ranks-better", "ranks-worse"):
            bill = _bill(_dataset(analysis, label), name, measure)
            for judged, own, score in (
                (bill.before, of(label, name, ARGMAX), bill.score_before),
                (bill.after, of(label, name, CORRECTED), bill.score_after),
            ):
                assert score == pytest.approx(own.mean())
                assert judged.difference is not None
                assert judged.difference.estimate == pytest.approx((own - base).mean())
                interval = stats.ttest_rel(own, base).confidence_interval(0.95)
                assert (judged.difference.low95, judged.difference.high95) == pytest.approx(tuple(interval))
                half = stats.t.ppf(0.95, WORLD.repeats - 1) * judged.difference.standard_error
                inside = abs(judged.difference.estimate) + half < EQUIVALENCE * base.mean()
                assert inside or judged.word != "equivalent"


def test_a_fixed_test_set_gives_no_interval_and_no_verdict(analysis: Analysis) -> None:
    fixed = _dataset(analysis, "fixed")
    for name in ("shifted", "ranks-better"):
        bill = _bill(fixed, name)
        assert bill.before.difference is not None
        assert not bill.before.difference.known
        assert (bill.before.word, bill.after.word) == ("not compared", "not compared")
    assert (
        calibrationwords.sentence(fixed)
        == "Brier has a verdict for no technique: on a fixed test set it has no interval."
    )


# ---- words


def _as_said(before: str, after: str) -> Bill:
    return Bill(judged_as(before), judged_as(after), 0.2, 0.1)


@given(st.lists(st.tuples(st.sampled_from(SAID), st.sampled_from(SAID)), min_size=len(NAMES), max_size=len(NAMES)))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_only_what_is_shown_is_called_worse_or_repaired(analysis: Analysis, said: list[tuple[str, str]]) -> None:
    words = dict(zip(NAMES, said, strict=True))
    before = _dataset(analysis, "detection")
    standings = tuple(
        replace(one, bill={"brier": _as_said(*words[one.technique])}) if one.technique in words else one
        for one in before.standings
    )
    text = calibrationwords.sentence(replace(before, standings=standings))
    judged = [
        name
        for name, (first, _) in words.items()
        if first in ("better", "worse", "equivalent", "identical", "undecided")
    ]
    worse = {name for name, (first, _) in words.items() if first == "worse"}
    if not worse:
        assert "none of" in text or "no technique" in text
        return
    assert text.startswith(f"Brier is worse than the baseline's for {len(worse)} of {len(judged)} technique")
    groups = {
        "better than or equivalent to": {"better", "equivalent", "identical"},
        "still worse": {"worse"},
        "undecided": {"undecided"},
        "without a verdict": {"not compared", "incomplete", "not scored"},
    }
    parts = re.split(r"; (?=\d)", text.rstrip(".").split("class shares ")[1])
    for start, kinds in groups.items():
        own = {name for name in worse if words[name][1] in kinds}
        (told,) = [part for part in parts if start in part] or [""]
        assert set(re.findall(r"[a-z]+(?:-[a-z]+)+|shifted", told.split(": ")[-1] if own else "")) == own
        assert told.startswith(f"{len(own)} ") == bool(own)


# ---- figure and files


def test_the_figure_has_a_panel_per_dataset_and_measure_and_its_numbers_are_the_analysis(
    analysis: Analysis, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[Figure] = []
    save = Figure.savefig

    def keep(figure: Figure, *args: Any, **kwargs: Any) -> None:
        save(figure, *args, **kwargs)
        drawn.append(figure)

    monkeypatch.setattr(Figure, "savefig", keep)
    drawing = calibration_figure(analysis.datasets)
    assert [panel.label for panel in drawing.panels] == [
        f"{label}: {measure}" for label in WORLD.datasets for measure in ("Brier", "ECE")
    ]
    assert_texts_do_not_overlap(drawn)
    assert_texts_fit(drawn)
    for dataset, measure, technique, low, high, *words in drawing.rows:
        if technique != "A/A":
            bill = _bill(_dataset(analysis, dataset), technique, {"Brier": "brier", "ECE": "ece"}[measure])
            assert (low, high) == (bill.score_before, bill.score_after)
            assert technique == "baseline" or words[0].startswith(bill.before.word)
    assert all("<title>" in panel.svg and "<desc>" in panel.svg for panel in drawing.panels)


def test_the_csv_holds_every_bill(analysis: Analysis) -> None:
    for dataset in analysis.datasets:
        rows = list(csv.DictReader(io.StringIO(honesttables.calibration_csv(dataset))))
        assert {(row["technique"], row["measure"]) for row in rows} == {
            (name, measure) for name in WORLD.techniques for measure in MEASURES
        }
        for row in rows:
            if row["technique"] not in ("baseline", "A/A"):
                bill = _bill(dataset, row["technique"], row["measure"])
                assert (row["before_verdict"], row["after_verdict"]) == (bill.before.word, bill.after.word)
                assert float(row["score_after"]) == pytest.approx(bill.score_after, rel=1e-5)
