"""Slot ``batches``: how training rows are drawn into mini-batches.

Batches are consecutive blocks of B taken from an endless stream of row numbers (epoch after epoch), so they are
always full. N rows, B rows per batch, C classes.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from bench.stages.base import Stage, require

if TYPE_CHECKING:
    import numpy as np

    Draw = Callable[[int], np.ndarray]


class _Endless:
    """An endless stream of row numbers, refilled one epoch at a time."""

    def __init__(self, epoch: "Callable[[], np.ndarray]") -> None:
        self._epoch = epoch
        self._rest: list[np.ndarray] = []

    def take(self, count: int) -> "np.ndarray":
        """Return the next ``count`` row numbers."""
        import numpy as np

        have = sum(map(len, self._rest))
        while have < count:
            self._rest.append(self._epoch())
            have += len(self._rest[-1])
        rows = np.concatenate(self._rest)
        self._rest = [rows[count:]]
        return rows[:count]


@dataclass(frozen=True)
class Batches(Stage):
    """Base of the ways to draw batches."""

    def start(
        self, labels: "np.ndarray | None", rows: int, batch: int, rng: "np.random.Generator", steps: int
    ) -> "Draw":
        """Return a function k -> row numbers int64 [k, B] of the next k batches of at most ``steps``.

        ``labels`` int64 [N] is None for a regression.
        """
        raise NotImplementedError

    def prior(self, prior: "np.ndarray") -> "np.ndarray":
        """Return the class shares [C] that the loss sees when the training rows have ``prior``."""
        return prior


@dataclass(frozen=True)
class Shuffled(Batches):
    """Every row once per epoch, in a fresh random order."""

    kind: ClassVar[str] = "shuffled"

    def start(
        self, labels: "np.ndarray | None", rows: int, batch: int, rng: "np.random.Generator", steps: int
    ) -> "Draw":
        """Return blocks of concatenated epoch permutations."""
        stream = _Endless(lambda: rng.permutation(rows))
        return lambda count: stream.take(count * batch).reshape(count, batch)


@dataclass(frozen=True)
class WeightedRandom(Batches):
    """Rows drawn with replacement, with probability proportional to n_c^(q-1); redrawn each epoch of N draws.

    q: 1 plain, 0.5 square root, 0 balanced in expectation. The draw is that of torch's WeightedRandomSampler.
    """

    kind: ClassVar[str] = "weighted-random"
    q: float = 0.0

    def __post_init__(self) -> None:
        """Check q."""
        require(0 <= self.q <= 1, f"q must be between 0 (balanced) and 1 (plain), got {self.q}")

    def start(
        self, labels: "np.ndarray | None", rows: int, batch: int, rng: "np.random.Generator", steps: int
    ) -> "Draw":
        """Return blocks of N weighted draws per epoch."""
        import numpy as np

        if labels is None:
            raise ValueError("weighted random sampling needs class labels")
        counts = np.bincount(labels)
        weights = np.power(counts[labels], self.q - 1.0)
        cumulative = np.cumsum(weights / weights.sum())
        cumulative[-1] = 1.0
        stream = _Endless(lambda: np.searchsorted(cumulative, rng.random(rows), side="right"))
        return lambda count: stream.take(count * batch).reshape(count, batch)

    def prior(self, prior: "np.ndarray") -> "np.ndarray":
        """Return shares proportional to pi_c^q."""
        import numpy as np

        powered = np.where(prior > 0, np.power(np.maximum(prior, 1e-300), self.q), 0.0)
        return powered / powered.sum()


@dataclass(frozen=True)
class Progressive(Batches):
    """Rows drawn with replacement, at first all alike, and by and by all classes alike.

    In step t of T, from 0, a row is of class c with probability (1 - t/T) n_c/N + (t/T) 1/C; the rows of a class are
    alike. Source: Kang et al. 2020, section 4.1 (progressively-balanced sampling), where t counts epochs. T is the
    maximum of steps, or in a phase what is left of them.
    """

    kind: ClassVar[str] = "progressive"

    def start(
        self, labels: "np.ndarray | None", rows: int, batch: int, rng: "np.random.Generator", steps: int
    ) -> "Draw":
        """Return batches of drawn rows; raise ValueError without labels."""
        import numpy as np

        if labels is None:
            raise ValueError("progressive sampling needs class labels")
        order = np.argsort(labels, kind="stable")  # rows, class after class
        _, first, counts = np.unique(labels[order], return_index=True, return_counts=True)
        drawn = 0

        def draw(count: int) -> "np.ndarray":
            nonlocal drawn
            share = np.minimum(np.arange(drawn, drawn + count) / steps, 1.0)[:, None]
            drawn += count
            balanced, which, row = rng.random((count, 3, batch)).transpose(1, 0, 2)
            own = (which * len(counts)).astype(np.int64)  # a class, all alike
            of_class = first[own] + (row * counts[own]).astype(np.int64)
            of_all = (row * rows).astype(np.int64)
            return order[np.where(balanced < share, of_class, of_all)]

        return draw

    def prior(self, prior: "np.ndarray") -> "np.ndarray":
        """Return what the loss sees at the end, which the logits then answer for: equal shares."""
        return _even(prior)


@dataclass(frozen=True)
class Balanced(Batches):
    """Every batch has the same number of rows of each class.

    Where C does not divide B, counts differ by at most one and the remainder rotates through the classes. Within a
    class, rows come from that class's own epoch permutations.
    """

    kind: ClassVar[str] = "balanced"

    def start(
        self, labels: "np.ndarray | None", rows: int, batch: int, rng: "np.random.Generator", steps: int
    ) -> "Draw":
        """Return balanced batches; raise ValueError without labels or where B < C."""
        import numpy as np

        if labels is None:
            raise ValueError("balanced batches need class labels")
        members = [np.flatnonzero(labels == label) for label in np.unique(labels)]
        classes = len(members)
        if batch < classes:
            raise ValueError(f"balanced batches of {batch} cannot hold all {classes} classes; raise batch_size")
        streams = [_Endless(lambda own=own: rng.permutation(own)) for own in members]
        base, remainder = divmod(batch, classes)
        drawn = 0

        def draw(count: int) -> "np.ndarray":
            nonlocal drawn
            batches = np.arange(drawn, drawn + count)[:, None]
            drawn += count
            extra = (np.arange(classes)[None, :] - batches * remainder) % classes < remainder
            sizes = base + extra
            labels_of_slots = np.repeat(np.tile(np.arange(classes), count), sizes.ravel())
            out = np.empty(count * batch, dtype=np.int64)
            for label, stream in enumerate(streams):
                out[labels_of_slots == label] = stream.take(int(sizes[:, label].sum()))
            return out.reshape(count, batch)

        return draw

    def prior(self, prior: "np.ndarray") -> "np.ndarray":
        """Return equal shares for the classes that are present."""
        return _even(prior)


def _even(prior: "np.ndarray") -> "np.ndarray":
    """Return equal shares [C] for the classes that are present."""
    present = prior > 0
    return present / present.sum()
