"""The SMOTE family: where new rows lie, how many there are, and what is refused."""

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.catalogue import TECHNIQUES
from bench.datasets import create
from bench.datasets.base import Column
from bench.recipe import apply
from bench.stages.preprocessing import Standardise
from bench.stages.resampling import Smote
from bench.stages.smote_cleaned import SmoteEnn, SmoteTomek
from bench.stages.smote_variants import Adasyn, BorderlineSmote, KmeansSmote, SvmSmote
from bench.stages.smoting import Raising, Smotenc
from tests import tiny
from tests.neighbours import COUNTS, distances, nearest, overlapping, starts

VARIANTS = (Smote, BorderlineSmote, SvmSmote, KmeansSmote, Adasyn)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("ratio", [0.6, 1.0])
def test_every_smaller_class_is_raised_as_asked_and_the_rows_stay(variant: type[Raising], ratio: float) -> None:
    rows, labels = overlapping()
    stage = variant(5, ratio)
    some, targets = stage.resample(rows, labels, seed=3)
    np.testing.assert_array_equal(some[: len(rows)], rows)
    np.testing.assert_array_equal(targets[: len(rows)], labels)
    wanted = np.maximum(COUNTS, round(90 * ratio))
    short = wanted - np.bincount(targets)
    assert (np.abs(short) <= (4 if variant is Adasyn else 0)).all(), "ADASYN rounds every row's part"
    again, other = (stage.resample(rows, labels, seed=seed)[0] for seed in (3, 4))
    np.testing.assert_array_equal(some, again)
    assert not np.array_equal(some, other[: len(some)])


@pytest.mark.parametrize("variant", [*VARIANTS, SmoteTomek, SmoteEnn, Smotenc])
def test_a_class_without_more_rows_than_neighbours_is_refused(variant: type[Raising]) -> None:
    rows, labels = overlapping((40, 12, 5))
    sentence = "with 5 neighbours needs more than 5 training rows of every class it raises; class 2 has 5"
    with pytest.raises(ValueError, match=f"{variant.kind} {sentence}"):
        variant(5).resample_table(rows, labels, 0, [slice(1, 4)])


@pytest.mark.parametrize("variant", VARIANTS)
def test_pixels_are_mixed_as_numbers_and_rounded(variant: type[Raising]) -> None:
    rows, labels = overlapping((60, 25), numbers=12)
    images = np.clip(rows * 20 + 100, 0, 255).astype(np.uint8).reshape(-1, 3, 2, 2)
    some, targets = variant(5, 1.0).resample(images, labels, seed=1)
    assert some.dtype == np.uint8
    assert some.shape == (len(targets), 3, 2, 2)
    np.testing.assert_array_equal(some[: len(images)], images)


def test_borderline_smote_starts_from_rows_in_danger() -> None:
    rows, labels = overlapping((90, 40))
    own, new = rows[labels == 1], BorderlineSmote(5, 1.0, surroundings=10).resample(rows, labels, 2)[0][130:]
    others = (labels[nearest(rows, 10)] != 1).sum(1)[labels == 1]
    danger = set(np.flatnonzero((others >= 5) & (others < 10)))
    assert 0 < len(danger) < 40
    possible = starts(new, own, 5)
    assert all(one & danger for one in possible)
    sure = set().union(*(one for one in possible if len(one) == 1))
    assert len(sure & danger) > len(danger) / 2, "and from many of them"


def test_smotes_new_rows_lie_between_neighbours_of_any_row() -> None:
    rows, labels = overlapping((90, 12))
    possible = starts(Smote(5, 1.0).resample(rows, labels, 2)[0][102:], rows[labels == 1], 5)
    assert all(possible)
    assert set().union(*possible) == set(range(12))


def test_svm_smote_starts_from_support_vectors_inwards_or_outwards() -> None:
    from sklearn.svm import SVC

    rows, labels = overlapping((90, 40))
    own, new = rows[labels == 1], SvmSmote(5, 1.0, surroundings=10).resample(rows, labels, 2)[0][130:]
    support = {one - 90 for one in SVC(gamma="scale").fit(rows, labels).support_.tolist() if one >= 90}
    others = (labels[nearest(rows, 10)] != 1).sum(1)[labels == 1]
    danger = {one for one in support if 5 <= others[one] < 10}
    safe = {one for one in support if others[one] < 5}
    inwards, outwards = starts(new, own, 5), starts(new, own, 5, low=-0.5, high=0)
    assert danger
    assert safe
    assert all(one & danger or other & safe for one, other in zip(inwards, outwards, strict=True))


def test_svm_smote_makes_all_rows_also_where_every_support_vector_is_safe() -> None:
    rows, labels = overlapping((90, 30))
    rows[labels == 1] += 4  # far away, and among themselves
    some, targets = SvmSmote(5, 1.0).resample(rows, labels, 0)
    assert np.bincount(targets).tolist() == [90, 90]
    assert all(starts(some[120:], rows[labels == 1], 5, low=-0.5, high=0)), "outwards"


