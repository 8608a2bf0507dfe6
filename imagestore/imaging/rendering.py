"""What a decoder process does of a render: its request read from a message, its answer made one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from imagestore.core.errors import ImageLimitExceeded
from imagestore.imaging.geometry import Box
from imagestore.imaging.limits import Limits
from imagestore.imaging.pipeline import RenderRequest, Source, render


def answer(head: dict[str, Any], limits: Limits) -> tuple[dict[str, Any], bytes]:
    """Facts and bytes of the rendition that the message asks for. Raises as `render` does, and
    ImageLimitExceeded for a rendition of more bytes than the message allows."""
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


def _source(message: dict[str, Any]) -> Source:
    faces = message["faces"]
    return Source(
        data=Path(message["path"]),
        format=message["format"],
        width=message["width"],
        height=message["height"],
        faces=None if faces is None else tuple(Box(*each) for each in faces),
    )
