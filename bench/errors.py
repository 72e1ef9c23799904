"""Errors a person can act on: one sentence that says what, where and what would be right."""

import difflib
from collections.abc import Iterable, Sequence

# What data and settings can provoke in a stage, a library or a rule; anything else is a defect and is not caught.
FAILURES = (ArithmeticError, AssertionError, LookupError, MemoryError, RuntimeError, TypeError, ValueError)


class BenchError(Exception):
    """An error that is told in one sentence, without a traceback."""

    exit_code = 2


class UsageError(BenchError):
    """Bad usage or a bad suite (exit code 2)."""


class IncompleteError(BenchError):
    """What was asked for cannot be completed on this machine (exit code 3)."""

    exit_code = 3


SHOWN = 40  # names that one sentence can hold
LISTED = "'python -m bench list' shows them all"  # of what is in the catalogue


def nearest(name: object, allowed: Iterable[str]) -> str:
    """Return ``", did you mean 'x'?"`` for the closest allowed name, or an empty string."""
    close = difflib.get_close_matches(str(name).lower(), list(allowed), n=1, cutoff=0.5)
    return f", did you mean '{close[0]}'?" if close else ""


def some(name: object, names: Sequence[str]) -> str:
    """Return names as a list; of more than ``SHOWN`` those like ``name``, and how many more there are."""
    if len(names) <= SHOWN:
        return ", ".join(names)
    alike = difflib.get_close_matches(str(name).lower(), names, n=6, cutoff=0.4)
    alike += [one for one in names if one not in alike and one[:2] == str(name).lower()[:2]][: 6 - len(alike)]
    return f"{', '.join(alike)} and {len(names) - len(alike)} more" if alike else f"{len(names)} names"


def unknown(what: str, name: object, allowed: Iterable[str], where: str = "") -> str:
    """Return the sentence for an unknown name: the nearest one and those that are valid.

    where: what lists them all, if they are too many for a sentence.
    """
    names = sorted(allowed)
    listed = f": {where}" if where and len(names) > SHOWN else ""
    return f"unknown {what} '{name}'{nearest(name, names) or '.'} Valid: {some(name, names)}{listed}"


def one_line(error: BaseException) -> str:
    """Return an error's text as one line."""
    return " ".join(str(error).split()) or type(error).__name__
