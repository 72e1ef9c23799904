"""Folds partition, never leak, and repeat themselves."""

import dataclasses
import itertools
from typing import Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.cutting import cut
from bench.datasets import create
from bench.datasets.base import Data
from bench.errors import UsageError
from bench.splits import check_folds, folds_of_repeat, picture, split, target_prior
from tests.tiny import TinyTable


class Sorted(TinyTable):
    """A tiny table whose division and test set can be chosen."""

    way: Literal["stratified", "group", "time"] = "stratified"
    own_test = True
    gap = 5.0

    @property
    def division(self) -> Literal["stratified", "group", "time"]:
        return self.way

    @property
    def has_test(self) -> bool:
        return self.own_test


def dataset(way: str, own_test: bool) -> Sorted:
    return type("Chosen", (Sorted,), {"way": way, "own_test": own_test})()


def data(seed: int, rows: int) -> Data:
    rng = np.random.default_rng(seed)
    labels = np.concatenate([np.repeat(np.arange(3), 12), rng.integers(0, 3, rows)])
    inputs = np.arange(len(labels), dtype=np.float32)[:, None]
    groups, when = rng.integers(0, 40, len(labels)), np.sort(np.round(rng.uniform(0, 200, len(labels))))
    return Data(inputs, labels, groups=groups, time=when)


ways = st.sampled_from(["stratified", "group", "time"])


@given(ways, st.booleans(), st.integers(0, 1000), st.integers(60, 200), st.integers(2, 5), st.integers(0, 3))
@settings(max_examples=80, deadline=None)
def test_held_out_folds_partition_the_rows_and_roles_are_disjoint(
    way: str, own_test: bool, seed: int, rows: int, folds: int, repeat: int
) -> None:
    source, arrays = dataset(way, own_test), data(seed, rows)
    held = []
    for fold in range(folds):
        parts = split(source, arrays, folds, 7, repeat, fold)
        roles = [parts.train, parts.validation, *([] if parts.test is None else [parts.test])]
        together = np.concatenate(roles)
        assert len(set(together)) == len(together)
        assert (parts.test is None) == own_test
        held.append(parts.validation if own_test else parts.test)
        if way == "group":
            assert arrays.groups is not None
            owners = [set(arrays.groups[role]) for role in roles]
            assert all(not a & b for i, a in enumerate(owners) for b in owners[:i])
        if way == "time":
            assert arrays.time is not None
            for away in roles[1:]:
                block = arrays.time[away]
                gap = np.maximum(block.min() - arrays.time[parts.train], arrays.time[parts.train] - block.max())
                assert (gap > source.gap).all()
        if way != "time":
            assert len(together) == len(arrays.targets)
    assert sorted(np.concatenate(held)) == list(range(len(arrays.targets)))


@given(st.integers(0, 500), st.booleans())
@settings(max_examples=20, deadline=None)
def test_a_split_is_repeatable_and_another_repeat_reshuffles(seed: int, own_test: bool) -> None:
    source, arrays = dataset("stratified", own_test), data(seed, 120)
    one, again, other = (split(source, arrays, 3, 7, repeat, 1) for repeat in (0, 0, 1))
    np.testing.assert_array_equal(one.train, again.train)
    np.testing.assert_array_equal(one.validation, again.validation)
    assert not np.array_equal(one.train, other.train)


@given(st.lists(st.integers(0, 12), min_size=6, max_size=80), st.integers(2, 5))
@settings(max_examples=150, deadline=None)
def test_rows_of_one_moment_stay_in_one_time_block_and_no_block_is_empty(moments: list[int], folds: int) -> None:
    arrays = data(0, len(moments))
    when = np.array([*moments, *[3] * (len(arrays.targets) - len(moments))], dtype=float)
    arrays, source = dataclasses.replace(arrays, time=when), dataset("time", True)
    if len(np.unique(when)) < folds:
        with pytest.raises(ValueError, match=f"{folds} folds need at least {folds} moments in time"):
            cut(source, arrays, np.arange(len(when)), folds, ("folds", 0))
        return
    blocks = [when[rows] for rows in cut(source, arrays, np.arange(len(when)), folds, ("folds", 0))]
    assert sum(map(len, blocks)) == len(when)
    for early, late in itertools.pairwise(blocks):
        assert early.max() < late.min()


@pytest.mark.parametrize("folds", [2, 5])
def test_time_blocks_of_distinct_moments_are_as_equal_as_can_be(folds: int) -> None:
    arrays = dataclasses.replace(data(0, 90), time=np.random.default_rng(0).permutation(126).astype(float))
    sizes = [len(rows) for rows in cut(dataset("time", True), arrays, np.arange(126), folds, ("folds", 0))]
    assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize("rare", [2, 3, 5, 9])
