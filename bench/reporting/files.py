"""Writing a report's files."""

from collections.abc import Mapping
from pathlib import Path

from bench.errors import UsageError


def write_files(folder: Path, files: Mapping[str, str]) -> None:
    """Write texts by file name into a folder, which is made where it is not there; raise UsageError if that fails."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (folder / name).write_bytes(text.encode())
    except OSError as error:
        raise UsageError(
            f"the report folder '{folder}' cannot be written ({error.strerror}); choose another with --report"
        ) from error