def test_kmeans_smote_stays_within_clusters_where_the_class_is_at_home() -> None:
    rng = np.random.default_rng(0)
    # Three heaps: common rows, rare rows, and common ones with too few rare rows among them.
    middles = np.repeat([[0, 0], [20, 0], [0, 20], [0, 20]], [100, 30, 200, 10], axis=0)
    rows = (middles + rng.normal(size=middles.shape)).astype(np.float32)
    labels = np.repeat([0, 1, 0, 1], [100, 30, 200, 10])
    new = KmeansSmote(5, 1.0, clusters=3).resample(rows, labels, 0)[0][340:]
    assert len(new) == 300 - 40
    assert (distances(new, np.array([[20, 0]])) < 6).all()
    both = KmeansSmote(5, 1.0, clusters=3, enriched=0.0).resample(rows, labels, 0)[0][340:]
    near = distances(both, np.array([[20, 0], [0, 20]])) < 6
    assert near.any(1).all(), "none between the heaps"
    assert near.any(0).all()


def test_adasyn_adds_around_a_row_in_proportion_to_the_other_classes_near_it() -> None:
    rows, labels = overlapping((300, 40), numbers=2)
    others = (labels[nearest(rows, 5)] != 1).mean(1)[labels == 1]
    some = np.concatenate([Adasyn(5, 1.0).resample(rows, labels, seed)[0][340:] for seed in range(3)])
    own = rows[labels == 1]
    counted = np.zeros(40)
    for possible in starts(some, own, 5):
        counted[list(possible)] += 1 / len(possible)  # a row between two neighbours may come from either
    assert np.corrcoef(counted, others)[0, 1] > 0.8
    never = others == 0
    assert counted[never].sum() < 0.2 * counted.sum()


def test_adasyn_also_raises_a_class_that_needs_fewer_rows_than_it_has() -> None:
    rows, labels = overlapping((60, 55))
    targets = Adasyn(5, 1.0).resample(rows, labels, 0)[1]
    assert np.bincount(targets).tolist() == [60, 60]


@pytest.mark.parametrize(
    ("stage", "why"),
    [
        (
            BorderlineSmote(5),
            r"none of its rows is in danger \(of the 10 nearest rows half or more, but not all, of oth",
        ),
        (Adasyn(5), "none of the 5 rows nearest to any of its rows is of another class"),
        (KmeansSmote(5, enriched=50.0), "No clusters found with sufficient samples of class 1"),
    ],
)
def test_a_class_that_cannot_be_raised_is_never_passed_over(stage: Raising, why: str) -> None:
    rows, labels = overlapping((60, 20))
    rows[labels == 1] += 1000
    with pytest.raises(ValueError, match=f"{stage.kind} cannot raise class 1: {why}"):
        stage.resample(rows, labels, 0)


def test_svm_smote_refuses_a_class_that_is_all_noise() -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(2006, 2)).astype(np.float32)
    rows[2000:] = [[-2, 0], [2, 0], [0, 2], [0, -2], [1, 1], [-1, 1]]
    labels = np.repeat([0, 1], [2000, 6])
    with pytest.raises(ValueError, match="svm-smote cannot raise class 1: All support vectors are considered as noise"):
        SvmSmote(5).resample(rows, labels, 0)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: Smotenc(0), "neighbours must be at least 1, got 0"),
        (lambda: Adasyn(5, 1.5), "ratio must be above 0 and at most 1, got 1.5"),
        (lambda: BorderlineSmote(surroundings=0), "surroundings must be at least 1, got 0"),
        (lambda: SvmSmote(surroundings=0), "surroundings must be at least 1, got 0"),
        (lambda: KmeansSmote(clusters=0), "clusters must be at least 1, got 0"),
        (lambda: KmeansSmote(enriched=-1.0), "enriched must be at least 0, got -1.0"),
    ],
)
def test_settings_out_of_range_are_refused(make: Callable[[], Raising], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        make()


# ---- categories -------------------------------------------------------------------------------------------------

LEVELS = (0, 3, 0, 2)  # of a table's columns, 0 for numbers


def table(seed: int, counts: tuple[int, ...] = (40, 12)) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(len(counts)), counts)
    numbers = rng.normal(size=(len(labels), 2)) + labels[:, None]
    codes = [rng.integers(0, levels, len(labels)) for levels in (3, 2)]
    return np.column_stack([numbers[:, 0], codes[0], numbers[:, 1], codes[1]]).astype(np.float32), labels


def encoded(rows: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, tuple[slice, ...]]:
    columns = [Column(f"x{place}", levels) for place, levels in enumerate(LEVELS)]
    fitted = Standardise().fit(rows, labels, columns, regression=False)
    return fitted.inputs(rows), fitted.categories


