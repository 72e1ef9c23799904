"""Slot ``network``: what a recipe says of a network. Frozen values; torch is loaded when one is built.

T trials, B rows, F features, L points, C outputs (classes or regression targets).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, ClassVar, Literal

from bench.stages.base import Stage, require
from bench.stages.bounds import within

if TYPE_CHECKING:
    from bench.networks.layers import Network
    from bench.stages.context import Context

MOST_WIDTH, MOST_DEPTH = 65_536, 1_000
MOST_DROPOUT = 0.99
ACTIVATIONS = ("relu", "tanh", "gelu", "silu", "elu", "leaky-relu", "sigmoid")


@dataclass(frozen=True)
class NetworkSpec(Stage):
    """Base of the network specifications.

    stacks       whether trials train together in one stack, or one by one with the library's own kernel
    closed_form  whether the weights are solved for instead of trained
    weight       how many times as long an example takes as in a small perceptron, for estimates of remaining time
    """

    stacks: ClassVar[bool] = True
    closed_form: ClassVar[bool] = False
    weight: ClassVar[float] = 1.0

    def build(self, shape: Sequence[int], context: "Context") -> "Network":
        """Return the stacked network for inputs [T, B, *shape], with each trial's initial weights drawn."""
        raise NotImplementedError

    def flops(self, shape: Sequence[int], outputs: int) -> float:
        """Return the multiply-adds times two of one forward pass of one example (biases and activations left out)."""
        raise NotImplementedError


def check_dropout(dropout: float) -> None:
    """Raise ValueError unless dropout is a probability that leaves something, in steps of 1/256."""
    require(0 <= dropout <= MOST_DROPOUT, f"dropout must be at least 0 and at most {MOST_DROPOUT}, got {dropout}")


@dataclass(frozen=True)
class Mlp(NetworkSpec):
    """Fully connected network: ``depth`` hidden layers of ``width`` units.

    dropout: probability that a hidden activation is dropped (never on inputs or outputs), in steps of 1/256.
    """

    kind: ClassVar[str] = "mlp"
    width: int = 64
    depth: int = 2
    activation: Literal["relu", "tanh", "gelu", "silu", "elu", "leaky-relu", "sigmoid"] = "relu"
    dropout: float = 0.0

    def __post_init__(self) -> None:
        """Check sizes, activation and dropout."""
        within("width", self.width, 1, MOST_WIDTH)
        within("depth", self.depth, 0, MOST_DEPTH)
        require(
            self.activation in ACTIVATIONS, f"activation must be one of {', '.join(ACTIVATIONS)}, got {self.activation}"
        )
        check_dropout(self.dropout)

    def build(self, shape: Sequence[int], context: "Context") -> "Network":
        """Return the stacked network."""
        from bench.networks.mlp import MlpNetwork

        return MlpNetwork(self, shape, context)

    def flops(self, shape: Sequence[int], outputs: int) -> float:
        """Return the cost of the matrix products."""
        sizes = [math.prod(shape), *[self.width] * self.depth, outputs]
        return 2.0 * sum(a * b for a, b in pairwise(sizes))


@dataclass(frozen=True)
class Recurrent(NetworkSpec):
    """Base of the recurrent networks: ``layers`` recurrent layers of ``units`` feed a linear head.

    pool     what the head sees of the last layer's states: 'last', or 'max' or 'mean' over time
    dropout  probability that a unit of a layer's output is dropped between layers and before the head
    """

    units: int = 32
    layers: int = 1
    dropout: float = 0.0
    pool: Literal["last", "max", "mean"] = "last"
    gates: ClassVar[int] = 1

    def __post_init__(self) -> None:
        """Check sizes and dropout."""
        within("units", self.units, 1, MOST_WIDTH)
        within("layers", self.layers, 1, MOST_DEPTH)
        require(self.pool in ("last", "max", "mean"), f"pool must be one of last, max, mean, got '{self.pool}'")
        check_dropout(self.dropout)

    def flops(self, shape: Sequence[int], outputs: int) -> float:
        """Return the cost of the matrix products over all time steps."""
        length, channels = shape
        sizes = [channels, *[self.units] * (self.layers - 1)]
        per_step = sum(2.0 * self.gates * self.units * (size + self.units) for size in sizes)
        return length * per_step + 2.0 * self.units * outputs


@dataclass(frozen=True)
class Rnn(Recurrent):
    """Vanilla recurrent network, h = tanh(W x + U h + b). Trials are stacked."""

    kind: ClassVar[str] = "rnn"
    weight: ClassVar[float] = 8.0

    def build(self, shape: Sequence[int], context: "Context") -> "Network":
        """Return the stacked network."""
        from bench.networks.recurrent import RnnNetwork

        return RnnNetwork(self, shape, context)


@dataclass(frozen=True)
class Gru(Recurrent):
    """Gated recurrent unit (Cho 2014, in torch's form). Trials are stacked."""

    kind: ClassVar[str] = "gru"
    weight: ClassVar[float] = 30.0
    gates: ClassVar[int] = 3

    def build(self, shape: Sequence[int], context: "Context") -> "Network":
        """Return the stacked network."""
        from bench.networks.recurrent import GruNetwork

        return GruNetwork(self, shape, context)


@dataclass(frozen=True)
class Lstm(Recurrent):
    """Long short-term memory by torch's own kernel, one trial at a time: on a CPU it beats a stack by hand."""

    kind: ClassVar[str] = "lstm"
    weight: ClassVar[float] = 60.0
    gates: ClassVar[int] = 4
    stacks: ClassVar[bool] = False

    def build(self, shape: Sequence[int], context: "Context") -> "Network":
        """Return the network for one trial."""
        from bench.networks.recurrent import LstmNetwork

        return LstmNetwork(self, shape, context)


@dataclass(frozen=True)
class LastValue(NetworkSpec):
    """Free reference for forecasts: every future point equals the last one seen."""

    kind: ClassVar[str] = "last-value"
    closed_form: ClassVar[bool] = True

    def build(self, shape: Sequence[int], context: "Context") -> "Network":
        """Return the network, which has no weights."""
        from bench.networks.references import LastValueNetwork

        return LastValueNetwork(context)

    def flops(self, shape: Sequence[int], outputs: int) -> float:
        """Return zero: nothing is computed."""
        return 0.0


@dataclass(frozen=True)
class LinearAutoregression(NetworkSpec):
    """Free reference for forecasts: the least-squares linear map from the window to the target."""

    kind: ClassVar[str] = "linear-autoregression"
    closed_form: ClassVar[bool] = True

    def build(self, shape: Sequence[int], context: "Context") -> "Network":
        """Return the linear network; its weights are solved for on the training rows."""
        from bench.networks.references import LinearAutoregressionNetwork

        return LinearAutoregressionNetwork(shape, context)

    def flops(self, shape: Sequence[int], outputs: int) -> float:
        """Return the cost of one matrix product."""
        return 2.0 * math.prod(shape) * outputs
