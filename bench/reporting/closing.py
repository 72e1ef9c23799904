"""How a technique changed the gap between training and test rows, in the words that three verdicts allow.

The gap is how much better the score on training rows is than on test rows. It closes where the test score rises, where
the training score falls, or both; only the first makes a better model. Whether each of the three changed is a verdict
of its own (``judging``), so that no word here claims more than the intervals do.
"""

from typing import Literal

from bench.reporting.standing import Standing
from bench.statistics import Verdict

Closing = Literal[
    "test", "both", "train only", "train", "both worse", "how undecided", "not closed", "widened", "undecided", ""
]

ALIKE = ("equivalent", "identical")  # verdicts by which something is shown not to have changed beyond the margin
JUDGED = ("better", "worse", "undecided", *ALIKE)
_NOT_CLOSED: dict[str, Closing] = {
    "worse": "widened", "undecided": "undecided", "equivalent": "not closed", "identical": "not closed",
}  # fmt: skip
_SCORES: dict[Closing, str] = {
    "test": "closed: test score raised",
    "both": "closed: test raised, training lowered",
    "train only": "closed: only training score lowered",
    "train": "closed: training score lowered",
    "both worse": "closed: both scores lowered",
    "how undecided": "closed: how is undecided",
    "not closed": "not closed",
    "widened": "widened",
    "undecided": "undecided",
    "": "-",
}
_ERRORS: dict[Closing, str] = {
    **_SCORES,
    "test": "closed: test error lowered",
    "both": "closed: test error lowered, training error raised",
    "train only": "closed: only training error raised",
    "train": "closed: training error raised",
    "both worse": "closed: both errors raised",
}


_SHORT: dict[Closing, str] = {
    "test": "gap closed",
    "both": "gap closed, training worse",
    "train only": "gap closed, training worse",
    "train": "gap closed, training worse",
    "both worse": "gap closed, training worse",
    "how undecided": "gap closed",
    "not closed": "gap not closed",
    "widened": "gap widened",
    "undecided": "gap undecided",
    "": "",
}


def closing(one: Standing) -> Closing:
    """Return how the gap changed; empty where there is no verdict on the test score or none on the gap.

    test: closed, the test score is better, and the training score not shown to be worse. both: closed, the test score
    is better and the training score worse. train only: closed, the training score is worse and the test score shown to
    be alike. train: the same, but what the test score did is undecided. both worse: closed, both scores are worse.
    how undecided: closed, and neither score shown to have done it. not closed: shown to be within the margin.
    """
    if one.word not in JUDGED:
        return ""
    gap, train = _word(one.gap_verdict), _word(one.train_verdict)
    if gap != "better":
        return _NOT_CLOSED.get(gap, "")
    if one.word == "better":
        return "both" if train == "worse" else "test"
    if train != "worse":
        return "how undecided"
    if one.word == "worse":
        return "both worse"
    return "train only" if one.word in ALIKE else "train"


def _word(verdict: Verdict | None) -> str:
    return "" if verdict is None else verdict.word


def told_closing(one: Standing, higher: bool) -> str:
    """Return how the gap changed in words; ``higher``: whether a higher score is better (else it is an error)."""
    return (_SCORES if higher else _ERRORS)[closing(one)]


def short_closing(one: Standing) -> str:
    """Return how the gap changed in a few words that stand beside the verdict on test rows; empty where unknown."""
    return _SHORT[closing(one)]
