"""Reading archives and folders that somebody else made: nothing is unpacked to disk, and nothing is believed.

Members are yielded one by one with their bytes. Links, devices and names that lead out of the archive are refused, and
so is more than a limit: what is counted are the bytes that really come, not what headers say.
"""

import bz2
import gzip
import io
import lzma
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from bench.errors import UsageError

MEMBER_BYTES = 64_000_000
TOTAL_BYTES = 400_000_000
MEMBERS = 200_000
_DAMAGED = (
    tarfile.TarError, zipfile.BadZipFile, lzma.LZMAError, zlib.error, struct.error, EOFError, OSError, RuntimeError,
    ValueError,
)  # fmt: skip


@dataclass(frozen=True)
class Limits:
    """The most that may come out of one archive: bytes of one member, bytes and members in all."""

    member: int = MEMBER_BYTES
    total: int = TOTAL_BYTES
    members: int = MEMBERS


@dataclass(frozen=True)
class Member:
    """A file in an archive or folder: its name, relative and with forward slashes, and its bytes."""

    name: PurePosixPath
    content: bytes


def members(path: Path, limits: Limits = Limits()) -> Iterator[Member]:
    """Yield the files of a tar (plain, gz, bz2, xz) or zip archive, or of a folder.

    Raises UsageError for anything that a data archive has no reason to hold.
    """
    if path.is_dir():
        source = _of_folder(path, limits)
    elif not path.is_file():
        raise UsageError(f"'{path}' does not exist; give an archive or a folder")
    elif zipfile.is_zipfile(path):
        source = _of_zip(path, limits)
    else:
        source = _of_tar(path, limits)
    total = 0
    try:
        for number, member in enumerate(source, 1):
            total += len(member.content)
            if number > limits.members:
                raise UsageError(f"'{path}' holds more than {limits.members:,} files, which no dataset here has")
            if total > limits.total:
                raise _too_large(path, limits.total)
            yield member
    except _DAMAGED as error:
        raise UsageError(f"'{path}' is damaged, or neither a tar nor a zip archive: {error}") from error


def _too_large(path: Path, most: int) -> UsageError:
    return UsageError(f"'{path}' unpacks to more than {most // 1_000_000:,} MB, which no dataset here has")


def _safe(path: Path, name: str) -> PurePosixPath:
    """Return a member's name, or raise UsageError where it leads out of the archive."""
    pure = PurePosixPath(name)
    if pure.is_absolute() or ".." in pure.parts or "\\" in name or ":" in "".join(pure.parts[:1]):
        raise UsageError(f"'{path}': the member '{name}' leads out of the archive; nothing was imported")
    return pure


class _Counted(io.RawIOBase):
    """A stream that refuses to give more than a limit."""

    def __init__(self, stream: IO[bytes], path: Path, most: int) -> None:
        self._stream, self._path, self._most = stream, path, most
        self._given = 0

    def readable(self) -> bool:
        """Return True."""
        return True

    def read(self, size: int = -1) -> bytes:
        """Return at most ``size`` bytes; raise UsageError past the limit."""
        content = self._stream.read(size)
        self._given += len(content)
        if self._given > self._most:
            raise _too_large(self._path, self._most)
        return content


def _of_tar(path: Path, limits: Limits) -> Iterator[Member]:
    """Yield the regular files of a tar archive, read once from front to back."""
    openers = {b"\x1f\x8b": gzip.open, b"BZ": bz2.open, b"\xfd7": lzma.open}
    with path.open("rb") as file:
        start = file.read(2)
    with (
        openers.get(start, open)(path, "rb") as stream,
        tarfile.open(fileobj=_Counted(stream, path, limits.total), mode="r|") as archive,
    ):
        for entry in archive:
            name = _safe(path, entry.name)
            if entry.isdir():
                continue
            if not entry.isreg():
                raise UsageError(f"'{path}': the member '{name}' is a link or device, not a file; refused")
            if entry.size > limits.member:
                raise _member_too_large(path, entry.name, limits)
            content = archive.extractfile(entry)
            assert content is not None
            yield Member(name, content.read())


def _of_zip(path: Path, limits: Limits) -> Iterator[Member]:
    """Yield the regular files of a zip archive."""
    with zipfile.ZipFile(path) as archive:
        for entry in archive.infolist():
            name = _safe(path, entry.filename)
            kind = stat.S_IFMT(entry.external_attr >> 16)
            if entry.is_dir():
                continue
            if kind not in (0, stat.S_IFREG):
                raise UsageError(f"'{path}': the member '{name}' is a link or device, not a file; refused")
            with archive.open(entry) as stream:
                content = stream.read(limits.member + 1)
            if len(content) > limits.member:
                raise _member_too_large(path, entry.filename, limits)
            yield Member(name, content)


def _of_folder(path: Path, limits: Limits) -> Iterator[Member]:
    """Yield the regular files of a folder, sorted by name."""
    for file in sorted(path.rglob("*")):
        if file.is_symlink():
            raise UsageError(f"'{file}' is a link; give a folder that holds the files themselves")
        if file.is_file():
            if file.stat().st_size > limits.member:
                raise _member_too_large(path, str(file.relative_to(path)), limits)
            yield Member(PurePosixPath(file.relative_to(path).as_posix()), file.read_bytes())


def _member_too_large(path: Path, name: str, limits: Limits) -> UsageError:
    return UsageError(f"'{path}': the member '{name}' is larger than {limits.member // 1_000_000} MB; refused")
