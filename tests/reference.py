"""The oracle: a plain one-model trainer written the ordinary way, sharing no code with bench.training.

torch.nn modules, torch.optim, one model, one batch at a time. It takes the initial weights and the order of epochs,
and does the rest by itself.
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import nn


class LastState(nn.Module):
    """A torch recurrent layer followed by a linear layer on its last output."""

    def __init__(self, layer: nn.Module, head: nn.Linear) -> None:
        super().__init__()
        self.layer, self.head = layer, head

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.layer(x)[0][:, -1])


def mlp_like(network: nn.Module, trial: int = 0) -> nn.Sequential:
    """A plain fully connected network with the present weights of one trial of a stacked one of depth 2."""
    state = dict(network.named_parameters())
    layers: list[nn.Module] = []
    for name in ("hidden.0", "hidden.1", "head"):
        weight, bias = state[f"{name}.weight"][trial], state[f"{name}.bias"][trial, 0]
        linear = nn.Linear(weight.shape[0], weight.shape[1])
        linear.weight.data, linear.bias.data = weight.detach().t().clone(), bias.detach().clone()
        layers += [linear, nn.ReLU()]
    return nn.Sequential(nn.Flatten(), *layers[:-1])


def epochs_of_batches(rng: np.random.Generator, rows: int, batch: int, steps: int) -> np.ndarray:
    """Row numbers [steps, batch]: consecutive blocks of concatenated epoch permutations."""
    order: list[int] = []
    while len(order) < steps * batch:
        order += rng.permutation(rows).tolist()
    return np.array(order[: steps * batch]).reshape(steps, batch)


def train(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    inputs: np.ndarray,
    targets: np.ndarray,
    batches: np.ndarray,
    loss: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
    schedule: Callable[[int], float] = lambda step: 1.0,
    clip: float | None = None,
) -> nn.Module:
    """Train one model on the given batches and return it."""
    rate = optimizer.param_groups[0]["lr"]
    for step, rows in enumerate(batches):
        for group in optimizer.param_groups:
            group["lr"] = rate * schedule(step)
        optimizer.zero_grad()
        loss(model(torch.from_numpy(inputs[rows])), torch.from_numpy(targets[rows])).backward()
        if clip is not None:
            nn.utils.clip_grad_norm_(model.parameters(), clip)
        optimizer.step()
    return model
