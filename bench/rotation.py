"""Which block of rows each repeat holds out, told so that somebody who never heard of folds can follow it."""

from collections.abc import Sequence
from dataclasses import dataclass

from bench.datasets.base import Dataset
from bench.splits import folds_of_repeat, picture
from bench.suite import SuiteDataset

LISTED = 5  # repeats that are named; of more the first ones and the last

OWN_TEST = (
    "Folds: a training learns from the blocks T and is validated on block V; early stopping and thresholds look at V "
    "alone. Scores come from the dataset's own test rows, which are in no block."
)
FOLDS_TEST = (
    "Folds of data without test rows of their own: a training learns from the blocks T, but for a fifth of their rows, "
    "which it is validated on; block V holds the test rows, which only the scores see."
)
COUNTED = "Repeats count from 0, as in the results."


@dataclass(frozen=True)
class Turn:
    """One fold: its picture (T trains, V is held out, as TTTTV) and the repeats that use it."""

    picture: str
    repeats: tuple[int, ...]


def turns(one: SuiteDataset) -> list[Turn]:
    """Return the folds of a dataset in the order in which its repeats come to them.

    Fold 0 holds out the last block of the picture, but of blocks of time the oldest, which is drawn on the left.
    """
    pictures = picture(one.folds)
    if one.dataset.division == "time":
        pictures = [drawn[::-1] for drawn in pictures]
    used = [folds_of_repeat(one.folds, one.folds_per_repeat, repeat) for repeat in range(one.repeats)]
    return [
        Turn(drawn, tuple(repeat for repeat, folds in enumerate(used) if fold in folds))
        for fold, drawn in enumerate(pictures)
    ]


def blocks(dataset: Dataset) -> str:
    """Return what a block of a dataset's development rows is."""
    if dataset.division == "time":
        gap = f", the {dataset.gap:g} days on both sides of V left out" if dataset.gap else ""
        what = f"stretches of time, the oldest on the left{gap}"
    elif dataset.division == "group":
        what = "whole series" if dataset.kind == "series" else "whole groups of rows"
    else:
        what = "random rows, each class in equal shares" if dataset.task == "classification" else "random rows"
    if dataset.repeats == "independent":
        return f"{what}; every repeat draws new data"
    return f"{what}; the same in every repeat" if dataset.division == "time" else f"{what}; every repeat shuffles anew"


def lines(datasets: Sequence[SuiteDataset]) -> list[str]:
    """Return the folds of a suite's datasets in words and pictures; datasets with the same pictures share them."""
    found = []
    for has_test, legend in ((True, OWN_TEST), (False, FOLDS_TEST)):
        alike: dict[tuple[str, ...], list[SuiteDataset]] = {}
        for one in datasets:
            if one.dataset.has_test == has_test:
                alike.setdefault(tuple(_pictures(one)), []).append(one)
        found += [f"{legend} {COUNTED}"] if alike else []
        for pictures, ones in alike.items():
            found += [*pictures, *(f"  {one.label}: blocks are {blocks(one.dataset)}" for one in ones)]
    return found


def _pictures(one: SuiteDataset) -> list[str]:
    """Return the folds of one dataset, a line each, under their number."""
    shown = [f"  {turn.picture}  {_named(turn.repeats, one.repeats)}" for turn in turns(one)]
    return [f"{one.repeats} repeats x {one.folds_per_repeat} of {one.folds} folds", *shown]


def _named(repeats: Sequence[int], count: int) -> str:
    """Return the repeats that use a fold, in words."""
    if len(repeats) == count:
        return "every repeat"
    if len(repeats) < 2:
        return f"repeat {repeats[0]}" if repeats else "not used: the repeats are too few"
    named = [str(repeat) for repeat in repeats]
    return f"repeats {', '.join(named if len(named) <= LISTED else [*named[: LISTED - 1], '...', named[-1]])}"
