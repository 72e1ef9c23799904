"""Archives that somebody else made: hostile ones are refused in one sentence, and nothing is written anywhere."""

import bz2
import gzip
import io
import lzma
import stat
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bench.archives import Limits, Member, members
from bench.cli import main
from bench.errors import UsageError

EVIL = Path(tempfile.gettempdir()) / "remedy-bench-evil.jpg"
SMALL = Limits(member=1000, total=3000, members=20)
ZEROS = gzip.compress(bytes(10**7))  # a gzip stream may be made of several, one after the other


def tar_of(path: Path, *entries: tuple[str, bytes], opener=gzip.open, link: str = "", kind: bytes = b"") -> Path:
    """A tar archive of these files and, if asked for, a link or device of the name ``link``."""
    with opener(path, "wb") as stream, tarfile.open(fileobj=stream, mode="w") as archive:
        for name, content in entries:
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
        if link:
            entry = tarfile.TarInfo(link)
            entry.type, entry.linkname = kind, "/etc/passwd"
            archive.addfile(entry)
    return path


def zip_of(path: Path, *entries: tuple[str, bytes], link: str = "") -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries:
            archive.writestr(name, content)
        if link:
            entry = zipfile.ZipInfo(link)
            entry.external_attr = (stat.S_IFLNK | 0o777) << 16
            archive.writestr(entry, "/etc/passwd")
    return path


FILES = (("a/one.txt", b"1"), ("a/two.txt", b"22"))


@pytest.mark.parametrize("opener", [open, gzip.open, bz2.open, lzma.open])
def test_every_kind_of_tar_gives_its_files(tmp_path: Path, opener) -> None:
    found = list(members(tar_of(tmp_path / "files", *FILES, opener=opener)))
    assert [(str(member.name), member.content) for member in found] == list(FILES)


