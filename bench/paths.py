"""Numbers of a recipe as stored results describe it, by the dotted paths of suite files."""

import math
from collections.abc import Mapping
from typing import Any


def is_number(value: Any) -> bool:
    """Return whether a value is a finite number (true and false are none)."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def value_at(recipe: Mapping[str, Any] | None, path: str) -> float:
    """Return the number that a recipe holds at a dotted path ('penalties.l2.strength'); NaN where it holds none.

    In a slot of several stages the next name is the kind of one of them.
    """
    held: Any = recipe
    for name in path.split("."):
        if isinstance(held, Mapping):
            held = held.get(name)
        elif isinstance(held, list):
            held = next((one for one in held if isinstance(one, Mapping) and one.get("kind") == name), None)
        else:
            return math.nan
    return float(held) if is_number(held) else math.nan
