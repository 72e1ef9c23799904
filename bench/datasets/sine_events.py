"""sine-events: windows of a noisy sine that are normal or carry one of several rare events."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from bench.datasets.base import Data, Dataset
from bench.keys import numpy_stream
from bench.stages.base import require
from bench.stages.bounds import MOST_VALUES, within

if TYPE_CHECKING:
    import numpy as np

CLASSES = ("normal", "spike", "dropout", "frequency-change", "phase-jump", "amplitude-drift")


@dataclass(frozen=True)
class SineEvents(Dataset):
    """Windows [N, length, 1]: a sine of random amplitude, period and phase, plus noise, with at most one event.

    spike             one to two points moved by 1.5 to 3, where amplitudes are 0.7 to 1.3
    dropout           a fifth to two fifths of the window held at the value where it begins
    frequency-change  the frequency is multiplied (or divided) by 1.5 to 2.5 from some point on
    phase-jump        the phase jumps by a third to two thirds of a turn
    amplitude-drift   the amplitude grows (or shrinks) linearly by a factor of 2 to 3 over the window
    ``normal`` is the share of normal windows; events fall geometrically towards ``rarest``, scaled to the rest.
    ``noise`` is in units of the mean amplitude and sets the difficulty. Class counts are exact, by largest remainder.
    """

    name: ClassVar[str] = "sine-events"
    summary: ClassVar[str] = "windows of a noisy sine with rare events: spike, dropout, frequency, phase, amplitude"
    source: ClassVar[str] = "generator of this project"
    kind = "series"
    repeats = "independent"
    smoke: ClassVar[dict[str, object]] = {"rows": 2500, "test_rows": 1500}

    rows: int = 4000
    test_rows: int = 8000
    length: int = 40
    noise: float = 0.2
    normal: float = 0.94
    rarest: float = 0.003

    def __post_init__(self) -> None:
        """Check sizes and shares."""
        require(self.length >= 20, f"length must be at least 20 points, got {self.length}")
        within("noise", self.noise, 0, 1e6, "amplitudes")
        require(0 < self.normal < 1, f"normal must be a share between 0 and 1, got {self.normal}")
        most = (1 - self.normal) / (len(CLASSES) - 1)
        require(0 < self.rarest <= most, f"rarest must be above 0 and at most {most:.4f}, got {self.rarest}")
        for name in ("rows", "test_rows"):
            rows = getattr(self, name)
            require(rows >= 100, f"{name} must be at least 100, got {rows}")
            within(f"{name} x length", rows * self.length, 1, MOST_VALUES)
            require(min(self._counts(rows)) >= 2, f"{name}={rows} leaves a class with fewer than 2 rows; raise it")

    def classes(self) -> tuple[str, ...]:
        """Return normal and the five events, from common to rare."""
        return CLASSES

    def class_counts(self) -> tuple[int, ...]:
        """Return the exact development rows of each class."""
        return self._counts(self.rows)

    def shares(self) -> list[float]:
        """Return the share of each class. Events fall geometrically; the ratio is solved for by bisection."""
        events = len(CLASSES) - 1
        rest = 1 - self.normal
        low, high = 1.0, 1e6
        for _ in range(200):
            ratio = (low * high) ** 0.5
            total = sum(self.rarest * ratio**power for power in range(events))
            low, high = (ratio, high) if total < rest else (low, ratio)
        return [self.normal, *(self.rarest * low**power for power in reversed(range(events)))]

    def _counts(self, rows: int) -> tuple[int, ...]:
        exact = [share * rows for share in self.shares()]
        counts = [int(value) for value in exact]
        by_remainder = sorted(range(len(exact)), key=lambda index: counts[index] - exact[index])
        for index in by_remainder[: rows - sum(counts)]:
            counts[index] += 1
        return tuple(counts)

    def make(self, seed: int, repeat: int) -> Data:
        """Return fresh windows."""
        rng = numpy_stream("world", seed, self.name, repeat)
        inputs, targets = self._draw(rng, self.rows)
        test_inputs, test_targets = self._draw(rng, self.test_rows)
        return Data(inputs, targets, test_inputs, test_targets)

    def _draw(self, rng: "np.random.Generator", rows: int) -> "tuple[np.ndarray, np.ndarray]":
        """Return windows float32 [rows, length, 1] and their classes, shuffled."""
        import numpy as np

        labels = rng.permutation(np.repeat(np.arange(len(CLASSES)), self._counts(rows)))
        time = np.arange(self.length)
        amplitude = rng.uniform(0.7, 1.3, rows)[:, None] * np.ones(self.length)
        step = np.tile(2 * np.pi / rng.uniform(10, 20, rows)[:, None], self.length)
        start = rng.integers(self.length // 4, self.length // 2, rows)[:, None]
        after = time >= start

        def of(name: str) -> "np.ndarray":
            return (labels == CLASSES.index(name))[:, None]

        def either_way(low: float, high: float) -> "np.ndarray":
            factor = rng.uniform(low, high, (rows, 1))
            return np.where(rng.random((rows, 1)) < 0.5, factor, 1 / factor)

        step = np.where(of("frequency-change") & after, step * either_way(1.5, 2.5), step)
        drift = 1 + (either_way(2, 3) - 1) * time / (self.length - 1)
        amplitude = np.where(of("amplitude-drift"), amplitude * drift, amplitude)
        phase = rng.uniform(0, 2 * np.pi, (rows, 1)) + np.cumsum(step, axis=1)
        phase += of("phase-jump") * (time == start).cumsum(axis=1) * 2 * np.pi * rng.uniform(1 / 3, 2 / 3, (rows, 1))
        series = amplitude * np.sin(phase)

        width = rng.integers(self.length // 5, 2 * self.length // 5, rows)[:, None]
        flat = of("dropout") & after & (time < start + width)
        series = np.where(flat, np.take_along_axis(series, start, axis=1), series)
        peak = of("spike") & after & (time < start + rng.integers(1, 3, rows)[:, None])
        jump = rng.uniform(1.5, 3, (rows, 1)) * np.where(rng.random((rows, 1)) < 0.5, 1, -1)
        series = series + peak * jump + rng.normal(0, self.noise, series.shape)
        return series.astype(np.float32)[..., None], labels.astype(np.int64)
