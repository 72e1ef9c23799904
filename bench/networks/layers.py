"""What stacked networks share: the trial axis, initial weights per trial, dropout and noise with a draw per trial.

Parameters are [T, ...]; a forward pass takes x [T, B, ...] and gives [T, B, C]. A network has no training mode:
noise is drawn when the caller says ``training=True`` and never otherwise.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

from bench.networks.image_specs import ResidualCnn
from bench.networks.normalising import MOMENTUM, Running
from bench.networks.specs import Mlp, Recurrent
from bench.stages.context import Context

ACTIVATIONS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "relu": functional.relu,
    "tanh": torch.tanh,
    "gelu": functional.gelu,
    "silu": functional.silu,
    "elu": functional.elu,
    "leaky-relu": functional.leaky_relu,
    "sigmoid": torch.sigmoid,
}


class Network(nn.Module):
    """Base of the stacked networks. Parameters whose name ends in 'weight' are weights; others are never penalised."""

    def __init__(self, context: Context) -> None:
        super().__init__()
        self._context = context
        if context.pixels is not None:
            pixels = torch.from_numpy(context.pixels).to(context.device)[:, :, None, :, None, None]
            self.register_buffer("pixel_mean", pixels[:, 0])
            self.register_buffer("pixel_deviation", pixels[:, 1])

    def entry(self, x: torch.Tensor) -> torch.Tensor:
        """Return inputs as floats: pixels uint8 [T, B, channels, H, W] standardised, everything else as it is."""
        if x.dtype != torch.uint8:
            return x
        return x.float().sub_(self.get_buffer("pixel_mean")).div_(self.get_buffer("pixel_deviation"))

    def forward(self, x: torch.Tensor, training: bool = False) -> torch.Tensor:
        """Return outputs [T, B, C] for the entry's inputs [T, B, ...]: those of the head for the features."""
        return self.get_submodule("head")(self.features(x, training))

    def features(self, x: torch.Tensor, training: bool = False) -> torch.Tensor:
        """Return what the head is given, [T, B, H], for the entry's inputs [T, B, ...]."""
        raise NotImplementedError

    def linear_head(self) -> "StackedLinear":
        """Return the last layer. Raises ValueError where it is no linear map, as the normalised head is not."""
        heads = [part for name, part in self.named_children() if name == "head" and isinstance(part, StackedLinear)]
        if not heads:
            raise ValueError("this needs a network whose head is linear; leave the head 'linear'")
        return heads[0]

    def solve(self, inputs: Sequence[torch.Tensor], targets: Sequence[torch.Tensor]) -> None:
        """Set the weights of a closed-form network from each trial's training rows [N_t, ...], [N_t, K]."""
        raise NotImplementedError

    def split(self) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
        """Return the weights, and the other parameters."""
        named = list(self.named_parameters())
        weights = [p for name, p in named if name.endswith("weight")]
        return weights, [p for name, p in named if not name.endswith("weight")]

    def per_unit(self) -> list[torch.Tensor]:
        """Return a view of every weight as [T, units, incoming weights]; changes in place reach the weight."""
        return [view for part in self.modules() if isinstance(part, Weighted) for view in part.per_unit()]

    def matrices(self) -> "list[Matrix]":
        """Return a view of every weight, the gates of recurrent layers apart; changes in place reach the weight."""
        return [one for part in self.modules() if isinstance(part, Weighted) for one in part.matrices()]

    def biases(self) -> list[nn.Parameter]:
        """Return all biases, those of normalisation among them."""
        return [p for name, p in self.named_parameters() if name.endswith("bias")]

    @torch.no_grad()
    def refresh(self, batches: Iterable[torch.Tensor]) -> None:
        """Set running statistics to the plain mean of those of some batches [T, B, ...], of what ``entry`` returns.

        As torch.optim.swa_utils.update_bn; for weights, such as averaged ones, that no batch has seen yet. Draws
        dropout and noise as training does. Without batch normalisation nothing is done and no batch asked for.
        """
        running = [part for part in self.modules() if isinstance(part, Running) and part.tracks]
        if not running:
            return
        for number, batch in enumerate(batches, start=1):
            for part in running:
                part.momentum = 1 / number
            self(batch, training=True)
        for part in running:
            part.momentum = MOMENTUM

    def uniform(self, bound: float, *shape: int, purpose: str = "weights") -> nn.Parameter:
        """Return a parameter [T, *shape], uniform within +-bound, each trial's from its own stream for a purpose.

        Drawn in the order in which a network asks, so that networks whose first layers agree start alike there.
        """
        out = torch.empty((self._context.trials, *shape))
        for row, generator in zip(out, self._context.generators(purpose), strict=True):
            row.uniform_(-bound, bound, generator=generator)
        return nn.Parameter(out.to(self._context.device))


