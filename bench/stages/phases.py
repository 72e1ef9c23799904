"""Slot ``phases``: what changes in the course of a training, and from when on.

A training goes through its phases without a break: each goes on from the weights before it. What a phase does not
change goes on as it was, batches and random streams included, so that a phase that changes nothing is no phase at all.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from bench.stages.base import Stage, require

SLOTS = ("loss", "batches", "augment", "mix", "targets", "penalties", "updates", "optimizer", "schedule", "resample")
PARTS = ("all", "head", "scales")


@dataclass(frozen=True)
class Phase(Stage):
    """Changes to a recipe from a share of the steps on.

    name    in dotted paths and messages
    start   share of the maximum of steps after which it begins, above 0 and below 1
    change  dotted path -> value, of the slots that may change on the way; 'resample' in a phase of the head alone
    part    what it trains: 'all'; the 'head', the last linear map, on features that the frozen rest of the network has
            for the training rows, in evaluation mode and without augmentation, computed once; or one factor per output
            of the frozen head, its 'scales', likewise
    fresh   the head gets new initial weights
    reset   the optimizer begins anew, and the schedule spans this phase; else both go on as they were

    A part other than 'all' begins with a new optimizer, since the old one's state belongs to other weights, and so does
    an average of weights (EMA, SWA). Early stopping watches through all phases, and may keep weights of an early one.
    """

    kind: ClassVar[str] = "phase"
    name: str
    start: float
    change: Mapping[str, Any] = field(default_factory=dict)
    part: Literal["all", "head", "scales"] = "all"
    fresh: bool = False
    reset: bool = False

    def __post_init__(self) -> None:
        """Check the start, the part and what is changed."""
        require(0 < self.start < 1, f"start must be above 0 and below 1, got {self.start}")
        require(self.part in PARTS, f"part must be one of {', '.join(PARTS)}, got '{self.part}'")
        for path in self.change:
            slot = path.split(".")[0]
            require(slot in SLOTS, f"a phase cannot change '{slot}'; it can change {', '.join(SLOTS)}")
            alone = slot not in ("augment", "mix", "resample") or (slot == "resample") == (self.part == "head")
            require(alone, f"a phase of {self.part} cannot change '{slot}'")
            begins = slot != "optimizer" or self.anew
            require(begins, "a phase that changes the optimizer must begin it anew: set 'reset'")
        require(not self.fresh or self.part == "head", "only a phase of the head gives it new weights")

    @property
    def label(self) -> str:
        """Return its name."""
        return self.name

    @property
    def anew(self) -> bool:
        """Return whether the optimizer begins anew and the schedule spans this phase."""
        return self.reset or self.part != "all"