def test_validation_rows_are_carved_from_every_class_that_has_two(rare: int) -> None:
    arrays = data(0, 100)
    labels = np.array([2] * rare + [0, 1] * ((len(arrays.targets) - rare) // 2 + 1))[: len(arrays.targets)]
    arrays = dataclasses.replace(arrays, targets=labels)
    for fold in range(2):
        parts = split(dataset("stratified", False), arrays, 2, 1, 0, fold)
        assert parts.test is not None
        left = rare - (labels[parts.test] == 2).sum()
        held = (labels[parts.validation] == 2).sum()
        assert held == max(round(0.2 * left), min(1, left - 1))
        assert (labels[parts.train] == 2).sum() >= 1
        both = len(parts.validation) + len(parts.train)
        assert abs(len(parts.validation) - 0.2 * both) < 3, "each of the three classes is rounded on its own"


def test_few_groups_are_enough_where_each_role_has_one() -> None:
    arrays = data(0, 60)
    groups = np.arange(len(arrays.targets)) % 3
    arrays = dataclasses.replace(arrays, groups=groups)
    for fold in range(3):
        parts = split(dataset("group", False), arrays, 3, 1, 0, fold)
        assert parts.test is not None
        assert [len(np.unique(groups[rows])) for rows in (parts.train, parts.validation, parts.test)] == [1] * 3
    two = dataclasses.replace(arrays, groups=np.arange(len(arrays.targets)) % 2)
    with pytest.raises(ValueError, match="too few groups to carve validation rows"):
        split(dataset("group", False), two, 2, 1, 0, 0)
    with pytest.raises(ValueError, match="4 folds need at least 4 groups, there are 3"):
        split(dataset("group", False), arrays, 4, 1, 0, 0)


def test_stratified_folds_hold_every_class_in_proportion() -> None:
    arrays = data(0, 300)
    for fold in range(5):
        parts = split(dataset("stratified", True), arrays, 5, 1, 0, fold)
        counts = np.bincount(arrays.targets[parts.validation], minlength=3)
        np.testing.assert_allclose(counts, np.bincount(arrays.targets) / 5, atol=1)


def test_too_many_folds_and_too_few_rows_are_refused() -> None:
    with pytest.raises(UsageError, match="9 folds are more than the rarest class allows: '9' of digits has about 6"):
        check_folds(create("digits", {}), 9)
    with pytest.raises(UsageError, match="has about 1 rows; it needs at least 2"):
        check_folds(create("digits", {"imbalance": 80, "n_max": 120}), 2)
    with pytest.raises(UsageError, match="folds must be at least 2, got 1"):
        check_folds(create("digits", {}), 1)
    arrays = dataclasses.replace(data(0, 60), time=np.arange(96) / 100)
    with pytest.raises(ValueError, match="leaves no training rows"):
        split(dataset("time", True), arrays, 2, 0, 0, 0)


class Whole(Sorted):
    """A tiny table of a known number of groups or moments."""

    held = 0

    def blocks(self) -> int:
        return self.held


@pytest.mark.parametrize("own_test", [True, False])
@pytest.mark.parametrize("way", ["group", "time"])
def test_folds_of_whole_groups_and_moments_are_refused_before_they_fail(way: str, own_test: bool) -> None:
    refused = []
    for held, folds in itertools.product(range(1, 8), range(2, 8)):
        source = type("Chosen", (Whole,), {"way": way, "own_test": own_test, "held": held, "gap": 0.0})()
        arrays = data(0, 60)
        whole = np.arange(len(arrays.targets)) % held
        arrays = dataclasses.replace(arrays, groups=whole, time=np.sort(whole).astype(float))
        try:
            for fold in range(folds):
                split(source, arrays, folds, 1, 0, fold)
            check_folds(source, folds)
        except UsageError as error:
            pytest.fail(f"{folds} folds of {held} work, and yet: {error}")
        except ValueError:
            with pytest.raises(UsageError, match=r"folds (are more than whole|leave too little)"):
                check_folds(source, folds)
            refused.append((held, folds))
    assert (1, 2) in refused
    assert ((2, 2) in refused) == (not own_test)


@given(st.integers(2, 9), st.integers(0, 50), st.data())
def test_folds_rotate_over_repeats(folds: int, repeats: int, drawn) -> None:
    per_repeat = drawn.draw(st.integers(1, folds))
    used = [fold for repeat in range(folds) for fold in folds_of_repeat(folds, per_repeat, repeat)]
    assert np.ptp(np.bincount(used, minlength=folds)) == 0
    assert len(set(folds_of_repeat(folds, per_repeat, repeats))) == per_repeat


def test_the_picture_is_the_courses() -> None:
    assert picture(5) == ["TTTTV", "TTTVT", "TTVTT", "TVTTT", "VTTTT"]


def test_target_prior_is_uniform_or_the_training_shares() -> None:
    counts = np.array([30, 10])
    np.testing.assert_allclose(target_prior(create("fraud", {}), counts), [0.75, 0.25])
    np.testing.assert_allclose(target_prior(create("digits", {}), counts), [0.5, 0.5])
