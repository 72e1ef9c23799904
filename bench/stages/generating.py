"""Rows for rare classes from a small network that learned to make them: an autoencoder's, and a GAN's.

The network is trained on the training rows, for a number of steps whatever their count, in batches with as many rows of
one class as of another. Numbers are centred and scaled for it: those of tables and series each by itself, pixels all by
one standard deviation. M new rows, F numbers, B rows of a batch, Z codes.
"""

import dataclasses
import importlib
import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

from bench.stages.base import require
from bench.stages.sampler import Resample, class_counts, flat, raised, raised_counts

if TYPE_CHECKING:
    import numpy as np
    import torch
    from torch import nn

FEWEST = 2  # rows of a class, from which alone it could not learn how they differ
RATE = 2e-3  # of Adam, at the beginning


@dataclass(frozen=True)
class Generating(Resample):
    """Base of the generators.

    ratio: every class smaller than ratio * n_max is raised to that, in (0, 1]; 1 raises every class to the largest.
    steps: of training; batch: rows of a step; width: units of a hidden layer.
    """

    ratio: float = 1.0
    steps: int = 500
    batch: int = 128
    width: int = 128

    def __post_init__(self) -> None:
        """Check the numbers."""
        require(0 < self.ratio <= 1, f"ratio must be above 0 and at most 1, got {self.ratio}")
        for name in ("steps", "batch", "width"):
            require(getattr(self, name) >= 1, f"{name} must be at least 1, got {getattr(self, name)}")

    def brief(self, steps: int) -> Self:
        """Return a generator that trains no longer than that."""
        return dataclasses.replace(self, steps=min(self.steps, steps))

    def load(self) -> None:
        """Import torch."""
        importlib.import_module("torch")

    def resample(self, inputs: "np.ndarray", labels: "np.ndarray", seed: int) -> tuple["np.ndarray", "np.ndarray"]:
        """Return the rows, and after them the new ones. Raises ValueError for a class of a single row."""
        import numpy as np
        import torch

        counts = class_counts(labels)
        wanted = raised_counts(counts, self.ratio)
        for label in wanted:
            require(
                counts[label] >= FEWEST,
                f"{self.kind} needs {FEWEST} training rows of every class it raises; class {label} has {counts[label]}",
            )
        if not wanted:
            return inputs, labels
        rows, centre, scale = _scaled(inputs)
        draws = torch.Generator().manual_seed(seed)
        codes = torch.from_numpy(np.unique(labels, return_inverse=True)[1])
        make = self.learned(torch.from_numpy(rows), codes, draws)
        places = {label: place for place, label in enumerate(counts)}

        def new(label: int) -> "np.ndarray":
            with torch.no_grad():
                made = make(places[label], wanted[label] - counts[label]).numpy()
            return made * scale + centre

        return raised(inputs, labels, wanted, new)

    def learned(
        self, rows: "torch.Tensor", codes: "torch.Tensor", draws: "torch.Generator"
    ) -> Callable[[int, int], "torch.Tensor"]:
        """Train on rows [N, F] of the classes codes [N]; return (class, M) -> rows [M, F]."""
        raise NotImplementedError

    def memory(self, counts: dict[int, int], numbers: int) -> int:
        """Return the bytes of the rows as floats, of what is given back, and of the network as it trains."""
        wanted = raised_counts(counts, self.ratio)
        made = max((limit - counts[label] for label, limit in wanted.items()), default=0)
        given = sum((counts | wanted).values())
        return 4 * numbers * (2 * sum(counts.values()) + given + 4 * made + 10 * self.width)


@dataclass(frozen=True)
class AutoencoderSamples(Generating):
    """An autoencoder learns all rows; a class's new rows are decoded from a normal distribution fitted to its codes.

    codes: how many numbers an encoded row has.
    Source: the decoded codes of DeepSMOTE (Dablain et al. 2022), with a normal distribution in place of interpolation,
    which would shrink the class's covariance by a third.
    """

    kind: ClassVar[str] = "autoencoder-samples"
    codes: int = 16

    def __post_init__(self) -> None:
        """Check the numbers."""
        super().__post_init__()
        require(self.codes >= 1, f"codes must be at least 1, got {self.codes}")

    def learned(
        self, rows: "torch.Tensor", codes: "torch.Tensor", draws: "torch.Generator"
    ) -> Callable[[int, int], "torch.Tensor"]:
        """Train encoder and decoder on the mean squared error; return what decodes new codes."""
        import torch

        numbers = rows.shape[1]
        encoder = _network((numbers, self.width, self.codes), draws)
        decoder = _network((self.codes, self.width, numbers), draws)
        step = _descent([encoder, decoder], self.steps)
        choose = _balanced(codes, self.batch, draws)
        for _ in range(self.steps):
            batch = rows[choose()]
            step((decoder(encoder(batch)) - batch).square().mean())

        def make(code: int, count: int) -> "torch.Tensor":
            own = encoder(rows[codes == code])
            # A sum of the deviations of all rows, each times a standard normal number, has their covariance.
            weights = torch.randn(count, len(own), generator=draws) / (len(own) - 1) ** 0.5
            return decoder(own.mean(0) + weights @ (own - own.mean(0)))

        return make


