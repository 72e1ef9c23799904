"""Files of a results folder: tables and JSON that are read with one sentence for what is damaged, and written whole."""

import contextlib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from bench.errors import UsageError

if TYPE_CHECKING:
    import pyarrow as pa

TEMPORARY = ".part-"


def read_table(file: Path, wanted: "pa.Schema | None" = None) -> "pa.Table":
    """Return a part's table with the wanted columns (null where it was written before a column was); None: all.

    Raises UsageError where the file is damaged.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        opened = pq.ParquetFile(file)
        if wanted is None:
            return opened.read()
        held = set(opened.schema_arrow.names)
        table = opened.read(columns=[name for name in wanted.names if name in held], use_threads=False)
        for field in wanted:
            if field.name not in held:
                table = table.append_column(field, pa.nulls(len(table), field.type))
        return table.select(wanted.names).cast(wanted)
    except FileNotFoundError as error:
        raise UsageError(
            f"the results file '{file}' is missing; run the suite again: its trials will be trained anew"
        ) from error
    except (pa.ArrowException, OSError, ValueError, KeyError) as error:
        raise UsageError(
            f"the results file '{file}' is damaged ({_first_line(error)}); "
            "delete it and run the suite again: what is missing will be trained anew"
        ) from error


def read_json(path: Path, kinds: Mapping[str, type]) -> dict[str, Any]:
    """Return a JSON file's object, which must have keys of these kinds. Raises UsageError where the file is damaged."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _damaged(path, _first_line(error)) from error
    if not isinstance(value, dict):
        raise _damaged(path, "it holds no object")
    wrong = [name for name, kind in kinds.items() if not isinstance(value.get(name), kind)]
    if wrong:
        raise _damaged(path, f"what it says of {', '.join(wrong)} is missing or no {kinds[wrong[0]].__name__}")
    return value


def _damaged(path: Path, why: str) -> UsageError:
    return UsageError(f"the results file '{path}' is damaged ({why}); delete it and run the suite again")


def _first_line(error: BaseException) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__


@contextlib.contextmanager
def put_in_place(path: Path) -> Iterator[IO[bytes]]:
    """Yield a file that is synced and renamed to ``path`` once it is whole; the folder too, so that the name survives.

    Raises UsageError where the disk refuses (it may be full); then nothing of it is left there.
    """
    temporary = path.with_name(f"{TEMPORARY}{path.name}")
    try:
        with temporary.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.rename(path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise UsageError(
            f"the results file '{path}' cannot be written ({error.strerror or error}); what was finished is stored"
        ) from error


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write a JSON file whole, with sorted keys."""
    with put_in_place(path) as file:
        file.write(json.dumps(value, indent=1, sort_keys=True).encode() + b"\n")


def write_table(path: Path, table: "pa.Table") -> None:
    """Write, sync and rename, so that the file is either whole or not there."""
    import pyarrow.parquet as pq

    with put_in_place(path) as file:
        pq.write_table(table, file, compression="zstd")
