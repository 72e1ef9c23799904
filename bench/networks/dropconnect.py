"""DropConnect: a fresh mask on a layer's weights for each example (Wan 2013), many trials side by side.

The masked weights of a batch are B times the layer's. They are made for a few examples at a time, forwards and again
backwards; in between only the masks are kept, one bit each.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch.autograd.function import once_differentiable

from bench.networks.layers import StackedLinear
from bench.stages.context import Context

CHUNK = 2**18  # masked weights at a time: 1 MB, which stays in the processor's caches


def masked_linear(layer: StackedLinear, x: torch.Tensor, probability: float, context: Context) -> torch.Tensor:
    """Return x (M * W) + b [T, B, H] for x [T, B, F], with masks M for each example.

    Weights are dropped with ``probability`` (in steps of 1/256) and the rest is scaled up, so that the mean is kept.
    """
    cut = round(probability * 256)
    if cut == 0:
        return layer(x)
    batch, weights = x.shape[1], layer.weight[0].numel()
    masks = _bits(256 - cut, batch * -(-weights // 8), context).unflatten(1, (batch, -1))
    return _Masked.apply(x, layer.weight, masks, 256 / (256 - cut)) + layer.bias


def _bits(kept: int, count: int, context: Context) -> torch.Tensor:
    """Return uint8 [T, count] whose bits are each 1 with probability kept/256, from as few random bits as that takes.

    Read from its last binary digit 1 upwards, ``kept`` says how: r or a fresh bit has probability (1 + p)/2 where r
    has p, and r and a fresh bit has p/2. A probability of 1/2 takes one random bit, 1/4 two, an odd ``kept`` eight.
    """
    digits = f"{kept:08b}".rstrip("0")
    planes = context.octets("dropconnect", len(digits) * count).unflatten(1, (len(digits), count)).unbind(1)
    bits = torch.zeros_like(planes[0])
    for digit, plane in zip(reversed(digits), planes, strict=True):
        bits = bits | plane if digit == "1" else bits & plane
    return bits


class _Masked(torch.autograd.Function):
    """x [T, B, F], weight [T, F, H], masks uint8 [T, B, bytes] -> scale * x (M * W) [T, B, H]."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, weight: torch.Tensor, masks: torch.Tensor, scale: float) -> torch.Tensor:
        """Return the product, trial by trial and some examples at a time."""
        ctx.save_for_backward(x, weight, masks)
        ctx.scale = scale
        y = x.new_empty(*x.shape[:2], weight.shape[2])
        for trial, rows, (masked,) in _chunks(x, weight, 1):
            _unpack(masks[trial, rows], masked)
            masked.mul_(weight[trial])
            torch.bmm(x[trial, rows, None], masked, out=y[trial, rows, None])
        return y.mul_(scale)

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, *gradients: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, None, None]:
        """Return the gradients of x and weight."""
        x, weight, masks = ctx.saved_tensors
        of_y = gradients[0] * ctx.scale
        of_x, of_weight = torch.empty_like(x), torch.zeros_like(weight)
        for trial, rows, (mask, other) in _chunks(x, weight, 2):
            _unpack(masks[trial, rows], mask)
            torch.mul(mask, weight[trial], out=other)
            # With the transpose a row of weights meets a row: the product from the right is eight times as slow.
            torch.bmm(of_y[trial, rows, None], other.transpose(1, 2), out=of_x[trial, rows, None])
            torch.mul(x[trial, rows, :, None], of_y[trial, rows, None], out=other)
            of_weight[trial] += mask.mul_(other).sum(0)
        return of_x, of_weight, None, None


def _unpack(masks: torch.Tensor, out: torch.Tensor) -> None:
    """Write the bits of masks uint8 [n, bytes] as 0 and 1 to ``out`` [n, F, H]; which bit is whose does not matter."""
    places = torch.tensor([1 << place for place in range(8)], dtype=torch.uint8, device=masks.device)[:, None]
    bits = (masks[:, None] & places).ne_(0).flatten(1)
    out.flatten(1).copy_(bits[:, : out[0].numel()])


def _chunks(x: torch.Tensor, weight: torch.Tensor, buffers: int) -> Iterator[tuple[int, slice, list[torch.Tensor]]]:
    """Yield each trial with spans of examples whose masked weights fit into CHUNK, and buffers [n, F, H] for them."""
    size = max(1, min(CHUNK // weight[0].numel(), x.shape[1]))
    held = [weight.new_empty(size, *weight.shape[1:]) for _ in range(buffers)]
    for trial in range(len(x)):
        for start in range(0, x.shape[1], size):
            stop = min(start + size, x.shape[1])
            yield trial, slice(start, stop), [buffer[: stop - start] for buffer in held]
