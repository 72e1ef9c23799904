"""PyTorch's public time_sequence_prediction example, trained by this project's L-BFGS.

    python -m tests.performance.sine_lbfgs [--library]

100 sines of 1,000 points, sin(t / 20 + phase), all but the first three to train on; two LSTM layers of 51 units and a
linear map, which say the next point at every point; squared error in double precision; L-BFGS at rate 0.8, 15 steps of
at most 20 iterations on all series at once. The full size takes about a quarter of an hour on one core. The series are
those of the dataset ``sine`` with ``phase_only``; the public script draws whole numbers as phases. With ``--library``
torch's LBFGS is called without anything of this project, for comparison.
"""

import argparse
import time
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from bench.datasets.sine import Sine
from bench.stages.coupled import Lbfgs
from bench.stages.stepping import Steppers

RATE, PERIOD = 0.8, 40 * np.pi


@dataclass(frozen=True)
class Setting:
    """How much of it: series, points of each, hidden units, optimizer steps, iterations of each at most."""

    series: int = 100
    points: int = 1000
    units: int = 51
    steps: int = 15
    iterations: int = 20
    held_out: int = 3


@dataclass(frozen=True)
class Told:
    """Mean squared error on the training series before each step, and on the others at the end."""

    losses: list[float]
    test_loss: float


class Sequence(nn.Module):
    """Two LSTM layers and a linear map: the next point at every point, [S, L] -> [S, L]."""

    def __init__(self, units: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(1, units, num_layers=2, batch_first=True)
        self.linear = nn.Linear(units, 1)

    def forward(self, series: torch.Tensor) -> torch.Tensor:
        """Return what is said to follow each point."""
        return self.linear(self.lstm(series[:, :, None])[0])[:, :, 0]


def series_of(setting: Setting) -> torch.Tensor:
    """Return sines float64 [S, points] without noise."""
    dataset = Sine(
        series=setting.series, points=setting.points, length=setting.points - 1, period=PERIOD, noise=0, phase_only=True
    )
    made = dataset.make(0, 0)
    return torch.from_numpy(np.concatenate([made.inputs[:, :, 0], made.targets], axis=1)).double()


def train(setting: Setting, library: bool = False, say: bool = False) -> Told:
    """Train and return the losses; ``library``: with torch's optimizer as it is; ``say``: print them as they come."""
    torch.manual_seed(0)
    model, series = Sequence(setting.units).double(), series_of(setting)
    held, own = series[: setting.held_out], series[setting.held_out :]
    parameters, criterion = list(model.parameters()), nn.MSELoss()

    def gradients() -> torch.Tensor:
        model.zero_grad()
        loss = criterion(model(own[:, :-1]), own[:, 1:])
        loss.backward()
        return loss.detach()[None]

    if library:
        optimizer = torch.optim.LBFGS(parameters, lr=RATE, max_iter=setting.iterations)

        def step() -> float:
            return float(optimizer.step(lambda: gradients().sum()))  # type: ignore[arg-type]
    else:
        steppers = Steppers([Lbfgs(lr=RATE, max_iter=setting.iterations)], (parameters, []), alone=True)

        def step() -> float:
            return float(steppers.step(gradients).sum())

    losses, began = [], time.monotonic()
    for number in range(setting.steps):
        losses.append(step())
        if say:
            print(f"step {number}: loss {losses[-1]:.3e} before it, {time.monotonic() - began:.0f} s")
    with torch.no_grad():
        test_loss = float(criterion(model(held[:, :-1]), held[:, 1:]))
    return Told([*losses, float(gradients())], test_loss)


def main() -> None:
    """Train at full size and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--library", action="store_true", help="torch's LBFGS without anything of this project")
    told = train(Setting(), parser.parse_args().library, say=True)
    print(f"training loss {told.losses[-1]:.3e}, loss on series held out {told.test_loss:.3e}")


if __name__ == "__main__":
    main()
