"""Slot ``stopping``: when to stop, which weights to keep. What watches sees validation rows only; T trials."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from bench.keys import added
from bench.stages.base import Stage, require

if TYPE_CHECKING:
    import numpy as np

    from bench.networks.layers import Network
    from bench.stages.averaging import Average

Watched = Literal["loss", "score"]


@dataclass(frozen=True)
class Stopping(Stage):
    """Base of what decides which weights are kept: a watch over validations, or an average over steps."""

    def begin(self, trials: int, regression: bool = False) -> "Watch | None":
        """Return the watch over a stack of trials, or None where validations decide nothing."""
        return None

    def average(self, network: "Network", steps: int) -> "Average | None":
        """Return the average of a stack's weights over at most ``steps`` steps, or None where the last are kept."""
        return None


@dataclass(frozen=True)
class EarlyStopping(Stopping):
    """Stop after ``patience`` validations without a better one; keep the weights of the best. Source: Prechelt 1998.

    watch: 'loss', the plain one (cross-entropy or squared error), or 'score', the macro-F1 of the largest logit (a
    regression has none, and its loss is watched). Both on validation rows, weighted to the target prior.
    """

    kind: ClassVar[str] = "early-stopping"
    patience: int = 3
    watch: Literal["loss", "score"] = added("loss")

    def __post_init__(self) -> None:
        """Check the patience and what is watched."""
        require(self.patience >= 1, f"patience must be at least 1 validation, got {self.patience}")
        require(self.watch in ("loss", "score"), f"watch must be one of loss, score, got '{self.watch}'")

    def begin(self, trials: int, regression: bool = False) -> "Watch":
        """Return the watch over a stack of trials."""
        return Watch(trials, self.patience, "loss" if regression else self.watch)


class Watch:
    """Best value so far per trial, and for how many validations it has not been beaten.

    of: what it is to be given, a 'loss' (the lower the better) or a 'score' (the higher).
    """

    def __init__(self, trials: int, patience: int, of: Watched = "loss") -> None:
        import numpy as np

        self.of: Watched = of
        self._patience = patience
        self._lowest = np.full(trials, np.inf)
        self._waited = np.zeros(trials, dtype=int)

    def update(self, values: "np.ndarray", active: "np.ndarray") -> "tuple[np.ndarray, np.ndarray]":
        """Take losses or scores [T]; return which trials improved and which are to stop, both bool [T]."""
        losses = -values if self.of == "score" else values
        improved = active & (losses < self._lowest)
        self._lowest[improved] = losses[improved]
        self._waited[active] += 1
        self._waited[improved] = 0
        return improved, active & (self._waited >= self._patience)
