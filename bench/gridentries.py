"""What a suite file says of the values to try of a setting: ``grid`` tries all, ``choose`` picks one."""

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence

from bench.choosing import MOST_EXTEND, Choosing
from bench.errors import unknown
from bench.ranges import MOST_PER_DECADE, Axis
from bench.recipe import Technique
from bench.yamlfile import Node, placed, shown

MOST_POINTS = 10_000
MOST_SEARCH_REPEATS = 1000
CHOOSING_KEYS = ("repeats", "extend", "why_budgets_differ")
RANGE_KEYS = ("from", "to", "per_decade")
_EXAMPLE = "{optimizer.lr: {from: 1e-5, to: 1e1, per_decade: 2}}"


def read_grid(node: Node, parts: Sequence[Technique], settings: Mapping[str, Node]) -> Iterator[dict[str, Node]]:
    """Yield the points of a grid: dotted path -> value with its place, from the file or (``default``) the catalogue."""
    if isinstance(node.value, str):
        if node.value != "default":
            node.fail(f"{unknown('grid', node.value, ('default',))}; or a mapping, such as {{loss.gamma: [1, 2]}}")
        values = {path: [Node(v, node.place) for v in grid] for part in parts for path, grid in part.grid.items()}
        if not values:
            names = " + ".join(part.name for part in parts)
            node.fail(f"{names} has no default grid; write one, such as {{loss.gamma: [1, 2]}}")
    else:
        values = {path: _values(path, item) for path, item in node.mapping("a grid").items()}
        if not values:
            node.fail("a grid must name at least one path with the values to try")
        _check(node, "grid", values, settings)
    _check_size(node, [len(items) for items in values.values()])
    for point in itertools.product(*values.values()):
        yield dict(zip(values, point, strict=True))


def read_axes(node: Node, settings: Mapping[str, Node]) -> dict[str, Axis]:
    """Return the axes of ``choose``: dotted path -> ascending numbers, of which one is chosen on validation rows."""
    axes: dict[str, Axis] = {}
    for path, item in node.mapping("choose").items():
        if isinstance(item.value, dict):
            axes[path] = _range(item)
            continue
        items = item.sequence(f"the values of '{path}'")
        for one in items:
            if not isinstance(one.value, (int, float)) or isinstance(one.value, bool):
                one.fail(f"'{path}' is chosen from numbers, got {shown(one)}")
        values = sorted(one.value for one in items)
        if len(values) < 2:
            item.fail(f"there must be two values of '{path}' at least to choose from; put a single one under 'set'")
        axes[path] = Axis(tuple(values))
    if not axes:
        node.fail(f"choose must name at least one path with the values to choose from, such as {_EXAMPLE}")
    _check(node, "choose", {path: [Node(v, node.place) for v in axis.values] for path, axis in axes.items()}, settings)
    _check_size(node, [len(axis.values) for axis in axes.values()])
    return axes


def read_choosing(node: Node) -> Choosing:
    """Return the suite's protocol of choosing."""
    entries, default = node.mapping("choosing", CHOOSING_KEYS), Choosing()
    return Choosing(
        repeats=entries["repeats"].whole("repeats", 1, MOST_SEARCH_REPEATS)
        if "repeats" in entries
        else default.repeats,
        extend=entries["extend"].whole("extend", 0, MOST_EXTEND) if "extend" in entries else default.extend,
        why_budgets_differ=entries["why_budgets_differ"].text("why_budgets_differ")
        if "why_budgets_differ" in entries
        else "",
    )


def _values(path: str, node: Node) -> list[Node]:
    """Return the values of one path: of a list, or of a range."""
    if isinstance(node.value, dict):
        return [Node(value, node.place) for value in _range(node).values]
    return node.sequence(f"the grid of '{path}'")


def _range(node: Node) -> Axis:
    """Return the axis that a range stands for: {from: 1e-5, to: 1e1, per_decade: 2}."""
    entries = node.mapping("a range", RANGE_KEYS)
    for key in RANGE_KEYS:
        if key not in entries:
            node.fail(f"the key '{key}' is missing; a range is written {{from: 1e-5, to: 1e1, per_decade: 2}}")
    low, high = (entries[key].above_zero(f"'{key}'") for key in ("from", "to"))
    per_decade = entries["per_decade"].whole("per_decade", 1, MOST_PER_DECADE)
    with placed(node):
        return Axis.of_range(low, high, per_decade)


def _check(node: Node, key: str, values: Mapping[str, Sequence[Node]], settings: Mapping[str, Node]) -> None:
    """Complain of a path that is also under ``set``, and of values that are no plain ones or stand twice."""
    for path, items in values.items():
        if path in settings:
            node.fail_at_key(path, f"'{path}' stands under both set and {key}; leave one out")
        for index, item in enumerate(items):
            if isinstance(item.value, (dict, list)):
                item.fail(f"the {key} of '{path}' must hold plain values, got {shown(item)}")
            if item.value in [earlier.value for earlier in items[:index]]:
                item.fail(f"the {key} of '{path}' holds the value {item.value!r} twice")


def _check_size(node: Node, counts: Sequence[int]) -> None:
    """Complain of more points than anyone can mean."""
    if math.prod(counts) > MOST_POINTS:
        node.fail(f"the grid has {math.prod(counts)} points; {MOST_POINTS} are the most")