@dataclass(frozen=True)
class Matrix:
    """Weights as one linear map: values [T, units, incoming weights]; area: pixels of a filter, 1 of other maps."""

    values: torch.Tensor
    area: int


class Weighted(nn.Module):
    """Base of the parts of a network that hold weights: of so many gates side by side, with filters of some area."""

    gates = 1
    area = 1

    def per_unit(self) -> list[torch.Tensor]:
        """Return views of the weights as [T, units, incoming weights]."""
        raise NotImplementedError

    def matrices(self) -> list[Matrix]:
        """Return views of the weights, each gate by itself."""
        return [Matrix(values, self.area) for view in self.per_unit() for values in view.chunk(self.gates, 1)]


class StackedLinear(Weighted):
    """T linear layers side by side: x [T, B, F] -> [T, B, H]. Initial weights as torch.nn.Linear's.

    scale: a factor [T, 1, H] on what each output gives, where a phase trains that; else None.
    """

    def __init__(self, network: Network, inputs: int, outputs: int) -> None:
        super().__init__()
        bound = 1 / math.sqrt(inputs)
        self.weight = network.uniform(bound, inputs, outputs)
        self.bias = network.uniform(bound, 1, outputs)
        self.register_parameter("scale", None)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return x W + b, times the scale if there is one."""
        y = torch.baddbmm(self.bias, x, self.weight)
        return y if self.scale is None else y * self.scale

    def add_scale(self) -> None:
        """Add a scale of 1, which does not train until it is asked to."""
        ones = torch.ones(self.bias.shape, device=self.bias.device)
        self.scale = nn.Parameter(ones, requires_grad=False)

    @torch.no_grad()
    def renew(self, network: Network) -> None:
        """Draw new initial weights, from streams of their own."""
        bound = 1 / math.sqrt(self.weight.shape[1])
        for parameter in (self.weight, self.bias):
            parameter.copy_(network.uniform(bound, *parameter.shape[1:], purpose="new head"))

    def per_unit(self) -> list[torch.Tensor]:
        """Return the weights [T, H, F]."""
        return [self.weight.transpose(1, 2)]


class NormalisedLinear(Weighted):
    """Cosines between features and each output's weights, times a fixed scale: x [T, B, F] -> [T, B, H], no biases.

    The normalised classifier of Cao 2019. The scale is here and not in a loss, so that whatever reads logits (losses,
    scores, decision rules) reads the same ones.
    """

    def __init__(self, network: Network, inputs: int, outputs: int, scale: float) -> None:
        super().__init__()
        self._scale = scale
        self.weight = network.uniform(1 / math.sqrt(inputs), inputs, outputs)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the cosines times the scale."""
        return torch.bmm(functional.normalize(x, dim=2), functional.normalize(self.weight, dim=1)) * self._scale

    @torch.no_grad()
    def renew(self, network: Network) -> None:
        """Draw new initial weights, from streams of their own."""
        bound = 1 / math.sqrt(self.weight.shape[1])
        self.weight.copy_(network.uniform(bound, *self.weight.shape[1:], purpose="new head"))

    def per_unit(self) -> list[torch.Tensor]:
        """Return the weights [T, H, F]."""
        return [self.weight.transpose(1, 2)]


