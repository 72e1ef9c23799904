"""Datasets: named, parameterised sources of arrays. Explicit list, no registration."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

from bench.datasets.base import Dataset
from bench.datasets.cifar10 import Cifar10
from bench.datasets.digits import Digits
from bench.datasets.fraud import Fraud
from bench.datasets.sine import Sine
from bench.datasets.sine_events import SineEvents
from bench.datasets.table import Table
from bench.errors import UsageError, unknown

DATASETS: dict[str, type[Dataset]] = {kind.name: kind for kind in (Fraud, Sine, SineEvents, Digits, Cifar10, Table)}


def create(name: str, parameters: Mapping[str, Any]) -> Dataset:
    """Return the dataset of that name with these parameters.

    Raises UsageError for an unknown name or parameter, or a value of the wrong type or out of range.
    """
    if name not in DATASETS:
        raise UsageError(unknown("dataset", name, DATASETS))
    fields = {field.name: field for field in dataclasses.fields(DATASETS[name])}
    values = {}
    for key, value in parameters.items():
        if key not in fields:
            raise UsageError(unknown(f"parameter of {name}", key, fields))
        values[key] = _typed(f"{name}: {key}", value, str(fields[key].type))
    for key, field in fields.items():
        if field.default is dataclasses.MISSING and key not in values:
            raise UsageError(f"{name}: the parameter '{key}' is missing")
    try:
        return DATASETS[name](**values)
    except ValueError as error:
        raise UsageError(f"{name}: {error}") from error


def _typed(what: str, value: Any, annotation: str) -> Any:
    """Return a value in the type that a parameter has; whole numbers serve as floats, a word as a list of one."""
    name = annotation.removeprefix("<class '").removesuffix("'>")
    if name.endswith(" | None"):
        return None if value is None else _typed(what, value, name.removesuffix(" | None"))
    if name == "float" and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if name.startswith("tuple"):
        value = (value,) if isinstance(value, str) else tuple(value) if isinstance(value, list) else value
        if isinstance(value, tuple) and all(isinstance(item, str) for item in value):
            return value
        raise UsageError(f"{what} must be a list of words, got {value!r}")
    plain = {"int": int, "float": float, "bool": bool}.get(name, str)
    if not isinstance(value, plain) or (isinstance(value, bool) and plain is not bool):
        raise UsageError(f"{what} must be of type {plain.__name__}, got {value!r}")
    if isinstance(value, float) and not math.isfinite(value):
        raise UsageError(f"{what} must be a finite number, got {value}")
    return value
