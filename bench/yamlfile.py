"""YAML that remembers where everything stood, so that every complaint carries file:line:column."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import yaml

from bench.errors import UsageError, unknown


@dataclass(frozen=True)
class Node:
    """A value of the file with its place. Mappings hold str -> Node, sequences hold Nodes, others plain values."""

    value: Any
    place: str
    key_places: dict[str, str]

    def fail(self, sentence: str) -> NoReturn:
        """Raise UsageError at this node's place."""
        raise UsageError(f"{self.place}: {sentence}")

    def mapping(self, what: str, allowed: Iterable[str] | None = None) -> "dict[str, Node]":
        """Return the entries of a mapping; complain of any other thing, and of keys that are not allowed."""
        if not isinstance(self.value, dict):
            self.fail(f"{what} must be a mapping of names to values, got {shown(self)}")
        for key in self.value if allowed is not None else ():
            if key not in (allowed or ()):
                raise UsageError(f"{self.key_places[key]}: {unknown('key', key, allowed or ())}")
        return self.value

    def sequence(self, what: str) -> "list[Node]":
        """Return the entries of a list that is not empty."""
        if not isinstance(self.value, list) or not self.value:
            self.fail(f"{what} must be a list with at least one entry, got {shown(self)}")
        return self.value

    def text(self, what: str) -> str:
        """Return a string."""
        if not isinstance(self.value, str) or not self.value.strip():
            self.fail(f"{what} must be a word or a sentence, got {shown(self)}")
        return self.value.strip()

    def whole(self, what: str, low: int, high: int) -> int:
        """Return a whole number within bounds."""
        if not isinstance(self.value, int) or isinstance(self.value, bool) or not low <= self.value <= high:
            self.fail(f"{what} must be a whole number from {low} to {high}, got {shown(self)}")
        return self.value

    def above_zero(self, what: str) -> float:
        """Return a number above zero."""
        if not isinstance(self.value, (int, float)) or isinstance(self.value, bool) or not self.value > 0:
            self.fail(f"{what} must be a number above 0, got {shown(self)}")
        return float(self.value)

    def flag(self, what: str) -> bool:
        """Return true or false."""
        if not isinstance(self.value, bool):
            self.fail(f"{what} must be true or false, got {shown(self)}")
        return self.value

    def plain(self) -> Any:
        """Return the value without places; lists become tuples."""
        if isinstance(self.value, dict):
            return {key: node.plain() for key, node in self.value.items()}
        if isinstance(self.value, list):
            return tuple(node.plain() for node in self.value)
        return self.value


def shown(node: Node) -> str:
    """Return a value as a complaint shows it."""
    if isinstance(node.value, dict):
        return "a mapping"
    if isinstance(node.value, list):
        return "a list" if node.value else "an empty list"
    return "nothing" if node.value is None else repr(node.value)


def load(path: Path) -> Node:
    """Read a YAML file. Raises UsageError, with the place, for whatever is wrong with it."""
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: not a UTF-8 text file (byte {error.start})") from error
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from error
    loader = yaml.SafeLoader(text)
    try:
        root = loader.get_single_node()
        if root is None:
            raise UsageError(f"{path}:1:1: the file is empty")
        return _node(loader, root, path, ())
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = " ".join(str(error.problem or error.context).split())
        raise UsageError(f"{_place(path, mark)}: not valid YAML: {problem}") from error
    except yaml.YAMLError as error:
        raise UsageError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from error
    except ValueError as error:
        raise UsageError(f"{path}: not valid YAML: {error}") from error
    finally:
        loader.dispose()


def _place(path: Path, mark: Any) -> str:
    return f"{path}:{mark.line + 1}:{mark.column + 1}" if mark else str(path)


def _node(loader: yaml.SafeLoader, node: yaml.Node, path: Path, above: tuple[int, ...]) -> Node:
    """Turn one of PyYAML's nodes, and all below it, into ours."""
    place = _place(path, node.start_mark)
    if id(node) in above:
        raise UsageError(f"{place}: this alias contains itself")
    above = (*above, id(node))
    if isinstance(node, yaml.SequenceNode):
        return Node([_node(loader, item, path, above) for item in node.value], place, {})
    if not isinstance(node, yaml.MappingNode):
        return Node(loader.construct_object(node), place, {})
    entries: dict[str, Node] = {}
    places: dict[str, str] = {}
    for key, value in _pairs(loader, node, path):
        if key in entries:
            raise UsageError(f"{_place(path, value.start_mark)}: the key '{key}' is given twice (first at {places[key]})")
        entries[key] = _node(loader, value, path, above)
        places[key] = _place(path, value.start_mark)
    for key_node, _ in node.value:
        places[str(loader.construct_object(key_node))] = _place(path, key_node.start_mark)
    return Node(entries, place, places)


def _pairs(loader: yaml.SafeLoader, node: yaml.MappingNode, path: Path) -> Iterator[tuple[str, yaml.Node]]:
    """Yield the keys of a mapping, which must be words, with their values."""
    for key_node, value in node.value:
        key = loader.construct_object(key_node)
        if not isinstance(key, str):
            raise UsageError(f"{_place(path, key_node.start_mark)}: a key must be a word, got {key!r}")
        yield key, value
