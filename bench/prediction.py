"""A stack's rows, its outputs on them in evaluation mode, and its state: all that training changes."""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from bench.networks.layers import Network
from bench.process import denormals_flushed

CHUNK = 256  # rows per evaluation batch: what a stack makes of them fits into a cache


@dataclass(frozen=True)
class Rows:
    """Arrays of T trials end to end in one tensor [sum N_t, ...], and where each trial's rows begin."""

    values: torch.Tensor
    starts: torch.Tensor
    counts: list[int]

    @classmethod
    def of(cls, arrays: Sequence[np.ndarray], device: torch.device) -> "Rows":
        """Put the arrays of T trials, [N_t, ...] each, end to end."""
        counts = [len(array) for array in arrays]
        starts = torch.tensor([0, *np.cumsum(counts)[:-1]], device=device)[:, None]
        rows = np.concatenate(arrays) if len(arrays) > 1 else arrays[0]
        rows = np.require(rows, requirements=("C", "W"))  # gathering rows from columns is five times as slow
        return cls(torch.from_numpy(rows).to(device), starts, counts)

    def at(self, index: torch.Tensor) -> torch.Tensor:
        """Return the rows [T, B, ...] for each trial's own row numbers int64 [T, B]."""
        flat = (index + self.starts).flatten()
        return self.values.index_select(0, flat).view(*index.shape, *self.values.shape[1:])


def predict(network: Network, inputs: Sequence[np.ndarray], device: torch.device | None = None) -> list[np.ndarray]:
    """Return each trial's outputs float32 [N_t, C] for its own rows, in evaluation mode."""
    return _in_evaluation(network, network, inputs, device)


def features(network: Network, inputs: Sequence[np.ndarray], device: torch.device | None = None) -> list[np.ndarray]:
    """Return what each trial's head is given for its own rows, float32 [N_t, H], in evaluation mode."""
    return _in_evaluation(network, network.features, inputs, device)


@denormals_flushed()
@torch.no_grad()
def _in_evaluation(
    network: Network,
    function: Callable[[torch.Tensor], torch.Tensor],
    inputs: Sequence[np.ndarray],
    device: torch.device | None,
) -> list[np.ndarray]:
    device = device or torch.device("cpu")
    rows = Rows.of(inputs, device)
    counts = torch.tensor(rows.counts, device=device)[:, None]
    parts = []
    for start in range(0, max(rows.counts), CHUNK):
        index = torch.arange(start, start + CHUNK, device=device)[None, :].minimum(counts - 1)
        parts.append(function(network.entry(rows.at(index))).cpu())
    together = torch.cat(parts, 1).numpy()
    return [together[trial, :count] for trial, count in enumerate(rows.counts)]


def state_of(network: Network) -> dict[str, torch.Tensor]:
    """Return everything that training changes, weights and running statistics, [T, ...] each: views, no copies."""
    return {name: value.detach() for name, value in (*network.named_parameters(), *network.named_buffers())}


def copied(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return a copy of a state."""
    return {name: value.clone() for name, value in state.items()}


@contextlib.contextmanager
def at(network: Network, state: Mapping[str, torch.Tensor]) -> Iterator[Network]:
    """Give the network the state of a snapshot while the block runs; afterwards it has its own again, bit for bit."""
    own = state_of(network)
    kept = copied(own)
    try:
        for name, value in state.items():
            own[name].copy_(value)
        yield network
    finally:
        for name, value in kept.items():
            own[name].copy_(value)
