"""A technique in a file of a user's own: read it, and the template that starts one."""

import hashlib
import importlib.util
import sys
import traceback
from pathlib import Path
from types import ModuleType

from bench.catalogue import TECHNIQUES
from bench.errors import UsageError, one_line
from bench.recipe import Technique
from bench.stages.base import Stage

MODULE = "remedy_bench_own_technique"  # what the file is imported as
TEMPLATE = """\
from bench.recipe import Technique
from bench.stages.losses import Focal

technique = Technique(
    name="focal-4",
    family="imbalance: loss",
    claim="pays still less attention to examples that are already easy",
    source="Lin et al. 2017, eq. 5, with gamma = 4",
    change={"loss": Focal(gamma=4.0)},  # recipe slot, or dotted path of a field -> value
    neutral={"loss.gamma": 0.0},
    tasks=("classification",),
)
"""


def is_file(name: str) -> bool:
    """Return whether a technique is named by a file rather than by its own name."""
    return name.endswith(".py")


def load_technique(path: Path) -> Technique:
    """Return the one technique that a file defines.

    It may define stages of its own; the file's text is then part of its trials' keys, for a change in it is a change of
    what is trained. Raises UsageError where the file cannot be run, or holds none or several.
    """
    module = _run(path)
    text = hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    held = list(vars(module).values())
    for stage in held:
        if isinstance(stage, type) and issubclass(stage, Stage) and stage.__module__ == MODULE:
            stage.code = text
    own = {id(one): one for one in held if isinstance(one, Technique) and one not in TECHNIQUES.values()}
    if len(own) != 1:
        found = ", ".join(sorted(one.name for one in own.values())) or "none"
        raise UsageError(
            f"{path}: must define one Technique, found {found}; 'python -m bench new technique' prints an example"
        )
    (technique,) = own.values()
    return technique


def _run(path: Path) -> ModuleType:
    """Import a file; its classes travel to workers by value, for they cannot import it."""
    import cloudpickle

    spec = importlib.util.spec_from_file_location(MODULE, path)
    if spec is None or spec.loader is None or not path.is_file():
        raise UsageError(f"{path}: no such file; 'python -m bench new technique > my_technique.py' starts one")
    module = importlib.util.module_from_spec(spec)
    sys.modules[MODULE] = module  # dataclasses look their module up
    writes, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise UsageError(f"{path}{_line(path, error)}: {type(error).__name__}: {one_line(error)}") from error
    finally:
        sys.dont_write_bytecode = writes
    cloudpickle.register_pickle_by_value(module)
    return module


def _line(path: Path, error: Exception) -> str:
    """Return ':line' of the file where an error arose in it."""
    if isinstance(error, SyntaxError):
        return f":{error.lineno}"
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
    return f":{lines[-1]}" if lines else ""
