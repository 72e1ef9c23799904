"""What a command answers: an exit code, and what it says as text for people and as data for programs (``--json``).

A document is one JSON object: ``version``, ``command``, ``exit_code`` and the command's own fields; an ``error`` in
their place where it failed. docs/json.md names all fields. Light: nothing is imported but the standard library.
"""

import json
import math
import numbers
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any

VERSION = 1  # raised when a field changes its name or meaning, or goes; one that is added leaves it


@dataclass(frozen=True)
class Answer:
    """What a command found.

    data  the fields of its document
    text  what standard output shows without ``--json``; empty where that was printed as the command went on
    """

    exit_code: int = 0
    data: Mapping[str, Any] = field(default_factory=dict)
    text: str = ""


def document(command: str | None, answer: Answer) -> str:
    """Return the document of an answer as JSON text: numbers in full precision, null for what is not defined."""
    head = {"version": VERSION, "command": command, "exit_code": answer.exit_code}
    return json.dumps(plain(head | dict(answer.data)), indent=2, allow_nan=False) + "\n"


def plain(value: Any) -> Any:
    """Return a value as JSON has it: numpy's numbers as Python's, tuples as lists, paths as text, NaN as None."""
    if value is None or isinstance(value, (str, bool)):
        return value
    if isinstance(value, numbers.Integral):
        return int(value)
    if isinstance(value, numbers.Real):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(name): plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, PurePath):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no place in a document: {value!r}")
