"""Identity and randomness: canonical JSON, digests, and random streams keyed by what they are for.

A key is a hash of canonical JSON. A random stream is keyed by (suite seed, dataset, repeat, fold, replica,
purpose) and by nothing else, so that every technique meets the same splits, the same initial weights where
shapes agree and the same batch order, whatever runs beside it.
"""

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    import numpy as np
    import torch


_Value = TypeVar("_Value")


def added(default: _Value) -> _Value:
    """Return a dataclass field that came later: at its default it is left out of keys, so stored results still hold."""
    return dataclasses.field(default=default, metadata={"added": True})


def told(value: Any) -> dict[str, Any]:
    """Return the fields of a dataclass without added ones that hold their default."""
    held = {f: getattr(value, f.name) for f in dataclasses.fields(value)}
    return {f.name: one for f, one in held.items() if not ("added" in f.metadata and one == f.default)}


def described(value: Any) -> dict[str, Any]:
    """Return the fields of a dataclass as plain JSON data, without added ones that hold their default."""
    return {name: canonical(one) for name, one in told(value).items()}


@dataclasses.dataclass(frozen=True, order=True)
class Place:
    """Where a trial stands: repeat, fold, replica, and the key that follows from them."""

    repeat: int
    fold: int
    replica: int
    key: str


def canonical(value: Any) -> Any:
    """Return ``value`` as plain JSON data; a stage becomes its kind, revision and parameters.

    Raises TypeError for anything that has no canonical form.
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        named = {name: getattr(type(value), name, None) for name in ("kind", "revision", "code")}
        head = {name: held for name, held in named.items() if held is not None}
        return head | described(value)
    if isinstance(value, Mapping):
        return {str(name): canonical(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [canonical(item) for item in value]
    if value is None or isinstance(value, (str, int, float, bool)):
        return value
    raise TypeError(f"{type(value).__name__} has no canonical form: {value!r}")


def to_json(value: Any) -> str:
    """Return canonical JSON: sorted keys, no spaces."""
    return json.dumps(canonical(value), sort_keys=True, separators=(",", ":"), allow_nan=False)


def digest(value: Any) -> str:
    """Return the first 128 bits, in hex, of the SHA-256 of the canonical JSON of ``value``."""
    return hashlib.sha256(to_json(value).encode()).hexdigest()[:32]


def entropy(purpose: str, *parts: int | str) -> int:
    """Return 64 bits that depend on the purpose and the parts alone."""
    text = json.dumps([purpose, *parts], separators=(",", ":"))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")


def numpy_stream(purpose: str, *parts: int | str) -> "np.random.Generator":
    """Return numpy's generator for this purpose and these parts."""
    import numpy as np

    return np.random.default_rng(entropy(purpose, *parts))


def torch_stream(purpose: str, *parts: int | str) -> "torch.Generator":
    """Return torch's CPU generator for this purpose and these parts."""
    import torch

    return torch.Generator().manual_seed(entropy(purpose, *parts) >> 1)


@dataclasses.dataclass(frozen=True)
class Streams:
    """The random streams of one trial, or of one member of its ensemble; the first member's are the trial's own."""

    seed: int
    dataset: str
    repeat: int
    fold: int
    replica: int = 0
    member: int = 0

    def numpy(self, purpose: str) -> "np.random.Generator":
        """Return the trial's numpy generator for one purpose."""
        return numpy_stream(purpose, *self._parts())

    def torch(self, purpose: str) -> "torch.Generator":
        """Return the trial's torch generator for one purpose."""
        return torch_stream(purpose, *self._parts())

    def _parts(self) -> tuple[int | str, ...]:
        own = (self.seed, self.dataset, self.repeat, self.fold, self.replica)
        return (*own, self.member) if self.member else own


def differences(old: Any, new: Any, path: str = "") -> list[str]:
    """Return the dotted fields in which two descriptions differ, as 'recipe.loss.gamma: 2.0 -> 5.0'."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        found = []
        for name in sorted({*old, *new}):
            below = f"{path}.{name}" if path else name
            found += differences(old.get(name), new.get(name), below)
        return found
    return [] if old == new else [f"{path}: {_shown(old)} -> {_shown(new)}"]


def _shown(value: Any) -> str:
    if isinstance(value, Mapping):
        return str(value.get("kind", "..."))
    if isinstance(value, list):
        return "[" + ", ".join(map(_shown, value)) + "]"
    return "none" if value is None else str(value)
