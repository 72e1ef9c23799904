"""sine: forecasts of sums of sines with trend and noise. Series are split, never windows of one series."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from bench.datasets.base import Data, Dataset, Task
from bench.keys import added, numpy_stream
from bench.stages.base import require
from bench.stages.bounds import MOST_VALUES, within

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Sine(Dataset):
    """Windows [N, length, 1] of noisy series; the target is the next ``horizon`` points, [N, horizon].

    Each series is a sum of 1 to 3 sines (amplitude ~ U(0.5, 1.5), period ~ period * 2^U(-1, 1) points, any phase)
    plus a linear trend of up to +-1 over the series and Gaussian noise. Windows start every ``stride`` points.
    Errors are in units of the noise's standard deviation (of 1 where there is none). Test windows come from series
    of their own.

    With ``phase_only`` a series is one sine of amplitude 1 and exactly that period, without trend: only phases
    differ. The public PyTorch example (100 series sin(t/20 + phase) of 1,000 points, without noise) is
    ``set: {series: 100, points: 1000, period: 125.66, phase_only: true, noise: 0}``; its period scale of 20 points a
    radian is 40 pi points a turn.
    """

    name: ClassVar[str] = "sine"
    summary: ClassVar[str] = "forecast of noisy sums of sines, split by series"
    source: ClassVar[str] = "generator of this project; after the time_sequence_prediction example of PyTorch"
    kind = "series"
    repeats = "independent"
    smoke: ClassVar[dict[str, object]] = {"series": 20, "test_series": 10, "points": 100}

    series: int = 30
    test_series: int = 40
    points: int = 120
    length: int = 30
    horizon: int = 1
    stride: int = 2
    period: float = 20.0
    noise: float = 0.2
    phase_only: bool = added(False)

    def __post_init__(self) -> None:
        """Check sizes and noise."""
        for name in ("series", "test_series", "length", "horizon", "stride"):
            require(getattr(self, name) >= 1, f"{name} must be at least 1, got {getattr(self, name)}")
        least = self.length + self.horizon
        require(self.points >= least, f"points must be at least length + horizon = {least}, got {self.points}")
        within("period", self.period, 0.001, 1e6, "points")
        within("noise", self.noise, 0, 1e6)
        require(
            not 0 < self.noise < 1e-6,
            f"noise must be 0 or at least 1e-06, as errors are in its units; got {self.noise}",
        )
        windows = (self.points - least) // self.stride + 1
        for name in ("series", "test_series"):
            within(f"{name} x points", getattr(self, name) * self.points, 1, MOST_VALUES)
            within(f"points of all windows of {name}", getattr(self, name) * windows * least, 1, 10 * MOST_VALUES)

    @property
    def task(self) -> Task:
        """Return 'regression'."""
        return "regression"

    @property
    def metric(self) -> str:
        """Return the root mean squared error."""
        return "rmse"

    @property
    def division(self) -> Literal["group"]:
        """Return 'group': whole series."""
        return "group"

    def classes(self) -> tuple[str, ...]:
        """Return nothing: a regression has no classes."""
        return ()

    def class_counts(self) -> None:
        """Return None: a regression has no classes."""

    def blocks(self) -> int:
        """Return the number of series."""
        return self.series

    def make(self, seed: int, repeat: int) -> Data:
        """Return windows of fresh series."""
        rng = numpy_stream("world", seed, self.name, repeat)
        inputs, targets, groups = self._windows(self._draw(rng, self.series))
        test_inputs, test_targets, test_groups = self._windows(self._draw(rng, self.test_series))
        return Data(
            inputs, targets, test_inputs, test_targets, groups=groups, test_groups=test_groups, unit=self.noise or 1.0
        )

    def _draw(self, rng: "np.random.Generator", series: int) -> "np.ndarray":
        """Return series float32 [S, points]."""
        import numpy as np

        time = np.arange(self.points)
        if self.phase_only:
            turn = 2 * np.pi * (time / self.period + rng.uniform(0, 1, (series, 1)))
            return (np.sin(turn) + rng.normal(0, self.noise, turn.shape)).astype(np.float32)
        count = rng.integers(1, 4, (series, 1))
        used = np.arange(3)[None, :] < count
        amplitude = rng.uniform(0.5, 1.5, (series, 3)) * used
        period = self.period * 2 ** rng.uniform(-1, 1, (series, 3))
        phase = rng.uniform(0, 2 * np.pi, (series, 3))
        waves = amplitude[..., None] * np.sin(2 * np.pi * time / period[..., None] + phase[..., None])
        trend = rng.uniform(-1, 1, (series, 1)) * time / self.points
        return (waves.sum(1) + trend + rng.normal(0, self.noise, (series, self.points))).astype(np.float32)

    def _windows(self, series: "np.ndarray") -> "tuple[np.ndarray, np.ndarray, np.ndarray]":
        """Return inputs [N, length, 1], targets [N, horizon] and the series that each window is from."""
        import numpy as np

        whole = self.length + self.horizon
        windows = np.lib.stride_tricks.sliding_window_view(series, whole, axis=1)[:, :: self.stride]
        groups = np.repeat(np.arange(len(series)), windows.shape[1])
        windows = np.ascontiguousarray(windows.reshape(-1, whole))
        return windows[:, : self.length, None], windows[:, self.length :], groups