@dataclass(frozen=True)
class GanSamples(Generating):
    """A conditional GAN learns all rows with their classes; a class's new rows are what its generator makes of noise.

    Generator and discriminator, both with two hidden layers, are given the class one-hot and step by turns on the least
    squares of Mao et al. 2017 (eq. 9): real rows are to be told as 1 and made ones as 0, and made ones to be told as 1.
    noise: how many normal numbers a row is made of.
    Source: Goodfellow et al. 2014; Mirza and Osindero 2014 (given the class); Mao et al. 2017.
    """

    kind: ClassVar[str] = "gan-samples"
    noise: int = 16

    def __post_init__(self) -> None:
        """Check the numbers."""
        super().__post_init__()
        require(self.noise >= 1, f"noise must be at least 1, got {self.noise}")

    def learned(
        self, rows: "torch.Tensor", codes: "torch.Tensor", draws: "torch.Generator"
    ) -> Callable[[int, int], "torch.Tensor"]:
        """Train generator and discriminator; return what makes new rows."""
        import torch
        from torch.nn import functional

        classes, numbers = int(codes.max()) + 1, rows.shape[1]
        generator = _network((self.noise + classes, self.width, self.width, numbers), draws)
        judge = _network((numbers + classes, self.width, self.width, 1), draws)
        convince, tell = (_descent([one], self.steps, momentum=0.5) for one in (generator, judge))
        choose = _balanced(codes, self.batch, draws)

        def made(given: "torch.Tensor") -> "torch.Tensor":
            return generator(torch.cat([torch.randn(len(given), self.noise, generator=draws), given], 1))

        def told(batch: "torch.Tensor", given: "torch.Tensor") -> "torch.Tensor":
            return judge(torch.cat([batch, given], 1))

        for _ in range(self.steps):
            chosen = choose()
            given = functional.one_hot(codes[chosen], classes).float()
            new = made(given)
            tell((told(rows[chosen], given) - 1).square().mean() + told(new.detach(), given).square().mean())
            convince((told(new, given) - 1).square().mean())

        return lambda code, count: made(functional.one_hot(torch.full((count,), code), classes).float())


def _scaled(inputs: "np.ndarray") -> tuple["np.ndarray", "np.ndarray", "np.ndarray"]:
    """Return rows [N, ...] as centred and scaled floats [N, F], and centre [F] and scale [F] or [1] to go back."""
    import numpy as np

    rows = flat(inputs)
    centre = rows.mean(0)
    scale = rows.std(0) if inputs.dtype != np.uint8 else np.sqrt(rows.var(0).mean(keepdims=True))
    scale = np.where(scale == 0, 1, scale).astype(np.float32)
    return (rows - centre) / scale, centre, scale


def _network(sizes: tuple[int, ...], draws: "torch.Generator") -> "nn.Module":
    """Return linear layers of these sizes with leaky ReLU between them, initial weights from the generator."""
    from torch import nn

    layers: list[nn.Module] = []
    for inputs, outputs in itertools.pairwise(sizes):
        layer = nn.Linear(inputs, outputs, device="meta").to_empty(device="cpu")  # draws nothing by itself
        nn.init.xavier_uniform_(layer.weight, generator=draws)
        nn.init.zeros_(layer.bias)
        layers += [layer, nn.LeakyReLU(0.2)]
    return nn.Sequential(*layers[:-1])


def _descent(networks: "list[nn.Module]", steps: int, momentum: float = 0.9) -> Callable[["torch.Tensor"], None]:
    """Return what takes a step of Adam down a loss, in the weights of some networks; the rate falls linearly to 0."""
    import torch

    weights = [weight for network in networks for weight in network.parameters()]
    optimizer = torch.optim.Adam(weights, RATE, (momentum, 0.99), fused=True)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1, 0, steps)

    def step(loss: "torch.Tensor") -> None:
        optimizer.zero_grad()
        loss.backward(inputs=weights)
        optimizer.step()
        schedule.step()

    return step


def _balanced(codes: "torch.Tensor", batch: int, draws: "torch.Generator") -> Callable[[], "torch.Tensor"]:
    """Return what draws the row numbers [B] of a batch: a class, each as likely, and then one of its rows."""
    import torch

    order = torch.argsort(codes, stable=True)
    counts = torch.bincount(codes)
    starts = counts.cumsum(0) - counts

    def draw() -> "torch.Tensor":
        drawn = torch.randint(len(counts), (batch,), generator=draws)
        within = (torch.rand(batch, generator=draws, dtype=torch.float64) * counts[drawn]).long()
        return order[starts[drawn] + within]

    return draw
