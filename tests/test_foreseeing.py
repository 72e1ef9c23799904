"""What a dry run foresees: from the stored spread, for other numbers of repeats, folds and comparisons."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from bench import statistics
from bench.reporting import analyse
from bench.reporting.foreseeing import foresee
from bench.store import Store
from tests.synthetic import World, write

WORLD = World({"baseline": 0.0, "one": 0.01, "two": -0.01, "rule": 0.0}, same_training=("rule",), repeats=8)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return write(tmp_path_factory.mktemp("foreseeing"), WORLD)


def _plan(store: Store, **changes: Any) -> dict[str, Any]:
    plan = store.read_plan()
    return plan | {"datasets": [one | changes for one in plan["datasets"]]}


def _differences(rng: np.random.Generator, count: int, repeats: int, folds: int) -> np.ndarray:
    """Return differences [count, R, m] whose repeats spread by 1 and whose folds by 1.5."""
    return rng.normal(0, 1, (count, repeats, 1)) + rng.normal(0, 1.5, (count, repeats, folds))


@pytest.mark.parametrize(("repeats", "folds"), [(6, 1), (12, 3)])
def test_the_predicted_effect_of_independent_repeats_is_found_four_times_in_five(repeats: int, folds: int) -> None:
    effect = statistics.predicted_detectable(statistics.Spread(1.0, 1.5), "independent", repeats, folds, 4)
    planted = effect + _differences(np.random.default_rng(repeats), 6000, repeats, folds).mean(axis=2)
    tested: Any = stats.ttest_1samp(planted, 0.0, axis=1)
    assert (tested.pvalue < 0.05 / 4).mean() == pytest.approx(0.8, abs=0.02)


def test_the_spread_is_taken_apart_into_what_folds_share_and_what_they_do_not() -> None:
    (many,) = _differences(np.random.default_rng(0), 1, 4000, 2)
    uneven = [one if at % 2 else one[:1] for at, one in enumerate(many)]
    for differences in (list(many), uneven):
        spread = statistics.spread_of(differences, rows=0.3)
        assert (spread.repeat, spread.fold, spread.rows) == (
            pytest.approx(1.0, rel=0.06), pytest.approx(1.5, rel=0.04), 0.3,
        )  # fmt: skip


def test_where_every_repeat_has_one_fold_more_folds_promise_nothing() -> None:
    spread = statistics.spread_of([np.array([value]) for value in (0.1, 0.3, 0.2, 0.5)])
    one, five = (statistics.predicted_detectable(spread, "independent", 10, folds, 1) for folds in (1, 5))
    assert one == five > 0


def test_rows_of_a_fixed_test_set_are_noise_that_repeats_do_not_reduce() -> None:
    spread = statistics.Spread(repeat=0.02, fold=0.0, rows=0.01)
    found = [
        statistics.predicted_detectable(spread, "test set", repeats, 1, 1, test_rows=1000) for repeats in (5, 5000)
    ]
    assert found[0] > found[1] == pytest.approx(2.8 * 0.01, rel=0.02)


def test_what_gives_no_standard_error_gives_no_prediction() -> None:
    assert np.isnan(statistics.predicted_detectable(statistics.Spread(0.1, 0.1), "independent", 1, 5, 1))
    assert np.isnan(statistics.predicted_detectable(statistics.spread_of([np.array([0.1])]), "independent", 5, 1, 1))


def test_for_what_is_stored_the_prediction_is_the_reports_own(store: Store) -> None:
    for one, dataset in zip(foresee(_plan(store), store), analyse(store).datasets, strict=True):
        own = []
        for each in dataset.standings:
            if each.difference is not None and not each.difference.identical:
                found = statistics.detectable_in_standard_errors(each.difference.degrees_of_freedom, 3)
                own.append(each.difference.standard_error * found)
        assert len(own) == one.techniques == 2, "what is identical says nothing of the spread"
        assert one.family == 3
        assert one.effect == pytest.approx(np.median(own), rel=0.2)


def test_more_repeats_find_smaller_effects_and_the_sentence_says_which(store: Store) -> None:
    few, many = (foresee(_plan(store, repeat_count=count), store) for count in (5, 40))
    for before, after in zip(few, many, strict=True):
        assert after.effect < before.effect
        assert f"will find differences of {after.effect:.3g}" in after.sentence
        assert "40 x 2 trainings, 3 comparisons" in after.sentence


def test_what_cannot_be_foreseen_is_said(store: Store, tmp_path: Path) -> None:
    empty = Store(tmp_path / "nothing")
    assert all("no differences to the baseline are stored" in one.sentence for one in foresee(_plan(store), empty))
    fixed = next(one for one in foresee(_plan(store, repeat_count=4), store) if one.facts["label"] == "fixed-test")
    assert fixed.sentence == "fixed-test: no verdicts, as its fixed test set needs at least 5 repeats"
    away = _plan(store)
    away["cells"] = [cell for cell in away["cells"] if cell["technique"] != "baseline"]
    assert all(one.techniques == 0 for one in foresee(away, store))


def test_trials_of_another_version_serve_where_they_were_tested_on_the_same_rows(store: Store) -> None:
    plan = _plan(store)
    renamed = {name: f"new {name}" for name in ("one", "two", "rule")}
    for cell in plan["cells"]:
        cell["technique"] = renamed.get(cell["technique"], cell["technique"])
        cell["keys"] = [f"other {key}" for key in cell["keys"]]
    before, after = foresee(_plan(store), store), foresee(plan, store)
    assert [one.effect for one in after] == [one.effect for one in before]
