"""What the network specifications share: their base class, the limits of their fields, and the checks of those.

T trials, B rows, F features, L points, C outputs (classes or regression targets).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from bench.stages.base import Stage, require
from bench.stages.bounds import within

if TYPE_CHECKING:
    from bench.networks.layers import Network
    from bench.stages.context import Context

MOST_WIDTH, MOST_DEPTH = 65_536, 1_000
MOST_DROPOUT = 0.99
MOST_NOISE = 1_000
ACTIVATIONS = ("relu", "tanh", "gelu", "silu", "elu", "leaky-relu", "sigmoid")
NORMALISATIONS = ("batch", "layer", "none")
HEADS = ("linear", "cosine")
HEAD_SCALE, MOST_HEAD_SCALE = 30.0, 1_000


@dataclass(frozen=True)
class NetworkSpec(Stage):
    """Base of the network specifications.

    closed_form  whether the weights are solved for instead of trained
    weight       how many times as long an example takes as in a small perceptron, for estimates of remaining time

    Every trained network also has these fields, off at evaluation:

    dropout       probability that a hidden activation is dropped, in steps of 1/256
    input_noise   standard deviation of Gaussian noise on what enters the network, in units of the standardised inputs
    hidden_noise  standard deviation of Gaussian noise on hidden activations, where dropout acts and before it, in
                  units of the standard deviation that the layer's activations have in this batch (Poole 2014)

    head        the last map: 'linear'; or 'cosine', cosines between features and weights times ``head_scale``, without
                biases (Cao 2019). Without a scale a softmax of cosines would always be nearly uniform
    head_scale  of a cosine head, the largest size of a logit
    """

    closed_form: ClassVar[bool] = False
    weight: ClassVar[float] = 1.0

    def build(self, shape: Sequence[int], context: "Context") -> "Network":
        """Return the stacked network for inputs [T, B, *shape], with each trial's initial weights drawn."""
        raise NotImplementedError

    def flops(self, shape: Sequence[int], outputs: int) -> float:
        """Return the multiply-adds times two of one forward pass of one example (biases and activations left out)."""
        raise NotImplementedError


def check_probability(name: str, value: float) -> None:
    """Raise ValueError unless ``value`` is a probability of dropping that leaves something."""
    require(0 <= value <= MOST_DROPOUT, f"{name} must be at least 0 and at most {MOST_DROPOUT}, got {value}")


def check_disturbance(dropout: float, input_noise: float, hidden_noise: float) -> None:
    """Raise ValueError unless dropout and the standard deviations of both noises are in range."""
    check_probability("dropout", dropout)
    within("input_noise", input_noise, 0, MOST_NOISE)
    within("hidden_noise", hidden_noise, 0, MOST_NOISE)


def check_head(head: str, scale: float) -> None:
    """Raise ValueError unless the head is one and its scale is in range."""
    check_choice("head", head, HEADS)
    require(0 < scale <= MOST_HEAD_SCALE, f"head_scale must be above 0 and at most {MOST_HEAD_SCALE}, got {scale}")


def check_size(name: str, size: int, scale: float) -> None:
    """Raise ValueError unless a size is in range, by itself and times ``scale``."""
    within(name, size, 1, MOST_WIDTH)
    require(0 < scale <= MOST_WIDTH, f"scale must be above 0 and at most {MOST_WIDTH}, got {scale}")
    within(f"{name} times scale", scaled(size, scale), 1, MOST_WIDTH)


def check_choice(name: str, held: str, allowed: Sequence[str]) -> None:
    """Raise ValueError unless ``held`` is allowed."""
    require(held in allowed, f"{name} must be one of {', '.join(allowed)}, got '{held}'")


def scaled(size: int, scale: float) -> int:
    """Return a size times ``scale``, rounded (a half to the even number), and at least 1."""
    return max(1, round(size * scale))
