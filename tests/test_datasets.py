"""What every dataset promises, and what each one in particular does."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy.optimize import curve_fit

from bench.datasets import DATASETS, create
from bench.datasets.fraud import DELAYED_LABELS, FEATURES, World, expected_share, simulate
from bench.datasets.profiles import PROFILES, class_counts
from bench.datasets.sine import Sine
from bench.datasets.sine_events import CLASSES, SineEvents
from bench.errors import UsageError

SMALL = {
    "fraud": {"rows": 500, "test_rows": 400, "customers": 200},
    "sine": {"series": 4, "test_series": 3, "points": 50},
    "sine-events": {"rows": 1000, "test_rows": 800},
    "digits": {},
}


@pytest.mark.parametrize("name", SMALL)
def test_a_world_is_repeatable_and_another_repeat_or_seed_is_another(name: str) -> None:
    dataset = create(name, SMALL[name])
    prints = [dataset.make(*which).fingerprint() for which in ((1, 0), (1, 0), (1, 1), (2, 0))]
    assert prints[0] == prints[1]
    assert len(set(prints)) == 3


@pytest.mark.parametrize("name", SMALL)
def test_arrays_have_the_promised_types_and_counts(name: str) -> None:
    dataset = create(name, SMALL[name])
    data = dataset.make(1, 0)
    assert data.inputs.dtype == (np.uint8 if dataset.kind == "image" else np.float32)
    assert np.isfinite(data.inputs).all()
    assert data.test_inputs is not None
    assert data.test_inputs.shape[1:] == data.inputs.shape[1:]
    if dataset.task == "classification":
        assert data.targets.dtype == np.int64
        assert set(np.unique(data.targets)) <= set(range(len(dataset.classes())))
        if name != "fraud":
            counts = np.bincount(data.targets, minlength=len(dataset.classes()))
            assert tuple(counts) == dataset.class_counts()
    else:
        assert data.targets.dtype == np.float32
        assert data.targets.shape == (len(data.inputs), 1)


@pytest.mark.parametrize("name", DATASETS)
def test_it_says_what_it_is(name: str) -> None:
    assert DATASETS[name].summary
    assert DATASETS[name].source


@pytest.mark.parametrize(
    ("name", "parameters", "sentence"),
    [
        ("fraude", {}, "did you mean 'fraud'"),
        ("fraud", {"row": 5}, "did you mean 'rows'"),
        ("fraud", {"rows": "many"}, "rows must be of type int"),
        ("fraud", {"rows": True}, "rows must be of type int"),
        ("fraud", {"rows": 10**9}, "raise customers"),
        ("fraud", {"label_noise": 0.7}, "label_noise must be at least 0 and below 0.5"),
        ("fraud", {"fraud_rate": 101}, "fraud_rate must be above 0 and at most 100"),
        ("fraud", {"fraud_rate": float("inf")}, "fraud_rate must be a finite number"),
        ("fraud", {"days": 10**11}, "customers x days must be at least 1 and at most 20000000"),
        ("fraud", {"customers": 10**12}, "customers must be at least 10 and at most 200000"),
        ("sine", {"series": 10**14}, "series x points must be at least 1 and at most 20000000"),
        ("sine", {"test_series": 10**14}, "test_series x points must be"),
        ("sine", {"series": 1, "points": 10**6, "length": 10**5}, "points of all windows of series must be"),
        ("sine", {"noise": 1e300}, "noise must be at least 0 and at most 1000000.0, got 1e+300"),
        ("sine", {"noise": 1e-300}, "noise must be 0 or at least 1e-06"),
        ("sine", {"period": 1e300}, "period must be at least 0.001 and at most 1000000.0 points"),
        ("sine", {"period": 1e-300}, "period must be at least 0.001"),
        ("sine-events", {"rows": 10**14}, "rows x length must be"),
        ("sine-events", {"length": 10**9}, "rows x length must be"),
        ("sine-events", {"noise": 1e300}, "noise must be at least 0 and at most 1000000.0 amplitudes"),
        ("sine", {"noise": -1}, "noise must be at least 0"),
        ("sine", {"phase_only": 1}, "phase_only must be of type bool"),
        ("sine", {"points": 10}, "points must be at least length"),
        ("sine-events", {"rarest": 0.5}, "rarest must be above 0 and at most"),
        ("digits", {"imbalance": 0.5}, "largest class over the smallest, so at least 1"),
        ("digits", {"profile": "longtail"}, "profile must be one of long-tailed"),
        ("digits", {"n_max": 500}, "n_max must be at most"),
        ("table", {}, "the parameter 'path' is missing"),
    ],
)
def test_bad_parameters_are_refused_in_one_sentence(name: str, parameters: dict, sentence: str) -> None:
    with pytest.raises(UsageError) as caught:
        create(name, parameters)
    assert sentence in str(caught.value)


# ---- profiles and digits ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("factor", "counts"),
    [
        (10, (5000, 3871, 2997, 2320, 1796, 1391, 1077, 834, 645, 500)),
        (50, (5000, 3237, 2096, 1357, 878, 568, 368, 238, 154, 100)),
        (100, (5000, 2997, 1796, 1077, 645, 387, 232, 139, 83, 50)),
    ],
)
def test_long_tailed_counts_are_the_literatures(factor: int, counts: tuple[int, ...]) -> None:
    assert class_counts("long-tailed", 5000, factor, 10) == counts
    assert class_counts("step", 5000, factor, 10) == (5000,) * 5 + (5000 // factor,) * 5
    assert class_counts("balanced", 5000, factor, 10) == (5000,) * 10


@given(st.sampled_from(PROFILES), st.integers(1, 300), st.integers(1, 60), st.integers(2, 20))
@example("long-tailed", 2, 49, 10)
def test_a_profile_falls_from_the_largest_class_to_it_over_the_factor(
    profile: str, smallest: int, factor: int, classes: int
) -> None:
    counts = class_counts(profile, smallest * factor, factor, classes)
    assert len(counts) == classes
    assert counts[0] == smallest * factor
    assert counts[-1] == (counts[0] if profile == "balanced" else smallest)
    assert list(counts) == sorted(counts, reverse=True)


def test_digits_has_one_fixed_balanced_test_set_and_never_trains_on_it() -> None:
    dataset = create("digits", {})
    one, other = dataset.make(1, 0), dataset.make(9, 4)
    assert one.test_inputs is not None
    assert one.test_targets is not None
    np.testing.assert_array_equal(one.test_inputs, other.test_inputs)
    assert (np.bincount(one.test_targets) == 50).all()
    tests = {image.tobytes() for image in one.test_inputs}
    drawn = {image.tobytes() for data in (one, other) for image in data.inputs}
    assert not tests & drawn


# ---- sine ---------------------------------------------------------------------------------------------------------


def test_a_sine_target_is_the_next_point_of_its_own_series() -> None:
    data = create("sine", {"series": 5, "points": 60, "length": 20, "stride": 1, "horizon": 2}).make(0, 0)
    assert data.groups is not None
    for group in range(5):
        own = data.groups == group
        windows, targets = data.inputs[own][:, :, 0], data.targets[own]
        np.testing.assert_array_equal(windows[2:, -2:], targets[:-2])
        np.testing.assert_array_equal(windows[1:, :-1], windows[:-1, 1:])


def test_with_phases_alone_every_series_is_the_sine_of_the_pytorch_example() -> None:
    example = {"series": 100, "points": 1000, "period": 125.66, "phase_only": True, "noise": 0}
    source = create("sine", {**example, "test_series": 2, "stride": 50, "length": 900})
    data = source.make(0, 0)
    assert data.groups is not None
    series = data.inputs[:, :, 0].astype(float)
    assert len(np.unique(data.groups)) == 100
    # sin(a + w) + sin(a - w) = 2 cos(w) sin(a), with w = 1/20 radian a point
    np.testing.assert_allclose(series[:, 2:] + series[:, :-2], 2 * np.cos(1 / 20) * series[:, 1:-1], atol=1e-5)
    np.testing.assert_allclose(np.abs(series).max(axis=1), 1.0, atol=1e-3)
    starts = series[np.unique(data.groups, return_index=True)[1], 0]
    assert len(np.unique(np.round(starts, 4))) > 90, "phases differ"
    assert data.unit == 1.0
    assert "phase_only" in source.identity()
    assert "phase_only" not in create("sine", {}).identity(), "keys from before this parameter still hold"


def test_a_series_of_one_sine_is_one() -> None:
    series = Sine(series=60, points=120, noise=1e-6)._draw(np.random.default_rng(0), 60)
    time = np.arange(120)

    def wave(t, amplitude, period, phase, slope):
        return amplitude * np.sin(2 * np.pi * t / period + phase) + slope * t

    fits = 0
    for one in series:
        for period in (12, 20, 32):
            try:
                found, _ = curve_fit(wave, time, one, p0=(1.0, period, 0.0, 0.0), maxfev=400)
            except RuntimeError:
                continue
            if np.abs(wave(time, *found) - one).max() < 1e-3:
                fits += 1
                break
    assert fits >= 8, "about a third of the series hold a single sine"


@pytest.mark.parametrize("rows", [1000, 4000, 12_345])
def test_event_shares_fall_to_the_rarest_and_counts_are_exact(rows: int) -> None:
    dataset = SineEvents(rows=rows)
    shares = dataset.shares()
    assert sum(shares) == pytest.approx(1.0)
    assert shares[-1] == pytest.approx(0.003)
    ratios = np.array(shares[1:-1]) / np.array(shares[2:])
    np.testing.assert_allclose(ratios, ratios[0])
    counts = dataset.class_counts()
    assert sum(counts) == rows
    np.testing.assert_allclose(counts, np.array(shares) * rows, atol=1)


def test_each_event_is_what_its_name_says() -> None:
    dataset = create("sine-events", {"rows": 4000, "noise": 0.0, "rarest": 0.01})
    data = dataset.make(3, 0)
    windows = {name: data.inputs[data.targets == label, :, 0] for label, name in enumerate(CLASSES)}
    flat = (np.diff(windows["dropout"], axis=1) == 0).sum(axis=1)
    assert (flat >= 40 // 5 - 1).all()
    assert ((np.diff(windows["normal"], axis=1) == 0).sum(axis=1) == 0).all()
    curvature = np.abs(np.diff(windows["spike"], 2, axis=1)).max(axis=1)
    assert np.quantile(curvature, 0.05) > np.abs(np.diff(windows["normal"], 2, axis=1)).max()
    early, late = (np.abs(windows["amplitude-drift"][:, part]).max(axis=1) for part in (slice(0, 14), slice(-14, None)))
    assert (np.maximum(early / late, late / early) > 1.2).mean() > 0.9
    early, late = (np.abs(windows["normal"][:, part]).max(axis=1) for part in (slice(0, 14), slice(-14, None)))
    assert (np.maximum(early / late, late / early) > 1.2).mean() < 0.1


# ---- fraud --------------------------------------------------------------------------------------------------------


def test_the_reference_world_has_the_references_rates() -> None:
    worlds = [simulate(np.random.default_rng(seed), 5000, 183, 1.0) for seed in range(3)]
    worlds[0].features()
    rows = np.array([len(world.time) for world in worlds])
    frauds = np.array([world.fraud.sum() for world in worlds])
    # Sampling error of the reference's 1,754,155: rates ~ U(0, 4) of 5,000 customers give 0.8 % either way.
    np.testing.assert_allclose(rows, 1_754_155, rtol=0.04)
    np.testing.assert_allclose(frauds.mean(), 14_681, rtol=0.12)
    world = worlds[0]
    assert 0.006 < world.fraud.mean() < 0.011
    large = world.amount > 220
    assert world.fraud[large].mean() > 0.99
    seconds = (world.time % 1) * 86_400
    assert seconds.mean() == pytest.approx(43_200, rel=0.01)
    assert (np.diff(world.time) >= 0).all()


def test_fraud_scales_with_its_rate() -> None:
    low, high = (simulate(np.random.default_rng(5), 2000, 120, rate).fraud.mean() for rate in (0.5, 2.0))
    assert 2.5 < high / low < 5.5


@pytest.mark.parametrize("rate", [0.1, 1.0, 4.0, 20.0])
def test_expected_fraud_is_what_worlds_hold_once_they_are_settled(rate: float) -> None:
    worlds = [simulate(np.random.default_rng(seed), 1500, 120, rate) for seed in range(4)]
    shares = [world.fraud[world.time > 37].mean() for world in worlds]
    assert expected_share(rate) == pytest.approx(np.mean(shares), rel=0.15)


def test_class_counts_count_flipped_labels() -> None:
    dataset = create("fraud", {**SMALL["fraud"], "rows": 4000, "label_noise": 0.1})
    counts = dataset.class_counts()
    assert counts is not None
    assert counts[1] == pytest.approx(dataset.make(0, 0).targets.sum(), rel=0.15)


@pytest.mark.parametrize("customers", [10, 50, 400])
def test_a_world_that_is_not_refused_has_enough_transactions(customers: int) -> None:
    with pytest.raises(UsageError, match="test_rows must be at most") as caught:
        create("fraud", {"rows": 10, "test_rows": 10**7, "customers": customers})
    most = int(str(caught.value).split("at most ")[1].split()[0])
    dataset = create("fraud", {"rows": 10, "test_rows": most, "customers": customers})
    for repeat in range(10):
        tests = dataset.make(1, repeat).test_targets
        assert tests is not None
        assert len(tests) == most


def test_features_equal_a_slow_recomputation() -> None:
    world = simulate(np.random.default_rng(1), 60, 60, 4.0)
    found = pd.DataFrame(world.features(), columns=list(FEATURES))
    for row in np.random.default_rng(0).choice(len(world.time), 60, replace=False):
        now = world.time[row]
        mine = world.customer == world.customer[row]
        there = world.terminal == world.terminal[row]
        for days in (1, 7, 30):
            recent = mine & (world.time > now - days) & (world.time <= now)
            assert found.loc[row, f"customer count {days}d"] == recent.sum()
            assert found.loc[row, f"customer mean amount {days}d"] == pytest.approx(
                world.amount[recent].mean(), rel=1e-5
            )
            known = there & (world.time > now - 7 - days) & (world.time <= now - 7)
            assert found.loc[row, f"terminal count {days}d"] == known.sum()
            rate = world.fraud[known].mean() if known.any() else 0.0
            assert found.loc[row, f"terminal fraud rate {days}d"] == pytest.approx(rate, abs=1e-6)
        assert found.loc[row, "amount"] == pytest.approx(world.amount[row])
        assert found.loc[row, "hour"] == pytest.approx((now % 1) * 24, abs=1e-5)
        assert found.loc[row, "night"] == ((now % 1) * 24 <= 6)
        assert found.loc[row, "weekend"] == (int(now) % 7 >= 5)


def test_no_feature_knows_a_label_younger_than_seven_days() -> None:
    world = simulate(np.random.default_rng(2), 100, 60, 4.0)
    moment = 40.0
    later = world.time > moment - 7
    changed = World(
        world.time, world.customer, world.terminal, world.amount, np.where(later, ~world.fraud, world.fraud)
    )
    before, after = world.features(), changed.features()
    known = world.time <= moment
    np.testing.assert_array_equal(before[known], after[known])
    exempt = [FEATURES.index(name) for name in DELAYED_LABELS]
    others = [index for index in range(len(FEATURES)) if index not in exempt]
    np.testing.assert_array_equal(before[:, others], after[:, others])
    assert not np.array_equal(before[:, exempt], after[:, exempt])


def test_training_ends_a_week_before_the_test_period_and_label_noise_touches_training_alone() -> None:
    clean = create("fraud", SMALL["fraud"]).make(3, 0)
    noisy = create("fraud", {**SMALL["fraud"], "label_noise": 0.2}).make(3, 0)
    assert clean.time is not None
    assert clean.test_time is not None
    assert clean.time.max() + 7 <= clean.test_time.min()
    np.testing.assert_array_equal(clean.inputs, noisy.inputs)
    np.testing.assert_array_equal(clean.test_targets, noisy.test_targets)
    assert (clean.targets != noisy.targets).mean() == pytest.approx(0.2, abs=0.06)
