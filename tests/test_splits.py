"""Folds partition, never leak, and repeat themselves."""

import dataclasses
from typing import Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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


def test_stratified_folds_hold_every_class_in_proportion() -> None:
    arrays = data(0, 300)
    for fold in range(5):
        parts = split(dataset("stratified", True), arrays, 5, 1, 0, fold)
        counts = np.bincount(arrays.targets[parts.validation], minlength=3)
        np.testing.assert_allclose(counts, np.bincount(arrays.targets) / 5, atol=1)


def test_too_many_folds_and_too_few_rows_are_refused() -> None:
    with pytest.raises(UsageError, match="9 folds are more than the rarest class allows: '9' of digits has about 6"):
        check_folds(create("digits", {}), 9)
    arrays = dataclasses.replace(data(0, 60), time=np.arange(96) / 100)
    with pytest.raises(ValueError, match="leaves no training rows"):
        split(dataset("time", True), arrays, 2, 0, 0, 0)


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
