"""Slot ``finish``: a trained network -> the network that is used. Nothing is trained, and no row is seen."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from bench.stages.base import Stage, require

if TYPE_CHECKING:
    from bench.networks.layers import Network


@dataclass(frozen=True)
class Finish(Stage):
    """Base of what is done to a trained network."""

    def check(self, network: "Network") -> None:
        """Raise ValueError for a network that it cannot change; called before training."""

    def finish(self, network: "Network") -> None:
        """Change the network in place."""
        raise NotImplementedError


@dataclass(frozen=True)
class TauNorm(Finish):
    """Each output's weights are divided by their own norm to the power ``tau``. Source: Kang 2020, section 4.

    Networks give larger weights to classes with more rows. tau: 1 makes all alike, 0 changes nothing. The biases of the
    head are set to 0, as there, unless tau is 0. What the network puts out is then no posterior of any class shares:
    rules that correct for shares still take off those that the loss saw.
    """

    kind: ClassVar[str] = "tau-norm"
    tau: float = 0.7

    def __post_init__(self) -> None:
        """Check tau."""
        require(0 <= self.tau <= 10, f"tau must be between 0 and 10, got {self.tau}")

    def check(self, network: "Network") -> None:
        """Raise ValueError for a network without a linear head."""
        if self.tau:
            network.linear_head()

    def finish(self, network: "Network") -> None:
        """Scale the head's weights [T, H, C]."""
        import torch

        if self.tau == 0:
            return
        head = network.linear_head()
        with torch.no_grad():
            head.weight.div_(head.weight.square().sum(1, keepdim=True).sqrt().clamp(min=1e-12).pow(self.tau))
            head.bias.zero_()
