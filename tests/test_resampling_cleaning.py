"""Cleaning samplers: which rows are dropped, by independent rules, and that the rest is the training set's own."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.recipe import apply
from bench.stages.cleaning import (
    Cleaning,
    EditedNearestNeighbours,
    InstanceHardness,
    NearMiss,
    OneSidedSelection,
    TomekLinks,
)
from bench.stages.sampler import Resample
from bench.stages.smote_cleaned import SmoteEnn, SmoteTomek
from bench.stages.smoting import Smote
from tests import tiny
from tests.neighbours import distances, nearest, overlapping

ALL = (
    TomekLinks(),
    EditedNearestNeighbours(),
    OneSidedSelection(),
    NearMiss(1),
    NearMiss(2),
    NearMiss(3),
    InstanceHardness(),
)
TIDYING = ALL[:3]


def named(stage: Resample) -> str:
    return f"{stage.kind}-{getattr(stage, 'version', '')}"


def kept(stage: Resample, rows: np.ndarray, labels: np.ndarray, seed: int = 0) -> np.ndarray:
    """The numbers of the rows that are kept, of which no two are equal."""
    some, targets = stage.resample(rows, labels, seed)
    place = {row.tobytes(): number for number, row in enumerate(rows)}
    assert len(place) == len(rows)
    numbers = np.array([place[row.tobytes()] for row in some])
    np.testing.assert_array_equal(labels[numbers], targets)
    return numbers


@pytest.mark.parametrize("stage", ALL, ids=named)
@pytest.mark.parametrize("images", [False, True], ids=["numbers", "images"])
def test_what_is_kept_are_rows_of_the_training_set_in_its_order(stage: Cleaning, images: bool) -> None:
    rows, labels = overlapping((60, 40, 12), numbers=12)
    mixed = np.random.default_rng(0).permutation(len(labels))
    rows, labels = rows[mixed], labels[mixed]
    if images:
        rows = np.clip(rows * 20 + 100, 0, 255).astype(np.uint8).reshape(-1, 3, 2, 2)
    numbers = kept(stage, rows, labels)
    assert (np.diff(numbers) > 0).all(), "none twice"
    assert len(numbers) < len(labels)
    assert stage.resample(rows, labels, 0)[0].dtype == rows.dtype
    assert set(np.flatnonzero(labels == 2)) <= set(numbers), "the smallest class is whole"
    np.testing.assert_array_equal(numbers, kept(stage, rows, labels))


@pytest.mark.parametrize("stage", ALL[3:], ids=named)
@pytest.mark.parametrize("ratio", [0.5, 1.0])
def test_those_with_a_ratio_cut_every_larger_class_to_it(stage: Cleaning, ratio: float) -> None:
    rows, labels = overlapping((90, 40, 20))
    counts = np.bincount(apply_ratio(stage, ratio).resample(rows, labels, 0)[1])
    wanted = np.minimum([90, 40, 20], round(20 / ratio))
    assert (counts == wanted).all() or (getattr(stage, "version", 0) == 3 and (counts <= wanted).all())


def apply_ratio(stage: Cleaning, ratio: float) -> Cleaning:
    recipe = apply(tiny.baseline(tiny.DATASETS["table"]), {"resample": stage, "resample.ratio": ratio})
    assert isinstance(recipe.resample, Cleaning)
    return recipe.resample


@given(st.integers(0, 10_000))
@settings(max_examples=15, deadline=None)
def test_tomek_links_are_pairs_of_nearest_rows_of_two_classes(seed: int) -> None:
    rows, labels = overlapping((30, 12), seed=seed)
    near = nearest(rows, 1)[:, 0]
    linked = (near[near] == np.arange(42)) & (labels[near] != labels)
    np.testing.assert_array_equal(kept(TomekLinks(), rows, labels), np.flatnonzero(~linked | (labels == 1)))


@given(st.integers(0, 10_000), st.sampled_from(["majority", "all"]))
@settings(max_examples=15, deadline=None)
def test_edited_rows_are_those_that_their_neighbours_are_not_of_the_class_of(seed: int, agreement: str) -> None:
    rows, labels = overlapping((30, 12), seed=seed)
    same = (labels[nearest(rows, 3)] == labels[:, None]).sum(1)
    fine = same >= (2 if agreement == "majority" else 3)
    stage = EditedNearestNeighbours(agreement=agreement)
    if not fine[labels == 0].any():
        return
    np.testing.assert_array_equal(kept(stage, rows, labels), np.flatnonzero(fine | (labels == 1)))


@pytest.mark.parametrize("version", [1, 2, 3])
def test_near_miss_keeps_rows_by_their_mean_distance_to_the_smallest_class(version: int) -> None:
    rows, labels = overlapping((60, 15))
    apart = np.sort(distances(rows[:60], rows[60:]), axis=1)
    if version == 1:
        expected = np.argsort(apart[:, :3].mean(1))[:15]
    elif version == 2:
        expected = np.argsort(apart[:, -3:].mean(1))[:15]
    else:
        shortlist = np.unique(np.argsort(distances(rows[60:], rows[:60]), axis=1)[:, :3])
        expected = shortlist[np.argsort(-apart[shortlist, :3].mean(1))][:15]
    assert set(kept(NearMiss(version), rows, labels)) == {*expected.tolist(), *range(60, 75)}


def test_near_miss_3_may_find_fewer_rows_than_wanted() -> None:
    rows, labels = overlapping((60, 15))
    rows[:57] += 100  # of the larger class only three rows are near the smaller one, and nearest to all of it
    assert np.bincount(NearMiss(3).resample(rows, labels, 0)[1]).tolist() == [3, 15]


def test_instance_hardness_keeps_the_rows_that_are_easiest_to_classify() -> None:
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    rows, labels = overlapping((60, 15))
    model = make_pipeline(StandardScaler(), LogisticRegression())
    told = cross_val_predict(model, rows, labels, cv=StratifiedKFold(5), method="predict_proba")[:60, 0]
    numbers = kept(InstanceHardness(), rows, labels, seed=3)
    assert len(numbers) == 30
    easiest = np.argsort(-told)[:25]
    assert len(np.intersect1d(numbers, easiest)) >= 13, "up to the folds, which are drawn"


def test_one_sided_selection_keeps_what_a_nearest_neighbour_gets_wrong_without_tomek_links() -> None:
    rows, labels = overlapping((40, 15), numbers=2)

    def expected(drawn: int) -> set[int]:
        held = np.append(np.arange(40, 55), drawn)
        wrong = labels[held][distances(rows[:40], rows[held]).argmin(1)] != 0
        left = np.concatenate([np.union1d(np.flatnonzero(wrong), [drawn]), np.arange(40, 55)])
        near = nearest(rows[left], 1)[:, 0]
        linked = (near[near] == np.arange(len(left))) & (labels[left][near] != labels[left])
        return set(left[~linked | (labels[left] == 1)].tolist())

    outcomes = [expected(drawn) for drawn in range(40)]
    found = [set(kept(OneSidedSelection(), rows, labels, seed).tolist()) for seed in range(5)]
    assert all(one in outcomes for one in found)
    assert len({len(one) for one in found}) > 1, "the row that is drawn matters"


@given(st.lists(st.integers(8, 40), min_size=2, max_size=5, unique=True))
@settings(max_examples=20, deadline=None)
def test_classes_of_more_than_an_equal_share_are_treated_or_all_but_the_smallest(counts: list[int]) -> None:
    rows, labels = overlapping(tuple(counts))
    for treated, expected in (
        ("larger", {place for place, count in enumerate(counts) if count > np.mean(counts)}),
        ("not-smallest", {place for place, count in enumerate(counts) if count > min(counts)}),
    ):
        before, after = np.array(counts), np.bincount(TomekLinks(treated).resample(rows, labels, 0)[1])
        assert set(np.flatnonzero(before != after)) <= expected


@pytest.mark.parametrize("stage", TIDYING, ids=named)
def test_where_all_classes_are_of_one_size_none_is_treated(stage: Cleaning) -> None:
    rows, labels = overlapping((20, 20))
    np.testing.assert_array_equal(stage.resample(rows, labels, 0)[0], rows)


class Apart(tiny.TinyTable):
    """The tiny table with classes far from each other."""

    def _inputs(self, rng: np.random.Generator, labels: np.ndarray) -> np.ndarray:
        inputs = super()._inputs(rng, labels)
        inputs[:, :5] += 1000 * labels[:, None]
        return inputs


@pytest.mark.parametrize("stage", [TomekLinks(), EditedNearestNeighbours()], ids=named)
def test_on_classes_apart_nothing_is_dropped_and_the_trial_says_so(stage: Cleaning) -> None:
    recipe = apply(tiny.baseline(Apart()), {"resample": stage})
    ready = tiny.prepared(Apart(), recipe)
    assert ready.no_op
    np.testing.assert_array_equal(ready.inputs, ready.own_inputs)
    assert not tiny.prepared(tiny.DATASETS["table"], recipe).no_op


@pytest.mark.parametrize(
    ("stage", "sentence"),
    [
        (EditedNearestNeighbours(agreement="all"), "leaves none of the 13 training rows of class 0"),
        (
            NearMiss(1, neighbours=13),
            "with 13 neighbours needs as many training rows of every class; the smallest has 12",
        ),
        (InstanceHardness(folds=13), "in 13 folds needs 13 training rows of every class; class 1 has 12"),
    ],
)
def test_what_cannot_be_done_is_told(stage: Cleaning, sentence: str) -> None:
    rows = np.append(np.arange(13), np.arange(12) + 0.1).astype(np.float32)[:, None]  # each with another beside it
    with pytest.raises(ValueError, match=f"{stage.kind} {sentence}"):
        stage.resample(rows, np.repeat([0, 1], [13, 12]), 0)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: TomekLinks("all"), "treated must be one of larger, not-smallest, got 'all'"),
        (lambda: EditedNearestNeighbours(neighbours=0), "neighbours must be at least 1, got 0"),
        (lambda: EditedNearestNeighbours(agreement="most"), "agreement must be one of all, majority, got 'most'"),
        (lambda: OneSidedSelection(seeds=0), "seeds must be at least 1, got 0"),
        (lambda: NearMiss(4), "version must be 1, 2 or 3, got 4"),
        (lambda: NearMiss(neighbours=0), "neighbours must be at least 1, got 0"),
        (lambda: NearMiss(ratio=0.0), "ratio must be above 0 and at most 1, got 0.0"),
        (lambda: InstanceHardness(ratio=2.0), "ratio must be above 0 and at most 1, got 2.0"),
        (lambda: InstanceHardness(folds=1), "folds must be at least 2, got 1"),
    ],
)
def test_settings_out_of_range_are_refused(make: Callable[[], Cleaning], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        make()


# ---- after SMOTE ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stage", [SmoteTomek(), SmoteEnn()], ids=named)
def test_smote_and_cleaning_is_both_in_turn(stage: Smote) -> None:
    rows, labels = overlapping((60, 20))
    some, targets = stage.resample(rows, labels, 5)
    full, full_targets = Smote(5, 1.0).resample(rows, labels, 5)
    if isinstance(stage, SmoteTomek):
        near = nearest(full, 1)[:, 0]
        fine = ~((near[near] == np.arange(120)) & (full_targets[near] != full_targets))
    else:
        fine = (full_targets[nearest(full, 3)] == full_targets[:, None]).sum(1) >= 2
    np.testing.assert_array_equal(some, full[fine])
    np.testing.assert_array_equal(targets, full_targets[fine])
    assert not fine[full_targets == 0].all()
    assert not fine[full_targets == 1].all(), "rows of both classes are dropped"
    assert not fine.all()


def test_smote_tomek_is_imbalanced_learns_for_two_classes() -> None:
    from imblearn.combine import SMOTETomek

    rows, labels = overlapping((60, 20))
    expected, expected_labels = SMOTETomek(random_state=5).fit_resample(rows, labels)
    some, targets = SmoteTomek(5, 1.0).resample(rows, labels, 5)
    np.testing.assert_allclose(some, expected, atol=1e-6)
    np.testing.assert_array_equal(targets, expected_labels)
