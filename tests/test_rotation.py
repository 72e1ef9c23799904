"""What a dry run says of folds: the pictures against the rows that a split really holds out."""

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.datasets import create
from bench.datasets.base import Dataset
from bench.rotation import COUNTED, FOLDS_TEST, OWN_TEST, blocks, lines, turns
from bench.splits import folds_of_repeat, split
from bench.suite import SuiteDataset
from tests import tiny


@dataclass(frozen=True)
class Folds(tiny.TinyTable):
    """The tiny table without test rows of its own."""

    @property
    def has_test(self) -> bool:
        return False


def entry(dataset: Dataset, repeats: int, folds: int, per_repeat: int, label: str = "data") -> SuiteDataset:
    return SuiteDataset(
        label, dataset, tiny.baseline(tiny.TinyTable()), "macro_f1", 0.01, repeats, folds, per_repeat, False
    )


@given(st.integers(2, 8), st.integers(1, 12), st.data())
def test_every_repeat_uses_as_many_folds_as_it_should_and_the_pictures_hold_each_block_out_once(
    folds: int, repeats: int, data: st.DataObject
) -> None:
    per_repeat = data.draw(st.integers(1, folds))
    found = turns(entry(tiny.TinyTable(), repeats, folds, per_repeat))
    assert sorted(turn.picture.index("V") for turn in found) == list(range(folds))
    assert {turn.picture.count("T") for turn in found} == {folds - 1}
    for repeat in range(repeats):
        used = [fold for fold, turn in enumerate(found) if repeat in turn.repeats]
        assert used == sorted(folds_of_repeat(folds, per_repeat, repeat))


def test_the_course_tells_it_from_the_last_block_to_the_first() -> None:
    found = turns(entry(tiny.TinyTable(), 7, 5, 1))
    assert [turn.picture for turn in found] == ["TTTTV", "TTTVT", "TTVTT", "TVTTT", "VTTTT"]
    assert [turn.repeats for turn in found] == [(0, 5), (1, 6), (2,), (3,), (4,)]


def test_blocks_of_time_are_drawn_where_they_lie_the_oldest_on_the_left() -> None:
    fraud = create("fraud", {"rows": 2000, "test_rows": 500, "customers": 200})
    data = fraud.make(1, 0)
    assert data.time is not None
    for fold, turn in enumerate(turns(entry(fraud, 1, 5, 5))):
        held = np.median(data.time[split(fraud, data, 5, 1, 0, fold).validation])
        position = np.argmin(np.abs(np.quantile(data.time, [0.1, 0.3, 0.5, 0.7, 0.9]) - held))
        assert turn.picture[position] == "V"


def test_datasets_with_the_same_pictures_share_them_and_say_what_a_block_is() -> None:
    sine = create("sine", {})
    shown = lines(
        [entry(sine, 3, 3, 1, "a"), entry(Folds(), 3, 3, 3, "own"), entry(create("digits", {}), 3, 3, 1, "b")]
    )
    assert shown == [
        f"{OWN_TEST} {COUNTED}",
        "3 repeats x 1 of 3 folds",
        "  TTV  repeat 0",
        "  TVT  repeat 1",
        "  VTT  repeat 2",
        f"  a: blocks are {blocks(sine)}",
        "  b: blocks are random rows, each class in equal shares; every repeat shuffles anew",
        f"{FOLDS_TEST} {COUNTED}",
        "3 repeats x 3 of 3 folds",
        "  TTV  every repeat",
        "  TVT  every repeat",
        "  VTT  every repeat",
        "  own: blocks are random rows, each class in equal shares; every repeat draws new data",
    ]


@pytest.mark.parametrize(
    ("repeats", "folds", "line"),
    [
        (1, 3, "  TVT  not used: the repeats are too few"),
        (20, 2, "  TV  repeats 0, 2, 4, 6, ..., 18"),
        (10, 2, "  TV  repeats 0, 2, 4, 6, 8"),
    ],
)
def test_repeats_are_named_but_not_too_many(repeats: int, folds: int, line: str) -> None:
    assert line in lines([entry(tiny.TinyTable(), repeats, folds, 1)])