def test_a_zip_archive_and_a_folder_give_the_same_files(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    (folder / "a").mkdir(parents=True)
    for name, content in FILES:
        (folder / name).write_bytes(content)
    assert list(members(folder)) == list(members(zip_of(tmp_path / "files.zip", *FILES)))


def _gigabyte_of_zeros(path: Path) -> Path:
    """A tar member of a gigabyte of zeros, under a megabyte as it lies on disk."""
    entry = tarfile.TarInfo("train/cat/0001.jpg")
    entry.size = 10**9
    return _write(path, gzip.compress(entry.tobuf()) + 100 * ZEROS)


def _long_name(path: Path) -> Path:
    """A member whose name is a gigabyte of zeros."""
    entry = tarfile.TarInfo("././@LongLink")
    entry.type, entry.size = tarfile.GNUTYPE_LONGNAME, 10**9
    return _write(path, gzip.compress(entry.tobuf(format=tarfile.GNU_FORMAT)) + 100 * ZEROS)


HOSTILE: dict[str, tuple[Callable[[Path], Path], str]] = {
    "absolute path in a tar": (lambda path: tar_of(path, (str(EVIL), b"x")), "leads out of the archive"),
    "parent in a tar": (lambda path: tar_of(path, ("train/../../evil.jpg", b"x")), "leads out of the archive"),
    "symbolic link in a tar": (
        lambda path: tar_of(path, link="train/cat/1.jpg", kind=tarfile.SYMTYPE),
        "is a link or device",
    ),
    "hard link in a tar": (lambda path: tar_of(path, link="x.jpg", kind=tarfile.LNKTYPE), "is a link or device"),
    "device in a tar": (lambda path: tar_of(path, link="x.jpg", kind=tarfile.CHRTYPE), "is a link or device"),
    "absolute path in a zip": (lambda path: zip_of(path, (str(EVIL), b"x")), "leads out of the archive"),
    "parent in a zip": (lambda path: zip_of(path, ("../evil.jpg", b"x")), "leads out of the archive"),
    "drive in a zip": (lambda path: zip_of(path, ("C:/evil.jpg", b"x")), "leads out of the archive"),
    "link in a zip": (lambda path: zip_of(path, link="train/cat/1.jpg"), "is a link or device"),
    "gigabyte of zeros in a tar": (_gigabyte_of_zeros, "is larger than 64 MB"),
    "gigabyte of zeros as a name": (_long_name, "unpacks to more than 400 MB"),
    "hundred megabytes of zeros in a zip": (
        lambda path: zip_of(path, ("train/cat/1.jpg", bytes(10**8))),
        "is larger than 64 MB",
    ),
    "cut short": (lambda path: _cut(tar_of(path, ("a", bytes(range(256)) * 99), opener=lzma.open)), "is damaged"),
    "no archive": (lambda path: _write(path, b"hello"), "neither a tar nor a zip archive"),
    "empty file": (lambda path: _write(path, b""), "neither a tar nor a zip archive"),
    "damaged image": (lambda path: tar_of(path, ("train/cat/1.jpg", b"\xff\xd8 no more")), "1.jpg' is damaged"),
    "image of another size": (lambda path: zip_of(path, ("train/cat/1.png", _png(8))), "is 8 x 8 pixels"),
    "batch with another checksum": (lambda path: tar_of(path, *_batches()), "is not the official file"),
    "some official files": (lambda path: tar_of(path, *_batches()[:2]), "lacks the official files data_batch_3"),
    "no images": (lambda path: tar_of(path, ("notes/one.txt", b"1")), "holds no CIFAR-10 images for train"),
    "one image": (lambda path: zip_of(path, ("train/cat/1.png", _png(32))), "0 images of class 'airplane' for train"),
    "an image twice": (lambda path: tar_of(path, *2 * [("train/cat/1.png", _png(32))]), "twice"),
}


def _batches() -> list[tuple[str, bytes]]:
    """Files named as the official ones, with a pickle that would run a command."""
    evil = b"cos\nsystem\n(S'touch evil'\ntR."
    names = [f"data_batch_{number}" for number in range(1, 6)] + ["test_batch"]
    return [(f"cifar-10-batches-py/{name}", evil) for name in names]


def _png(side: int) -> bytes:
    from PIL import Image

    out = io.BytesIO()
    Image.new("RGB", (side, side)).save(out, "PNG")
    return out.getvalue()


def _write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def _cut(path: Path) -> Path:
    return _write(path, path.read_bytes()[:-40])


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_archives_are_refused_in_one_sentence_and_nothing_is_written(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    make, sentence = HOSTILE[kind]
    there, data = tmp_path / "there", tmp_path / "data"
    there.mkdir()
    archive = make(there / "archive")
    monkeypatch.chdir(there)
    monkeypatch.setenv("BENCH_DATA", str(data))
    assert main(["data", "import", "cifar10", str(archive)]) == 2
    shown = capsys.readouterr()
    assert sentence in shown.err
    assert shown.err.startswith("error: ")
    assert shown.err.count("\n") == 1
    assert [path.name for path in tmp_path.rglob("*")] == ["there", "archive"]
    assert not EVIL.exists()


def test_limits_count_what_comes_not_what_headers_say(tmp_path: Path) -> None:
    many = zip_of(tmp_path / "many", *((f"{number}.txt", b"x") for number in range(21)))
    with pytest.raises(UsageError, match="more than 20 files"):
        list(members(many, SMALL))
    large = zip_of(tmp_path / "large", *((f"{number}.txt", bytes(900)) for number in range(4)))
    with pytest.raises(UsageError, match="unpacks to more than"):
        list(members(large, SMALL))
    lying = bytearray(zip_of(tmp_path / "lying", ("one.txt", bytes(2000))).read_bytes())
    at = lying.index(b"PK\x01\x02") + 24  # the size that the directory claims
    lying[at : at + 4] = (10).to_bytes(4, "little")
    (tmp_path / "lying").write_bytes(lying)
    with pytest.raises(UsageError, match=r"damaged|larger than"):
        list(members(tmp_path / "lying", SMALL))


def test_links_in_folders_are_refused(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"secret")
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "image.jpg").symlink_to(tmp_path / "secret")
    with pytest.raises(UsageError, match="is a link"):
        list(members(folder))


def test_reading_is_lazy(tmp_path: Path) -> None:
    found: Iterator[Member] = members(tar_of(tmp_path / "files", *FILES))
    assert str(next(found).name) == "a/one.txt"


def test_what_does_not_exist_is_said(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not exist"):
        list(members(tmp_path / "nowhere"))
