"""Slot ``stopping``: when to stop, which weights to keep. Watches validation rows only."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from bench.stages.base import Stage, require

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class EarlyStopping(Stage):
    """Stop after ``patience`` validations without a lower validation loss; keep the weights of the lowest.

    The loss watched is the plain one (cross-entropy or squared error), weighted to the target prior.
    """

    kind: ClassVar[str] = "early-stopping"
    patience: int = 3

    def __post_init__(self) -> None:
        """Check the patience."""
        require(self.patience >= 1, f"patience must be at least 1 validation, got {self.patience}")

    def begin(self, trials: int) -> "Watch":
        """Return the watch over a stack of trials."""
        return Watch(trials, self.patience)


class Watch:
    """Lowest loss so far per trial, and for how many validations it has not been beaten."""

    def __init__(self, trials: int, patience: int) -> None:
        import numpy as np

        self._patience = patience
        self._lowest = np.full(trials, np.inf)
        self._waited = np.zeros(trials, dtype=int)

    def update(self, losses: "np.ndarray", active: "np.ndarray") -> "tuple[np.ndarray, np.ndarray]":
        """Take losses [T]; return which trials improved and which are to stop, both bool [T]."""
        improved = active & (losses < self._lowest)
        self._lowest[improved] = losses[improved]
        self._waited[active] += 1
        self._waited[improved] = 0
        return improved, active & (self._waited >= self._patience)