def make_head(
    network: Network, spec: Mlp | Recurrent | ResidualCnn, inputs: int, outputs: int
) -> StackedLinear | NormalisedLinear:
    """Return the last layer that a specification asks for, [T, B, inputs] -> [T, B, outputs]."""
    if spec.head == "cosine":
        return NormalisedLinear(network, inputs, outputs, spec.head_scale)
    return StackedLinear(network, inputs, outputs)


class HeadOnly(Network):
    """The head of a network as a network of its own, over features [T, B, F] that the rest of it gave.

    scales: only the head's scale trains.
    """

    def __init__(self, network: Network, context: Context, scales: bool) -> None:
        super().__init__(context)
        self.head = network.get_submodule("head")
        self._frozen = scales
        for name, parameter in self.head.named_parameters():
            parameter.requires_grad_((name == "scale") == scales)

    def features(self, x: torch.Tensor, training: bool = False) -> torch.Tensor:
        """Return the features as they are."""
        return x

    def per_unit(self) -> list[torch.Tensor]:
        """Return views of the weights that train, as [T, units, incoming weights]."""
        return [] if self._frozen else super().per_unit()

    def renew(self) -> None:
        """Draw new initial weights, from streams of their own."""
        assert isinstance(self.head, (StackedLinear, NormalisedLinear))
        self.head.renew(self)


@dataclass(frozen=True)
class Disturbance:
    """What training does to activations and evaluation does not; fields as in NetworkSpec."""

    context: Context
    input_noise: float
    hidden_noise: float
    dropout: float

    def inputs(self, x: torch.Tensor, training: bool) -> torch.Tensor:
        """Return what enters the network, [T, B, ...], with noise."""
        if not training or self.input_noise == 0:
            return x
        return x + self._normal("input noise", x).mul_(self.input_noise)

    def hidden(self, x: torch.Tensor, training: bool) -> torch.Tensor:
        """Return hidden activations [T, B, ...] with noise, then dropout: what is dropped stays 0."""
        if not training:
            return x
        if self.hidden_noise > 0:
            scale = _deviation(x.detach()) * self.hidden_noise
            x = torch.addcmul(x, self._normal("hidden noise", x), scale.view(-1, *[1] * (x.dim() - 1)))
        return drop(x, self.dropout, self.context)

    def _normal(self, purpose: str, x: torch.Tensor) -> torch.Tensor:
        """Return normal draws shaped as x [T, ...] and, trial by trial, in the order in which x lies in memory.

        Adding what lies in another order would be slow, and for images give channels first.
        """
        order = sorted(range(1, x.dim()), key=lambda axis: -x.stride(axis))
        draws = self.context.quick_normal(purpose, tuple(x.shape[axis] for axis in order))
        return draws.permute(0, *(1 + order.index(axis) for axis in range(1, x.dim()))).to(x.dtype)


def _deviation(x: torch.Tensor) -> torch.Tensor:
    """Return the standard deviation of each trial's elements, [T], for x [T, ...]."""
    rows = x.flatten(1)
    centred = rows - rows.mean(1, keepdim=True)
    return torch.linalg.vector_norm(centred, dim=1) / math.sqrt(rows.shape[1])


def drop(x: torch.Tensor, probability: float, context: Context) -> torch.Tensor:
    """Return x [T, B, H] with elements dropped with ``probability`` (in steps of 1/256) and the rest scaled up.

    The scale is that of the probability really used, so the mean is preserved exactly in expectation.
    """
    cut = round(probability * 256)
    if cut == 0:
        return x
    octets = context.octets("dropout", x[0].numel()).view(x.shape)
    return x * (octets >= cut).to(x.dtype).mul_(256 / (256 - cut))
