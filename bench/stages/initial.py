"""Slot ``initial``: the weights that a training starts from, in place of those that the network draws by itself.

Every part of a network that holds weights is set, its head too; biases become 0. Gains of normalisation stay 1.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, ClassVar, Literal

from bench.stages.base import Stage, require
from bench.stages.context import Context

if TYPE_CHECKING:
    import torch

    from bench.networks.denoising import Denoiser
    from bench.networks.layers import Network
    from bench.stages.stepping import Steppers
    from bench.stages.updates import Updater

METHODS = ("default", "zero", "small-normal", "xavier", "he", "orthogonal")
SMALL = 0.01  # standard deviation of 'small-normal'
PURPOSE = "initial weights"


@dataclass(frozen=True)
class Beginning:
    """What a stage may use to find initial weights: a stack before its training.

    steps      the maximum of optimizer steps that the training will take
    inputs     gives batches [T, B, ...] of each trial's own training rows as they enter the network, without end
    optimizer  returns the trials' optimizers, at their full rates, for a network
    """

    context: Context
    steps: int
    inputs: "Callable[[], Iterator[torch.Tensor]]"
    optimizer: "Callable[[Network], Steppers]"


@dataclass(frozen=True)
class Initial(Stage):
    """Base of what sets initial weights."""

    def put(self, network: "Network", beginning: Beginning) -> None:
        """Set the network's weights in place."""
        raise NotImplementedError

    def pretraining(self, steps: int) -> int:
        """Return how many optimizer steps it takes before a training of so many."""
        return 0


@dataclass(frozen=True)
class InitialWeights(Initial):
    """Weights drawn by one rule in all layers, as torch.nn.init draws them; biases 0.

    method  'default': the network's own rule, biases included; 'zero': all weights 0, a warning: units that start alike
            stay alike, and behind a ReLU nothing but the last bias learns; 'small-normal': N(0, 0.01^2); 'xavier':
            uniform with variance 2 / (fan-in + fan-out) (Glorot and Bengio 2010, eq. 16); 'he': normal with variance
            2 / fan-in (He 2015, eq. 10); 'orthogonal': (semi-)orthogonal matrices (Saxe 2014)

    The matrix of each gate of a recurrent layer is drawn by itself. Each trial draws from a stream of its own.
    """

    kind: ClassVar[str] = "initial-weights"
    method: Literal["default", "zero", "small-normal", "xavier", "he", "orthogonal"] = "xavier"

    def __post_init__(self) -> None:
        """Check the method."""
        require(self.method in METHODS, f"method must be one of {', '.join(METHODS)}, got '{self.method}'")

    def put(self, network: "Network", beginning: Beginning) -> None:
        """Draw all weights anew."""
        import torch

        if self.method == "default":
            return
        generators = beginning.context.generators(PURPOSE)
        with torch.no_grad():
            for matrix in network.matrices():
                for own, generator in zip(matrix.values, generators, strict=True):
                    own.copy_(self._drawn(own.shape, matrix.area, generator))
            for bias in network.biases():
                bias.zero_()

    def _drawn(self, shape: "torch.Size", area: int, generator: "torch.Generator") -> "torch.Tensor":
        """Return weights [units, incoming]; ``area``: pixels of a filter, which count for the fan-out too."""
        import torch
        from torch.nn import init

        units, incoming = shape
        weights = torch.empty(units, incoming // area, area)
        if self.method == "zero":
            init.zeros_(weights)
        elif self.method == "small-normal":
            init.normal_(weights, std=SMALL, generator=generator)
        elif self.method == "xavier":
            init.xavier_uniform_(weights, generator=generator)
        elif self.method == "he":
            init.kaiming_normal_(weights, nonlinearity="relu", generator=generator)
        else:
            init.orthogonal_(weights, generator=generator)
        return weights.view(units, incoming)


@dataclass(frozen=True)
class Pretrained(Initial):
    """Weights of the encoder of a denoising autoencoder; the head keeps those it draws. Source: Vincent et al. 2008.

    The network without its head, and a linear decoder that is thrown away, learn to give back the trial's own training
    inputs from noisy ones, by squared error. No label is seen, no validation or test row, and no other data. The
    recipe's batch size is used and its optimizer, at the full rate; gradients are clipped at a norm of 1 per trial. The
    time counts as training, and so do the FLOPs, but for the decoder's own.

    share  of the training's steps that pretraining takes before it; 0 leaves the weights as they are
    noise  standard deviation of Gaussian noise on the inputs, in units of the standardised inputs
    """

    kind: ClassVar[str] = "pretrained"
    share: float = 0.5
    noise: float = 0.3

    def __post_init__(self) -> None:
        """Check share and noise."""
        require(0 <= self.share <= 100, f"share must be between 0 and 100, got {self.share}")
        require(0 <= self.noise <= 1000, f"noise must be between 0 and 1000, got {self.noise}")

    def pretraining(self, steps: int) -> int:
        """Return the steps of pretraining."""
        return round(self.share * steps)

    def put(self, network: "Network", beginning: Beginning) -> None:
        """Train the network's body as an encoder."""
        from bench.networks.denoising import Denoiser
        from bench.stages.updates import ClipNorm

        steps = self.pretraining(beginning.steps)
        if not steps:
            return
        batches = beginning.inputs()
        clean = next(batches)
        denoiser = Denoiser(network, clean, beginning.context, self.noise)
        optimizer = beginning.optimizer(denoiser)
        clip = ClipNorm(1.0).begin(beginning.context, denoiser)
        for step in range(steps):
            optimizer.step(partial(self._gradients, denoiser, clip, clean if step == 0 else next(batches)))
        optimizer.evaluate()
        network.zero_grad(set_to_none=True)

    def _gradients(self, denoiser: "Denoiser", clip: "Updater", batch: "torch.Tensor") -> "torch.Tensor":
        """Return losses [T], and leave their clipped gradient in the parameters."""
        denoiser.zero_grad(set_to_none=True)
        losses = denoiser.losses(batch)
        losses.sum().backward()
        clip.before_step()
        return losses.detach()
