"""A transformation carried out: the ordered steps of one component, and the walk over a whole chain."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from imagestore.core.errors import InvalidTransformation
from imagestore.core.transformation.evaluation import assign, evaluate, holds, source_of
from imagestore.core.transformation.model import (
    Assignment,
    Choice,
    Component,
    Layer,
    Node,
    Output,
    Said,
    Scope,
    Step,
    Text,
)
from imagestore.core.transformation.outputs import merge
from imagestore.core.transformation.parsing import parse
from imagestore.imaging import placement
from imagestore.imaging.engine import encoding, layers, metadata
from imagestore.imaging.engine.canvas import Canvas
from imagestore.imaging.engine.loading import expose
from imagestore.imaging.engine.picture import Picture
from imagestore.imaging.engine.text import draw_text
from imagestore.imaging.formats import animates, by_name
from imagestore.imaging.geometry import Box
from imagestore.imaging.limits import Limits, Tally
from imagestore.imaging.steps import STEPS, fill_background


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """An encoded picture, and what is known of it.

    `format` is a name of `imaging/formats.py`. Where `data` is a reduced copy, `width` and `height` are those
    of the picture that it stands for, upright: pixels in a transformation always mean that one's. `faces`
    are in its pixels too, None where nobody looked for them.
    """

    data: bytes | Path
    format: str
    width: int | None = None
    height: int | None = None
    faces: tuple[Box, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderRequest:
    """What is to be made: `transformation` is its canonical text, with nothing left to look up in it.

    `format` is the one of the answer, decided: a name of `imaging/formats.py`. `layers` has the images that
    it lays over or under, by their keys. `tags` and `context` are for its conditions.
    """

    transformation: str
    source: Source
    format: str
    layers: Mapping[str, Source] = field(default_factory=dict)
    tags: frozenset[str] = frozenset()
    context: Mapping[str, str] = field(default_factory=dict)
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """The encoded answer. `quality` is the one it was encoded with, None where its format has none."""

    data: bytes
    format: str
    width: int
    height: int
    frames: int = 1
    quality: int | None = None


def render(request: RenderRequest) -> Rendered:
    """Carry the transformation out.

    Raises InvalidTransformation for what cannot be done to this picture, and CorruptImage,
    ImageLimitExceeded or DecodeTimeout for a picture that cannot be decoded within the limits.
    """
    transformation = parse(request.transformation)
    output = transformation.output
    walk = _Walk(request, output)
    canvas = walk.open(request.source, page=output.page)
    scope = Scope(
        width=canvas.width,
        height=canvas.height,
        initial_width=canvas.width,
        initial_height=canvas.height,
        page=output.page or 1,
        pages=canvas.pages,
        faces=len(canvas.faces or ()),
        tags=request.tags,
        context=request.context,
    )
    walk.carry_out(transformation.nodes, canvas, scope)
    picture = canvas.picture
    output = walk.output
    kept = metadata.read_file(request.source.data, by_name(request.source.format), output.flags)
    encoded = encoding.encode(picture, request.format, output, metadata=kept)
    return Rendered(
        data=encoded.data,
        format=request.format,
        width=picture.width,
        height=picture.height,
        frames=encoded.frames,
        quality=encoded.quality,
    )


class _Walk:
    """One render's way through its nodes. `output` is what is said of the answer, as far as it has come."""

    def __init__(self, request: RenderRequest, output: Output) -> None:
        self._request = request
        self.output = output

    def open(self, source: Source, *, page: int | None = None) -> Canvas:
        size = (source.width, source.height) if source.width and source.height else None
        format = by_name(source.format)
        negative = expose(
            source.data,
            format,
            size=size,
            page=page,
            animated=animates(by_name(self._request.format), self.output, format),
            faces=source.faces,
        )
        # It came in within the limits of its time, which may have been others.
        Tally(self._request.limits).canvas(negative.width, negative.height, negative.frames)
        return Canvas(negative)

    def carry_out(
        self,
        nodes: tuple[Node, ...],
        canvas: Canvas,
        scope: Scope,
        relate: Callable[[Step], Step] = lambda step: step,
    ) -> None:
        """Do the nodes, one after another, to the canvas. `relate` is for steps of a layer, whose fractions
        may be those of the picture below."""
        for node in nodes:
            scope.width, scope.height = canvas.width, canvas.height
            if isinstance(node, Component):
                step = relate(evaluate(node, scope))
                for each in STEPS:
                    each(canvas, step)
            elif isinstance(node, Assignment):
                assign(node, scope)
            elif isinstance(node, Choice):
                chosen = (branch.nodes for branch in node.branches if holds(branch.condition, scope))
                self.carry_out(next(chosen, ()), canvas, scope, relate)
            elif isinstance(node, Layer):
                self._lay(node, canvas, scope)
            elif isinstance(node, Said):
                self.output = merge(self.output, node.output)
            else:
                raise InvalidTransformation(
                    f"t_{node.name} stands for nothing here: ask for what it names instead."
                )

    def _lay(self, node: Layer, canvas: Canvas, scope: Scope) -> None:
        place = evaluate(node.place, scope)
        below = (canvas.width, canvas.height)

        def draw(region: Box | None) -> Picture:
            layer = self._open_layer(node, scope)
            inner = replace(
                scope,
                width=layer.width,
                height=layer.height,
                initial_width=layer.width,
                initial_height=layer.height,
            )
            self.carry_out(node.chain, layer, inner, lambda step: placement.relate(step, below, region))
            return layer.picture

        canvas.change(lambda picture: layers.lay(picture, draw, place, under=node.under))
        fill_background(canvas, place)

    def _open_layer(self, node: Layer, scope: Scope) -> Canvas:
        source = source_of(node, scope)
        if isinstance(source, Text):
            return Canvas(Picture([draw_text(source, evaluate(node.drawing, scope))]))
        if source not in self._request.layers:
            raise InvalidTransformation(f"l_{source}: there is no such image to lay over this one.")
        return self.open(self._request.layers[source])
