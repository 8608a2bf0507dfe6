"""Stores to back up, and backups of either form to take and to put back."""

from __future__ import annotations

import io
import random
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from imagestore.core.image import Condition, Labels
from imagestore.library.aliases import Aliases
from imagestore.library.archive_folder import FolderSource, FolderTarget
from imagestore.library.archive_tar import TarSource, TarTarget
from imagestore.library.backup import Backup, BackupReport
from imagestore.library.restore import Restore
from imagestore.library.restore_report import RestoreReport
from imagestore.store.documents import Naming
from imagestore.store.mongo import Document
from imagestore.store.registry import CredentialRecord, Registry
from imagestore.store.transformations import Transformations
from tests.library.stored import Stored
from tests.store.samples import BUCKET, facts, put, read

DATA = random.Random(11).randbytes(600_000)
SMALL = [random.Random(seed).randbytes(900 + seed) for seed in range(5)]
THEN = datetime(2024, 2, 29, 12, 0, 1, 250_000, UTC)


def fill(stored: Stored) -> None:
    """Buckets, one of them deleted; credentials; images with labels, history, shared bytes, one deleted."""
    registry = Registry(stored.mongo)
    for name, visibility in ((BUCKET, "public-read"), ("others", "private"), ("closed", "private")):
        registry.add_bucket(name, visibility)
    registry.set_live("closed", False)
    for key, buckets in (("ISALL", None), ("ISSOME", ("others", BUCKET))):
        registry.add_credential(CredentialRecord(key, ("read", "write"), buckets, "for\u2028tests", THEN))
    named = Transformations(stored.mongo)
    for name in ("thumb", "gone"):
        named.put(BUCKET, name, "c_fill,w_100")
    named.drop(BUCKET, "gone")
    stored.put("large", DATA)
    stored.put("a/ü\U0001f304", SMALL[0])
    stored.put("a/history", SMALL[1])
    stored.put("a/history", SMALL[2])
    stored.put("a/history", SMALL[1])
    stored.put("shared", SMALL[0])
    labels = Labels(("sea", "$where"), {"$date": "today", "alt": "x\ny"})
    stored.documents.set_labels(BUCKET, "shared", labels, Condition())
    ref = put(stored.blobs, SMALL[3])
    assert stored.documents.publish(Naming("others", "shared"), ref, facts(7)) is not None
    stored.put("deleted", SMALL[4])
    stored.delete("deleted")


def state(stored: Stored) -> dict[str, list[Document]]:
    """All that a restore brings back: every document, less what says where bytes lie in this store."""
    orders = {
        "buckets": ["_id"],
        "credentials": ["_id"],
        "transformations": ["_id"],
        "images": ["bucket", "key"],
        "versions": ["bucket", "key", "number"],
    }
    hidden = {"file_id", "chunk_size"}
    found = {}
    for name, order in orders.items():
        rows = stored.collection(name).find().sort([(field, 1) for field in order])
        left_out = hidden | ({"_id"} if name == "images" else set())
        found[name] = [{key: row[key] for key in row if key not in left_out} for row in rows]
    return found


def contents(stored: Stored) -> dict[tuple[str, str, int], bytes]:
    """The bytes of every version, as delivery would read them, by bucket, key and number."""
    found = {}
    for row in stored.collection("versions").find():
        version = stored.documents.find_version(row["bucket"], row["key"], row["number"])
        found[row["bucket"], row["key"], row["number"]] = read(stored.blobs, version.blob)
    return found


def wipe(stored: Stored) -> None:
    """The whole database, indexes too."""
    stored.mongo.client.drop_database(stored.mongo.database.name)


@dataclass
class Archives:
    """Backups in one form: a folder, or a file that holds the stream."""

    form: str
    folder: Path
    workspace: Path
    aliases: Aliases

    @property
    def path(self) -> Path:
        return self.folder if self.form == "folder" else self.folder / "stream.tar"

    def backup(self, stored: Stored, **options: Any) -> BackupReport:
        with ExitStack() as closing:
            if self.form == "folder":
                target: Any = FolderTarget(self.folder)
            else:
                self.folder.mkdir(exist_ok=True)
                target = TarTarget(closing.enter_context(self.path.open("wb")), self.workspace)
            closing.enter_context(target)
            return Backup(stored.mongo, target).run(**options)

    def restore(self, stored: Stored, **options: Any) -> RestoreReport:
        with ExitStack() as closing:
            if self.form == "folder":
                source: Any = FolderSource(self.folder, self.workspace)
            else:
                source = TarSource(closing.enter_context(self.path.open("rb")), self.workspace)
            closing.enter_context(source)
            return Restore(stored.mongo, source, self.aliases, self.workspace, **options).run()

    def restore_stream(self, stored: Stored, data: bytes, **options: Any) -> RestoreReport:
        """From these bytes, as they come through a pipe."""
        with TarSource(Pipe(data), self.workspace) as source:
            return Restore(stored.mongo, source, self.aliases, self.workspace, **options).run()


class Pipe(io.RawIOBase):
    """Bytes that can be read once, in pieces of any size."""

    def __init__(self, data: bytes) -> None:
        self._rest = io.BytesIO(data)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._rest.readinto(memoryview(buffer)[:50_000])