@given(st.integers(0, 1000))
@settings(max_examples=10, deadline=None)
def test_categories_are_where_they_are_said_to_be(seed: int) -> None:
    rows, labels = table(seed)
    inputs, places = encoded(rows, labels)
    assert places == (slice(2, 5), slice(5, 7))
    for place, column in zip(places, (1, 3), strict=True):
        np.testing.assert_array_equal(inputs[:, place].argmax(1), rows[:, column])
        np.testing.assert_array_equal(inputs[:, place].sum(1), 1)


@given(st.integers(0, 1000))
@settings(max_examples=10, deadline=None)
def test_smotenc_is_imbalanced_learns_on_codes(seed: int) -> None:
    from imblearn.over_sampling import SMOTENC

    rows, labels = table(seed)
    inputs, places = encoded(rows, labels)
    some, targets = Smotenc(5, 1.0).apply(inputs, labels, seed, places)
    codes = np.column_stack([inputs[:, :2], rows[:, [1, 3]]])
    expected, expected_targets = SMOTENC([2, 3], random_state=seed, k_neighbors=5).fit_resample(codes, labels)
    np.testing.assert_array_equal(targets, expected_targets)
    np.testing.assert_allclose(some[:, :2], expected[:, :2], atol=1e-6)
    for place, column in zip(places, (2, 3), strict=True):
        np.testing.assert_array_equal(some[:, place].argmax(1), expected[:, column])
        np.testing.assert_array_equal(np.sort(some[:, place], axis=1)[:, :-1], 0)
        np.testing.assert_array_equal(some[:, place].max(1), 1)


def test_smotenc_gives_a_new_row_the_category_that_most_neighbours_have() -> None:
    rows, labels = table(0, (60, 20))
    rows[labels == 1, 1] = 2
    rows[np.flatnonzero(labels == 1)[0], 1] = 0  # one of its own
    inputs, places = encoded(rows, labels)
    new = Smotenc(5, 1.0).apply(inputs, labels, 0, places)[0][80:]
    assert (new[:, places[0]].argmax(1) == 2).all()


def test_a_row_without_a_category_keeps_none() -> None:
    rows, labels = table(0)
    inputs, places = encoded(rows, labels)
    inputs[labels == 1, places[1]] = 0
    some = Smotenc(5, 1.0).apply(inputs, labels, 0, places)[0]
    np.testing.assert_array_equal(some[: len(inputs)], inputs)
    assert (some[len(inputs) :, places[1]] == 0).all()


def test_smotenc_wants_categories_and_numbers() -> None:
    rows, labels = overlapping((40, 12))
    with pytest.raises(ValueError, match="smotenc needs a table with categories, and there are none here; use smote"):
        Smotenc(5).apply(rows, labels, 0)
    with pytest.raises(ValueError, match="smotenc needs a table with numbers beside its categories"):
        Smotenc(5).apply(np.eye(4, dtype=np.float32)[np.arange(52) % 4], labels, 0, [slice(0, 4)])


def test_smotenc_does_not_apply_to_a_table_of_numbers_alone_nor_to_images() -> None:
    smotenc = TECHNIQUES["smotenc"]
    mixed, fraud, images = tiny.DATASETS["table"], create("fraud", {}), tiny.DATASETS["image"]
    recipe = tiny.baseline(mixed)
    reasons = [smotenc.not_applicable(one.task, one.kind, recipe, one.offers()) for one in (mixed, fraud, images)]
    assert reasons[0] == ""
    assert reasons[1] == "smotenc applies to data with categories"
    assert reasons[2] == "smotenc applies to table data, not to image data"


def test_a_users_table_offers_categories_only_beside_numbers(tmp_path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("a,b,y\n" + "".join(f"{i},{'uvw'[i % 3]},{'pq'[i % 2]}\n" for i in range(40)), encoding="utf-8")
    assert "categories" in create("table", {"path": str(path), "target": "y"}).offers()
    for dropped in ("a", "b"):
        alone = create("table", {"path": str(path), "target": "y", "drop": (dropped,)})
        assert "categories" not in alone.offers()


def test_smotenc_trains_on_valid_categories() -> None:
    dataset = tiny.DATASETS["table"]
    recipe = apply(tiny.baseline(dataset), TECHNIQUES["smotenc"].change)
    ready = tiny.prepared(dataset, recipe)
    (place,) = ready.scaling.categories
    assert ready.inputs[:, place].sum(1).tolist() == [1.0] * len(ready.targets)
    plain = tiny.prepared(dataset, dataclasses.replace(recipe, resample=Smote(5, 1.0)))
    fractions = plain.inputs[:, place]
    assert ((fractions > 0) & (fractions < 1)).any(), "which plain SMOTE does not see to"
