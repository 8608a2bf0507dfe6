"""Tar streams: what is no stream of a backup is refused, wherever it ends and whatever it holds."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from imagestore.core.errors import BlobDamaged
from imagestore.core.streams import Blob
from imagestore.library.archive import BackupUnusable, Index, Lines, Manifest, blob_path, index_path
from imagestore.library.archive_tar import TarSource, TarTarget
from imagestore.library.restore_report import Trouble
from imagestore.store.snapshot import COLLECTIONS
from tests.library.archives import DATA, SMALL, Archives, Pipe, contents, fill, wipe
from tests.library.stored import Stored
from tests.store.samples import digest_of

ID = "20240229T120001Z-0a1b2c3d"
FIRST, SECOND = digest_of(SMALL[0]), digest_of(SMALL[1])


def stream(folder: Path) -> bytes:
    """A complete backup of no documents and two blobs."""
    kept = io.BytesIO()
    files = {each: folder / f"kept-{each}" for each in COLLECTIONS}
    for path in files.values():
        path.write_bytes(b"")
    nothing = Lines(io.BytesIO())
    zeros = dict.fromkeys(COLLECTIONS, 0)
    index = Index(ID, zeros, zeros, dict.fromkeys(COLLECTIONS, nothing.hash.hexdigest()))
    with TarTarget(kept, folder) as target:
        target.add_documents(index, files)
        for data in SMALL[:2]:
            with Blob.of(data) as blob:
                target.add_blob(digest_of(data), blob)
        target.finish(Manifest(index_path(ID), digest_of(index.text()), 2, len(SMALL[0]) + len(SMALL[1])))
    return kept.getvalue()


def entry(name: str, data: bytes = b"", kind: bytes = tarfile.REGTYPE) -> bytes:
    """One member of a tar, by hand."""
    member = tarfile.TarInfo(name)
    member.type, member.size, member.linkname = kind, len(data), "target"
    return member.tobuf(tarfile.GNU_FORMAT) + data + bytes(-len(data) % tarfile.BLOCKSIZE)


def read_all(data: bytes, workspace: Path) -> list[bytes | None]:
    """The two blobs of `stream`, with the manifest read after them."""
    found = []
    with TarSource(Pipe(data), workspace) as source:
        source.index()
        for digest, size in ((FIRST, len(SMALL[0])), (SECOND, len(SMALL[1]))):
            taken = source.take(digest, size, wanted=True)
            if taken is None:
                found.append(None)
                continue
            with taken, taken.open() as file:
                found.append(file.read())
        source.manifest()
    return found


@pytest.mark.quick
def test_what_was_written_is_read(tmp_path: Path) -> None:
    assert read_all(stream(tmp_path), tmp_path) == SMALL[:2]


@pytest.mark.quick
def test_any_tar_lists_and_unpacks_it(tmp_path: Path) -> None:
    with tarfile.open(fileobj=io.BytesIO(stream(tmp_path))) as tar:
        assert tar.getnames()[-1] == "MANIFEST.json"
        assert tar.extractfile(blob_path(FIRST)).read() == SMALL[0]


@pytest.mark.quick
def test_what_is_not_wanted_is_passed_over(tmp_path: Path) -> None:
    with TarSource(Pipe(stream(tmp_path)), tmp_path) as source:
        source.index()
        assert source.take(FIRST, len(SMALL[0]), wanted=False) is None
        assert source.take(FIRST, len(SMALL[0]), wanted=True) is None
        with source.take(SECOND, len(SMALL[1]), wanted=True) as taken:
            assert taken.digest == SECOND
        assert source.manifest().blobs == 2


@pytest.mark.quick
def test_a_stream_cut_anywhere_is_found_out(tmp_path: Path) -> None:
    whole = stream(tmp_path)
    end = whole.rindex(b"}\n") + 2
    for cut in [*range(0, end, 97), *range(0, end, tarfile.BLOCKSIZE), end - 1]:
        with pytest.raises(BackupUnusable):
            read_all(whole[:cut], tmp_path)
    assert read_all(whole[:end] + bytes(tarfile.BLOCKSIZE), tmp_path) == SMALL[:2]


@pytest.mark.quick
def test_a_flipped_bit_in_a_blob_is_found(tmp_path: Path) -> None:
    whole = bytearray(stream(tmp_path))
    whole[whole.index(SMALL[0]) + 100] ^= 4
    with pytest.raises(BlobDamaged, match="damaged"):
        read_all(bytes(whole), tmp_path)


@pytest.mark.quick
@pytest.mark.parametrize(
    "size", [0, len(SMALL[0]) - 1, len(SMALL[0]) + 1, 10**15], ids=["none", "less", "more", "lie"]
)
def test_a_blob_of_another_size_is_refused(tmp_path: Path, size: int) -> None:
    with TarSource(Pipe(stream(tmp_path)), tmp_path) as source:
        source.index()
        with pytest.raises(BlobDamaged):
            source.take(FIRST, size, wanted=True)
        with source.take(SECOND, len(SMALL[1]), wanted=True) as taken:
            assert taken.digest == SECOND


NAMES = [
    "../outside",
    "/tmp/outside",
    "blobs/../../outside",
    "documents/../../outside.jsonl",
    f"documents/{ID}/../../../outside.jsonl",
    f"documents/{ID}/versions.jsonl/../../../../outside",
    f"./documents/{ID}/versions.jsonl",
    f"documents/{ID}/outside.jsonl",
    f"documents/{ID}\n/versions.jsonl",
    f"documents/{ID}/versions.jsonl\n",
    "blobs/AB/" + "c" * 62,
    "",
    ".",
]
KINDS = {
    "link": tarfile.LNKTYPE,
    "symlink": tarfile.SYMTYPE,
    "device": tarfile.CHRTYPE,
    "block device": tarfile.BLKTYPE,
    "folder": tarfile.DIRTYPE,
    "pipe": tarfile.FIFOTYPE,
    "contiguous": tarfile.CONTTYPE,
    "sparse": tarfile.GNUTYPE_SPARSE,
    "long name": tarfile.GNUTYPE_LONGNAME,
    "long link": tarfile.GNUTYPE_LONGLINK,
    "extended header": tarfile.XHDTYPE,
    "global header": tarfile.XGLTYPE,
    "unknown": b"Z",
}


def outside(folder: Path) -> list[Path]:
    """What lies where nothing should."""
    return [path for path in folder.rglob("*") if "outside" in path.name or path.is_symlink()]


@pytest.mark.quick
@pytest.mark.parametrize("name", NAMES)
def test_a_name_that_is_not_ours_is_refused(tmp_path: Path, name: str) -> None:
    workspace = tmp_path / "a" / "b"
    workspace.mkdir(parents=True)
    with pytest.raises(BackupUnusable, match=r"no place there|no plain file|ends before"):
        read_all(entry(name, b"x") + stream(workspace), workspace)
    whole = stream(workspace)
    manifest = whole.index(b"MANIFEST.json")
    with pytest.raises(BackupUnusable, match=r"no place there|no plain file|ends before"):
        read_all(whole[:manifest] + entry(name, b"x") + whole[manifest:], workspace)
    assert not outside(tmp_path)
    assert not Path("/tmp/outside").exists()


@pytest.mark.quick
@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("name", [blob_path(FIRST), f"documents/{ID}/images.jsonl", "../outside"])
def test_only_plain_files_are_taken(tmp_path: Path, kind: bytes, name: str) -> None:
    """Also where the header says that terabytes follow."""
    huge = bytearray(entry(name, b"", kind))
    huge[124:136] = b"77777777777\0"
    huge[148:156] = b" " * 8
    huge[148:156] = b"%06o\0 " % sum(huge[:512])
    whole = stream(tmp_path)
    blobs = whole.index(blob_path(FIRST).encode())
    for member in (entry(name, b"", kind), bytes(huge)):
        for at in (0, blobs):
            with pytest.raises(BackupUnusable, match="no plain file"):
                read_all(whole[:at] + member + whole[at:], tmp_path)
    assert not outside(tmp_path)


@pytest.mark.quick
@pytest.mark.parametrize("data", [b"", b"\0" * 4096, b"not a tar" * 500, b"\x1f\x8b\x08" + bytes(2000)])
def test_what_is_no_tar_is_refused(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(BackupUnusable):
        read_all(data, tmp_path)


@pytest.mark.quick
def test_an_index_beyond_all_bounds_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BackupUnusable, match="too long"):
        read_all(entry(index_path(ID), b" " * 1_100_000), tmp_path)


@pytest.mark.quick
@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[]",
        b"[" * 100_000,
        b'{"format": "zip"}',
        b'{"format": "imagestore-backup", "revision": 2}',
        b'{"format": "imagestore-backup", "revision": 1, "id": "../../x"}',
        b'{"format": "imagestore-backup", "revision": 1, "id": "20240101T000000Z-00000000"}',
    ],
)
def test_an_index_that_is_none_is_refused(text: bytes) -> None:
    with pytest.raises(BackupUnusable):
        Index.read(text)
    with pytest.raises(BackupUnusable):
        Manifest.read(text)


def test_what_came_before_the_cut_is_restored_whole(
    stored: Stored, archives: Callable[[str], Archives]
) -> None:
    fill(stored)
    tar = archives("tar")
    tar.backup(stored)
    whole = tar.path.read_bytes()
    wipe(stored)
    last = 0
    for cut in range(whole.index(b"blobs/"), len(whole), len(whole) // 7):
        report = tar.restore_stream(stored, whole[:cut])
        assert dict(report.problems.counts) == {Trouble.BACKUP_INCOMPLETE: 1}
        there = stored.collection("images").count_documents({"live": True})
        assert there >= last
        last = there
        assert not {kind for kind in stored.kinds() if kind.severity != "waste"}
        assert set(contents(stored).values()) <= {DATA, *SMALL}
    assert not tar.restore_stream(stored, whole).problems.counts
    assert set(contents(stored).values()) == {DATA, *SMALL[:4]}


def test_a_damaged_blob_in_a_stream_is_refused_and_the_rest_goes_on(
    stored: Stored, archives: Callable[[str], Archives]
) -> None:
    fill(stored)
    tar = archives("tar")
    tar.backup(stored)
    whole = bytearray(tar.path.read_bytes())
    whole[whole.index(SMALL[0])] ^= 1
    wipe(stored)
    report = tar.restore_stream(stored, bytes(whole))
    assert dict(report.problems.counts) == {Trouble.BLOB_DAMAGED: 2}
    assert set(contents(stored).values()) == {DATA, *SMALL[1:4]}


def test_an_unpacked_stream_is_a_folder_that_can_be_restored(
    stored: Stored, archives: Callable[[str], Archives], tmp_path: Path
) -> None:
    fill(stored)
    tar = archives("tar")
    tar.backup(stored)
    before = contents(stored)
    wipe(stored)
    unpacked = tmp_path / "unpacked"
    with tarfile.open(tar.path) as packed:
        packed.extractall(unpacked, filter="data")
    assert not Archives("folder", unpacked, tar.workspace, tar.aliases).restore(stored).problems.counts
    assert contents(stored) == before


def test_the_tar_of_a_folder_is_refused_with_advice(
    stored: Stored, archives: Callable[[str], Archives], tmp_path: Path
) -> None:
    fill(stored)
    folder = archives("folder")
    folder.backup(stored)
    with tarfile.open(tmp_path / "folder.tar", "w") as packed:
        packed.add(folder.path, ".")
    with pytest.raises(BackupUnusable, match="to be unpacked first"):
        folder.restore_stream(stored, (tmp_path / "folder.tar").read_bytes())
