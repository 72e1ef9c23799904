"""Which techniques of a suite differ in one numeric setting alone: the strengths of one remedy.

A plain technique beside a grid of it has the catalogue's default, which its stored recipe tells.
"""

import json
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.paths import is_number, value_at

Recipe = Mapping[str, Any]


@dataclass(frozen=True)
class Grid:
    """One remedy at several strengths.

    name: its catalogue names, with the settings that all points share; path: the setting that differs.
    points: (strength, technique), ascending; default: the technique among them that leaves the setting as it is, or ''.
    """

    name: str
    path: str
    points: tuple[tuple[float, str], ...]
    default: str = ""


def grids_of(techniques: Sequence[Mapping[str, Any]], recipe_of: Callable[[str], Recipe | None]) -> tuple[Grid, ...]:
    """Return the grids among techniques, as a plan describes them, in their order; each has two strengths or more.

    recipe_of: a technique's stored recipe, or None; asked only of those that may be the default of a grid.
    """
    held: dict[tuple[str, str, str], list[tuple[float, str]]] = {}
    for one in techniques:
        for path, value in one["setting"].items():
            if is_number(value):
                key = _key(one["parts"], {name: other for name, other in one["setting"].items() if name != path})
                held.setdefault((*key, path), []).append((float(value), one["label"]))
    # one whose value is chosen on validation rows has another setting on every dataset, and is the default of none
    plain = {_key(one["parts"], one["setting"]): one["label"] for one in techniques if not one.get("choose")}
    found = []
    for (name, rest, path), points in held.items():
        label = plain.get((name, rest), "")
        value = value_at(recipe_of(label), path) if label else math.nan
        strengths = {strength for strength, _ in points}
        default = label if math.isfinite(value) and value not in strengths else ""
        every = tuple(sorted([*points, (value, label)] if default else points))
        if len(strengths | ({value} if default else set())) > 1:
            shared = f" [{', '.join(f'{k}={v}' for k, v in json.loads(rest).items())}]" if rest != "{}" else ""
            found.append(Grid(f"{name}{shared}", path, every, default))
    return tuple(found)


def _key(parts: Sequence[str], setting: Mapping[str, Any]) -> tuple[str, str]:
    return " + ".join(parts), json.dumps(setting, sort_keys=True)


def short_names(grids: Sequence[Grid]) -> dict[str, str]:
    """Return short names for the techniques of grids, as 'dropout 0.2'; of one that is in two grids there is none."""
    found: dict[str, list[str]] = {}
    for grid in grids:
        for strength, technique in grid.points:
            if technique != grid.default:
                found.setdefault(technique, []).append(f"{grid.name} {strength:g}")
    single = {technique: names[0] for technique, names in found.items() if len(names) == 1}
    counts = Counter(single.values())
    return {technique: name for technique, name in single.items() if counts[name] == 1}
