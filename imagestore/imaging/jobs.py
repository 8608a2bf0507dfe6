"""What decoders are asked: the message of each kind of job."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from imagestore.imaging.formats import sniff
from imagestore.imaging.geometry import Box

HEAD_BYTES = 512


@dataclass(frozen=True, slots=True)
class Job:
    """What a decoder is asked: a message's head and body. `seconds` are what it may take."""

    head: dict[str, Any]
    body: bytes = b""
    seconds: float = 5.0
    subject: str | None = None
    """By what a job that takes its decoder down is remembered for a minute; None for not at all."""

    @property
    def proves(self) -> bool:
        return bool(self.head["kind"] == "verify")


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """An encoded picture in a file. Where that is a reduced copy, `width` and `height` are those of the
    picture that it stands for, upright; `faces` are in its pixels, None where nobody looked for them."""

    path: Path
    format: str
    width: int
    height: int
    faces: tuple[Box, ...] | None = None

    def message(self) -> dict[str, Any]:
        faces = None if self.faces is None else [[b.left, b.top, b.width, b.height] for b in self.faces]
        return {
            "path": str(self.path.absolute()),
            "format": self.format,
            "width": self.width,
            "height": self.height,
            "faces": faces,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Render:
    """A transformation, its canonical text with nothing left to look up in it, and all that it needs."""

    transformation: str
    source: Material
    format: str
    layers: Mapping[str, Material] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    context: Mapping[str, str] = field(default_factory=dict)
    most_bytes: int

    def job(self, seconds: float, subject: str) -> Job:
        head = {
            "kind": "render",
            "transformation": self.transformation,
            "source": self.source.message(),
            "format": self.format,
            "layers": {key: material.message() for key, material in self.layers.items()},
            "tags": list(self.tags),
            "context": dict(self.context),
            "most_bytes": self.most_bytes,
        }
        return Job(head, b"", seconds, subject)


@dataclass(frozen=True, slots=True)
class Description:
    """One fact of a picture: `faces`, or one of those in `engine/description.py`."""

    material: Material
    fact: str

    def job(self, seconds: float, subject: str) -> Job:
        head = {"kind": "describe", "source": self.material.message(), "fact": self.fact}
        return Job(head, b"", seconds, subject)


def verification(source: bytes | Path, seconds: float, subject: str | None) -> Job:
    """The job that proves an upload to be a whole picture. Raises UnsupportedFormat by its first bytes."""
    if isinstance(source, bytes):
        head = {"format": sniff(source[:HEAD_BYTES]).name, "path": None}
        return Job({"kind": "verify", **head}, source, seconds, subject)
    with source.open("rb") as file:
        format = sniff(file.read(HEAD_BYTES))
    head = {"format": format.name, "path": str(source.absolute())}
    return Job({"kind": "verify", **head}, b"", seconds, subject)
