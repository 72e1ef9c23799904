"""The data folder: imported datasets as memory-mappable arrays, each with a note of what it is.

``BENCH_DATA`` names the folder; otherwise it is the platform's cache folder. Each dataset has a folder of its own that
is put in place in one step, so it is either whole or not there. Light: planning reads the note, never the arrays.
"""

import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench.errors import UsageError

if TYPE_CHECKING:
    import numpy as np

ABOUT = "about.json"


@dataclass(frozen=True)
class About:
    """What an imported dataset is.

    origin       'official files' or 'image folder'
    source       name of the file or folder it was imported from
    fingerprint  hash of all arrays, 128 bits in hex
    counts       rows per part
    """

    name: str
    origin: str
    source: str
    fingerprint: str
    counts: Mapping[str, int]


def data_folder() -> Path:
    """Return where imported data lie."""
    named = os.environ.get("BENCH_DATA")
    if named:
        return Path(named)
    from platformdirs import user_cache_path

    return user_cache_path("remedy-bench", appauthor=False) / "data"


def held(name: str) -> About | None:
    """Return the note of an imported dataset, or None where it is not on this machine."""
    path = data_folder() / name / ABOUT
    try:
        return About(**json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError) as error:
        raise UsageError(f"'{path}' is damaged; import the data again with 'python -m bench data import'") from error


def array(name: str, part: str) -> "np.ndarray":
    """Return one array of an imported dataset, memory-mapped and read-only."""
    import numpy as np

    return np.load(data_folder() / name / f"{part}.npy", mmap_mode="r")


def install(name: str, origin: str, source: str, arrays: "Mapping[str, np.ndarray]") -> About:
    """Put arrays in place under a name, replacing what was there. Raises UsageError where that fails."""
    import numpy as np

    counts = {part: len(values) for part, values in arrays.items()}
    about = About(name, origin, source, fingerprint(arrays), counts)
    with _beside(name) as temporary:
        for part, values in arrays.items():
            with (temporary / f"{part}.npy").open("wb") as file:
                np.save(file, np.ascontiguousarray(values))
                _flush(file)
        with (temporary / ABOUT).open("wb") as file:
            file.write(json.dumps(asdict(about), indent=1, sort_keys=True).encode())
            _flush(file)
        target = data_folder() / name
        older = temporary.with_name(f"{temporary.name}-older")
        if target.exists():
            target.rename(older)
        temporary.rename(target)
        shutil.rmtree(older, ignore_errors=True)
    return about


def fingerprint(arrays: "Mapping[str, np.ndarray]") -> str:
    """Return a hash of names, types, shapes and bytes, in the order of the names."""
    import hashlib

    import numpy as np

    hashed = hashlib.sha256()
    for part in sorted(arrays):
        values = np.ascontiguousarray(arrays[part])
        hashed.update(f"{part}{values.dtype}{values.shape}".encode())
        hashed.update(values.data)
    return hashed.hexdigest()[:32]


@contextlib.contextmanager
def _beside(name: str) -> Iterator[Path]:
    """Yield a new folder in the data folder, which is gone afterwards unless it was renamed."""
    folder = data_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=folder))
    except OSError as error:
        raise UsageError(f"the data folder '{folder}' cannot be written ({error.strerror}); set BENCH_DATA") from error
    try:
        yield temporary
    except OSError as error:
        raise UsageError(f"the data folder '{folder}' cannot be written ({error.strerror}); set BENCH_DATA") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _flush(file) -> None:
    file.flush()
    os.fsync(file.fileno())
