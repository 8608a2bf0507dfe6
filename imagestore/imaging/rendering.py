"""What a decoder process does of a render: its request read from a message, its answer made one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from imagestore.core.errors import ImageLimitExceeded
from imagestore.imaging.engine.description import describe
from imagestore.imaging.engine.portraits import find_portraits
from imagestore.imaging.formats import by_name
from imagestore.imaging.geometry import Box
from imagestore.imaging.limits import Limits
from imagestore.imaging.pipeline import RenderRequest, Source, render


def answer(head: dict[str, Any], limits: Limits) -> tuple[dict[str, Any], bytes]:
    """The fact, or facts and bytes of the rendition, that the message asks for. Raises as `render` does, and
    ImageLimitExceeded for a rendition of more bytes than the message allows."""
    if head["kind"] == "describe":
        return {"fact": _find_out(head["fact"], _source(head["source"]))}, b""
    rendered = render(
        RenderRequest(
            transformation=head["transformation"],
            source=_source(head["source"]),
            format=head["format"],
            layers={key: _source(each) for key, each in head["layers"].items()},
            tags=frozenset(head["tags"]),
            context=head["context"],
            limits=limits,
        )
    )
    if len(rendered.data) > head["most_bytes"]:
        raise ImageLimitExceeded(
            f"The rendition has {len(rendered.data)} bytes, where {head['most_bytes']} are allowed: "
            "ask for a smaller one, or for another format."
        )
    told = ("format", "width", "height", "frames", "quality")
    facts = {name: getattr(rendered, name) for name in told} | {"bytes": len(rendered.data)}
    return {"facts": facts}, rendered.data


def _find_out(fact: str, source: Source) -> Any:
    format = by_name(source.format)
    if fact == "faces":
        boxes = find_portraits(source.data, format)
        return [[round(each, 1) for each in (box.left, box.top, box.width, box.height)] for box in boxes]
    return describe(source.data, format, frozenset({fact}))[fact]


def _source(message: dict[str, Any]) -> Source:
    faces = message["faces"]
    return Source(
        data=Path(message["path"]),
        format=message["format"],
        width=message["width"],
        height=message["height"],
        faces=None if faces is None else tuple(Box(*each) for each in faces),
    )
