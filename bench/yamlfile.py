"""YAML that remembers where everything stood, so that every complaint carries file:line:column.

Plain values follow YAML 1.2's core schema, so that ``1e-3`` is a number and ``on`` or a date is a word (in YAML 1.1,
PyYAML's own reading, they are not).
"""

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import yaml

from bench.errors import UsageError, unknown

_TAG = "tag:yaml.org,2002:"
_WORDS = (
    (f"{_TAG}null", re.compile(r"~|null|Null|NULL|")),
    (f"{_TAG}bool", re.compile(r"true|True|TRUE|false|False|FALSE")),
    (f"{_TAG}int", re.compile(r"[-+]?[0-9]+")),
    (f"{_TAG}float", re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")),
)
_Word = TypeVar("_Word", bound=str)
_TOO_LARGE = 2.0**64  # for a whole number


@dataclass(frozen=True)
class Node:
    """A value of the file with its place. Mappings hold str -> Node, sequences hold Nodes, others plain values."""

    value: Any
    place: str
    key_places: dict[str, str] = field(default_factory=dict)

    def fail(self, sentence: str) -> NoReturn:
        """Raise UsageError at this node's place."""
        raise UsageError(f"{self.place}: {sentence}")

    def fail_at_key(self, key: str, sentence: str) -> NoReturn:
        """Raise UsageError at the place of one of this mapping's keys."""
        raise UsageError(f"{self.key_places[key]}: {sentence}")

    def mapping(self, what: str, allowed: Iterable[str] | None = None) -> "dict[str, Node]":
        """Return the entries of a mapping; complain of any other thing, and of keys that are not allowed."""
        if not isinstance(self.value, dict):
            self.fail(f"{what} must be a mapping of names to values, got {shown(self)}")
        if allowed is not None:
            names = tuple(allowed)
            for key in self.value:
                if key not in names:
                    self.fail_at_key(key, unknown("key", key, names))
        return self.value

    def sequence(self, what: str) -> "list[Node]":
        """Return the entries of a list that is not empty."""
        if not isinstance(self.value, list) or not self.value:
            self.fail(f"{what} must be a list with at least one entry, got {shown(self)}")
        return self.value

    def text(self, what: str) -> str:
        """Return a string, without the spaces around it."""
        if not isinstance(self.value, str) or not self.value.strip():
            self.fail(f"{what} must be a word or a sentence, got {shown(self)}")
        return self.value.strip()

    def whole(self, what: str, low: int, high: int) -> int:
        """Return a whole number within bounds."""
        if not isinstance(self.value, int) or isinstance(self.value, bool) or not low <= self.value <= high:
            self.fail(f"{what} must be a whole number from {low} to {high}, got {shown(self)}")
        return self.value

    def choice(self, what: str, valid: Sequence[_Word]) -> _Word:
        """Return one of the words that are allowed."""
        text = self.text(what)
        found = next((word for word in valid if word == text), None)
        if found is None:
            self.fail(unknown(what, text, valid))
        return found

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

    def setting(self, what: str) -> Any:
        """Return a plain value (None for an empty one), or a tuple for a list of plain values."""
        if isinstance(self.value, dict):
            self.fail(f"{what} must be a plain value or a list of them, got a mapping")
        if not isinstance(self.value, list):
            return self.value
        for item in self.value:
            if isinstance(item.value, (dict, list)):
                item.fail(f"{what} must be a plain value or a list of them, got {shown(item)} inside the list")
        return tuple(item.value for item in self.value)


def shown(node: Node) -> str:
    """Return a value as a complaint shows it."""
    if isinstance(node.value, dict):
        return "a mapping"
    if isinstance(node.value, list):
        return "a list" if node.value else "an empty list"
    if isinstance(node.value, bool):
        return str(node.value).lower()
    return "nothing" if node.value is None else repr(node.value)


@contextmanager
def placed(node: Node | None, where: str = "") -> Iterator[None]:
    """Put the node's place, if any, before a complaint from inside, and ``where`` after it."""
    try:
        yield
    except UsageError as error:
        raise UsageError(f"{f'{node.place}: ' if node else ''}{error}{where}") from error


class _Loader(yaml.SafeLoader):
    """PyYAML's parser with the words of YAML 1.2's core schema."""

    def resolve(self, kind: type[yaml.Node], value: Any, implicit: Any) -> str:
        """Return the tag of a node that has none; ``implicit[0]`` says whether it is a word without quotes."""
        if kind is yaml.ScalarNode:
            return next((tag for tag, words in _WORDS if implicit[0] and words.fullmatch(value)), f"{_TAG}str")
        return f"{_TAG}seq" if kind is yaml.SequenceNode else f"{_TAG}map"


def load(path: Path) -> Node:
    """Read a YAML file. Raises UsageError, with the place, for whatever is wrong with it."""
    text = _read(path)
    try:
        root = yaml.compose(text, Loader=_Loader)
        if root is None:
            raise UsageError(f"{path}:1:1: the file is empty")
        return _Reader(path).node(root, ())
    except yaml.reader.ReaderError as error:
        place = _place_of(path, text, error.position)
        raise UsageError(f"{place}: not valid YAML: the character {text[error.position]!r} is not allowed") from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = " ".join(", ".join(part for part in (error.context, error.problem) if part).split())
        raise UsageError(f"{_place(path, mark)}: not valid YAML: {problem}") from error
    except RecursionError as error:
        raise UsageError(f"{path}:1:1: not valid YAML for a suite: it is nested too deeply") from error


def _read(path: Path) -> str:
    """Return the text of a file."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from error
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        place = _place_of(path, content[: error.start].decode("utf-8-sig", errors="replace"), None)
        raise UsageError(f"{place}: not a UTF-8 text file (byte {content[error.start]:#04x})") from error


def _place_of(path: Path, text: str, position: int | None) -> str:
    """Return the place of a character, or of the end of the text."""
    before = text[:position]
    return f"{path}:{before.count(chr(10)) + 1}:{len(before) - before.rfind(chr(10))}"


def _place(path: Path, mark: Any) -> str:
    """Return the place of one of PyYAML's marks."""
    return f"{path}:{mark.line + 1}:{mark.column + 1}"


class _Reader:
    """Turns PyYAML's nodes into ours, each of them once, so that aliases of aliases cannot blow up."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._done: dict[int, Node] = {}

    def node(self, node: yaml.Node, above: tuple[int, ...]) -> Node:
        """Return a node, and all below it; ``above`` holds the nodes that it stands in."""
        if id(node) in above:
            self._fail(node, "this list or mapping contains itself through an alias")
        if id(node) not in self._done:
            self._done[id(node)] = self._convert(node, (*above, id(node)))
        return self._done[id(node)]

    def _convert(self, node: yaml.Node, above: tuple[int, ...]) -> Node:
        place = _place(self._path, node.start_mark)
        if isinstance(node, yaml.SequenceNode) and node.tag == f"{_TAG}seq":
            return Node([self.node(item, above) for item in node.value], place)
        if isinstance(node, yaml.MappingNode) and node.tag == f"{_TAG}map":
            return self._mapping(node, place, above)
        return Node(self._scalar(node), place)

    def _mapping(self, node: yaml.MappingNode, place: str, above: tuple[int, ...]) -> Node:
        entries: dict[str, Node] = {}
        places: dict[str, str] = {}
        for key_node, value in node.value:
            if not isinstance(key_node, yaml.ScalarNode) or key_node.tag != f"{_TAG}str":
                self._fail(key_node, "a key must be a word")
            key = self._text(key_node)
            if key in entries:
                self._fail(key_node, f"the key '{key}' is given twice (first at {places[key]})")
            places[key] = _place(self._path, key_node.start_mark)
            entries[key] = self.node(value, above)
        return Node(entries, place, places)

    def _scalar(self, node: yaml.Node) -> Any:
        """Return the value that a word stands for."""
        kind, text = node.tag.removeprefix(_TAG), node.value
        if not isinstance(node, yaml.ScalarNode) or kind not in ("str", "null", "bool", "int", "float"):
            self._fail(node, f"the tag '{node.tag.replace(_TAG, '!!')}' does not fit here; write a plain value")
        if kind == "null":
            return None
        if kind == "bool":
            return text.lower() == "true"
        return self._text(node) if kind == "str" else self._number(node, kind, text)

    def _text(self, node: yaml.ScalarNode) -> str:
        """Return a string; a character escaped as a surrogate pair, as in JSON, is one character."""
        try:
            return node.value.encode("utf-16", "surrogatepass").decode("utf-16")
        except UnicodeDecodeError:
            self._fail(node, "half of a surrogate pair is not a character")

    def _number(self, node: yaml.Node, kind: str, text: str) -> int | float:
        """Return a number; whole ones stay below 2^64, others finite."""
        try:
            number = float(text)
            fits = math.isfinite(number) and (kind == "float" or abs(number) < _TOO_LARGE)
            value = number if kind == "float" or not fits else int(text)
        except ValueError:
            self._fail(node, f"{text!r} is not a number")
        if not fits:
            self._fail(node, "the number is too large")
        return value

    def _fail(self, node: yaml.Node, sentence: str) -> NoReturn:
        raise UsageError(f"{_place(self._path, node.start_mark)}: {sentence}")
