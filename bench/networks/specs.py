"""Slot ``network``: what a recipe says of a network. Frozen values; torch is loaded when one is built.

T trials, B rows, F features, L points, C outputs (classes or regression targets).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, ClassVar, Literal

from bench.keys import added
from bench.networks.base import (
    ACTIVATIONS,
    HEAD_SCALE,
    MOST_DEPTH,
    NORMALISATIONS,
    NetworkSpec,
    check_choice,
    check_disturbance,
    check_head,
    check_probability,
    check_size,
    scaled,
)
from bench.stages.base import require
from bench.stages.bounds import within

if TYPE_CHECKING:
    from bench.networks.layers import Network
    from bench.stages.context import Context


@dataclass(frozen=True)
class Mlp(NetworkSpec):
    """Fully connected network: ``depth`` hidden layers of ``width`` times ``scale`` units.

    normalisation  'batch' or 'layer', between the linear map and the activation of every hidden layer; or 'none'
    dropconnect    probability that a weight of the last hidden layer is dropped for an example, in steps of 1/256: a
                   fresh mask for each example, the rest scaled up, biases kept. Off at evaluation (Wan 2013)
    """

    kind: ClassVar[str] = "mlp"
    width: int = 64
    depth: int = 2
    activation: Literal["relu", "tanh", "gelu", "silu", "elu", "leaky-relu", "sigmoid"] = "relu"
    dropout: float = 0.0
    scale: float = added(1.0)
    normalisation: Literal["none", "batch", "layer"] = added("none")
    dropconnect: float = added(0.0)
    input_noise: float = added(0.0)
    hidden_noise: float = added(0.0)
    head: Literal["linear", "cosine"] = added("linear")
    head_scale: float = added(HEAD_SCALE)

    def __post_init__(self) -> None:
        """Check sizes, choices and probabilities."""
        check_size("width", self.width, self.scale)
        within("depth", self.depth, 0, MOST_DEPTH)
        check_choice("activation", self.activation, ACTIVATIONS)
        check_choice("normalisation", self.normalisation, NORMALISATIONS)
        check_disturbance(self.dropout, self.input_noise, self.hidden_noise)
        check_head(self.head, self.head_scale)
        check_probability("dropconnect", self.dropconnect)
        require(
            self.dropconnect == 0 or self.depth > 0,
            "dropconnect acts on the last hidden layer, so depth must be at least 1, got 0",
        )

    def sizes(self, inputs: int) -> list[int]:
        """Return the inputs of the first layer and the outputs of every hidden one."""
        return [inputs, *[scaled(self.width, self.scale)] * self.depth]

    def build(self, shape: Sequence[int], context: "Context") -> "Network":
        """Return the stacked network."""
        from bench.networks.mlp import MlpNetwork

        return MlpNetwork(self, shape, context)

    def flops(self, shape: Sequence[int], outputs: int) -> float:
        """Return the cost of the matrix products."""
        sizes = [*self.sizes(math.prod(shape)), outputs]
        return 2.0 * sum(a * b for a, b in pairwise(sizes))


@dataclass(frozen=True)
class Recurrent(NetworkSpec):
    """Base of the recurrent networks: ``layers`` recurrent layers of ``units`` times ``scale`` feed a linear head.

    pool           what the head sees of the last layer's states: 'last', or 'max' or 'mean' over time
    normalisation  of what a layer gives to the next one or to the head: 'batch' (over time, too, between layers),
                   'layer', or 'none'
    dropout        acts there, too, after it
    """

    units: int = 32
    layers: int = 1
    dropout: float = 0.0
    pool: Literal["last", "max", "mean"] = "last"
    scale: float = added(1.0)
    normalisation: Literal["none", "batch", "layer"] = added("none")
    input_noise: float = added(0.0)
    hidden_noise: float = added(0.0)
    head: Literal["linear", "cosine"] = added("linear")
    head_scale: float = added(HEAD_SCALE)
    gates: ClassVar[int] = 1

    def __post_init__(self) -> None:
        """Check sizes, choices and probabilities."""
        check_size("units", self.units, self.scale)
        within("layers", self.layers, 1, MOST_DEPTH)
        check_choice("pool", self.pool, ("last", "max", "mean"))
        check_choice("normalisation", self.normalisation, NORMALISATIONS)
        check_disturbance(self.dropout, self.input_noise, self.hidden_noise)
        check_head(self.head, self.head_scale)

    def sizes(self, channels: int) -> list[int]:
        """Return the inputs of the first layer and the units of every layer."""
        return [channels, *[scaled(self.units, self.scale)] * self.layers]

    def flops(self, shape: Sequence[int], outputs: int) -> float:
        """Return the cost of the matrix products over all time steps."""
        length, channels = shape
        sizes = self.sizes(channels)
        per_step = sum(2.0 * self.gates * units * (size + units) for size, units in pairwise(sizes))
        return length * per_step + 2.0 * sizes[-1] * outputs


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
