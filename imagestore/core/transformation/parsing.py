"""The text of a transformation to its nodes: segments between slashes, layers and conditions around them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache

from imagestore.core.errors import InvalidTransformation
from imagestore.core.transformation.branching import refuse_in_layer, settle, silence
from imagestore.core.transformation.literals import Unfit
from imagestore.core.transformation.model import Branch, Choice, Layer, Named, Node, Said, Wording
from imagestore.core.transformation.outputs import gather, merge
from imagestore.core.transformation.parameters import PLACING, component_of, refusal
from imagestore.core.transformation.segments import (
    Pair,
    assignment_of,
    check_name,
    condition_of,
    is_component,
    part_drawing,
    part_flags,
    part_placing,
    part_room,
    sort_out,
    split,
)
from imagestore.core.transformation.sources import TAKES as SOURCES
from imagestore.core.transformation.sources import read_source
from imagestore.core.transformation.transformation import (
    LONGEST,
    MOST_NODES,
    Transformation,
    check_bounds,
)

__all__ = ["Transformation", "check_name", "is_component", "parse"]

_UNREADABLE = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


def parse(text: str) -> Transformation:
    """Read `c_fill,w_300/e_sepia`, percent-decoded once. Raises InvalidTransformation."""
    return _read_again(text) if len(text) <= _REMEMBERED else _read(text)


def _read(text: str) -> Transformation:
    if len(text) > LONGEST:
        raise InvalidTransformation(f"A transformation has {LONGEST} characters at most: use fewer.")
    if _UNREADABLE.search(text):
        raise InvalidTransformation("A transformation is valid UTF-8 text without control characters.")
    whole = _Reading().read(text)
    check_bounds(whole)
    return whole


_REMEMBERED = 500
_read_again = lru_cache(maxsize=1024)(_read)
"""The same few texts stand in most URLs; long ones are not remembered, so that what is has a bound."""


@dataclass(slots=True)
class _Frame:
    """A chain that is being read: the whole, an open layer's, or a branch's.

    `opener` are the parameters beside `l_`. `branches` are those that are complete, `condition` is that of
    the open one. `inline` says that the last segment was a condition with its steps beside it.
    """

    nodes: list[Node] = field(default_factory=list)
    outputs: list[Pair] = field(default_factory=list)
    source: str | Wording | None = None
    under: bool = False
    opener: list[Pair] = field(default_factory=list)
    branches: list[Branch] | None = None
    condition: str = ""
    inline: bool = False


class _Reading:
    """One pass over the segments, with the layers and conditions that are open on a stack."""

    def __init__(self) -> None:
        self._stack = [_Frame()]
        self._count = 0

    def read(self, text: str) -> Transformation:
        for segment in filter(None, text.split("/")):
            self._count += 1
            if self._count > 3 * MOST_NODES:
                raise InvalidTransformation(
                    f"A transformation has {MOST_NODES} components at most: use fewer."
                )
            self._segment(split(segment))
        self._close_simple_layers()
        [whole] = self._stack[-1:]
        if whole.branches is not None:
            raise InvalidTransformation(
                f"if_{whole.condition or 'else'} is not closed: put if_end behind it."
            )
        nodes, common = settle(whole.nodes)
        return Transformation(nodes, merge(gather(whole.outputs), common))

    @property
    def _top(self) -> _Frame:
        return self._stack[-1]

    def _open(self, frame: _Frame) -> None:
        # A layer that nothing closes stays open to the end, so this is no measure of depth.
        if len(self._stack) > MOST_NODES:
            raise InvalidTransformation(f"A transformation has {MOST_NODES} components at most: use fewer.")
        self._stack.append(frame)

    def _segment(self, parts: list[Pair]) -> None:
        conditions = [value for name, value in parts if name == "if"]
        rest = [(name, value) for name, value in parts if name != "if"]
        if len(conditions) > 1:
            raise InvalidTransformation("if_ is given twice in one component: join conditions with _and_.")
        if not conditions:
            self._top.inline = False
            self._steps(rest)
        elif conditions[0] == "end":
            self._end(rest)
        elif conditions[0] == "else":
            self._else(rest)
        elif rest:
            self._top.nodes.append(Choice((Branch(condition_of(conditions[0]), self._aside(rest)),)))
            self._top.inline = True
        else:
            self._open(_Frame(branches=[], condition=condition_of(conditions[0])))

    def _aside(self, parts: list[Pair]) -> tuple[Node, ...]:
        """What stands in one component with a condition."""
        frame = _Frame(branches=[])
        self._open(frame)
        self._steps(parts)
        self._close_simple_layers()
        self._stack.pop()
        return (*frame.nodes, Said(gather(frame.outputs)))

    def _else(self, rest: list[Pair]) -> None:
        if self._top.inline and rest:
            choice = self._top.nodes.pop()
            assert isinstance(choice, Choice)
            self._top.nodes.append(Choice((*choice.branches, Branch("", self._aside(rest)))))
            self._top.inline = False
            return
        self._close_simple_layers()
        frame = self._top
        if frame.branches is None or not frame.condition:
            raise InvalidTransformation("if_else has no condition before it: begin with if_ and a condition.")
        self._finish_branch(frame)
        frame.condition = ""
        if rest:
            self._steps(rest)

    def _end(self, rest: list[Pair]) -> None:
        self._close_simple_layers()
        frame = self._top
        if rest or frame.branches is None:
            raise InvalidTransformation(
                "if_end stands alone, and closes a condition that an if_ with nothing beside it has opened."
            )
        self._finish_branch(frame)
        self._stack.pop()
        self._top.nodes.append(Choice(tuple(frame.branches)))
        self._top.inline = False

    @staticmethod
    def _finish_branch(frame: _Frame) -> None:
        assert frame.branches is not None
        frame.branches.append(Branch(frame.condition, (*frame.nodes, Said(gather(frame.outputs)))))
        frame.nodes, frame.outputs = [], []

    def _steps(self, parts: list[Pair]) -> None:
        """Assignments, names, then the parameters, of one segment."""
        steps: list[Pair] = []
        layers: list[Pair] = []
        for name, value in parts:
            if name.startswith("$"):
                self._top.nodes.append(assignment_of(name[1:], value))
            elif name == "t":
                self._top.nodes += [Named(check_name(each)) for each in value.split(".")]
            elif name in ("l", "u"):
                layers.append((name, value))
            else:
                steps.append((name, value))
        applies, steps, outputs = sort_out(steps)
        self._top.outputs += outputs
        if len(layers) > 1:
            raise InvalidTransformation("A component has one layer at most: put l_ and u_ into two.")
        if layers:
            self._layer(layers[0], steps, applies)
        elif applies:
            self._apply(steps)
        elif (component := component_of(steps)).parameters:
            self._top.nodes.append(component)

    def _layer(self, layer: Pair, steps: list[Pair], applies: bool) -> None:
        name, value = layer
        try:
            source = read_source(value)
        except Unfit as unfit:
            raise refusal(name, value, unfit, SOURCES) from None
        self._open(_Frame(source=source, under=name == "u", opener=steps))
        if applies:
            self._close_simple_layers(1)

    def _apply(self, steps: list[Pair]) -> None:
        frame = self._top
        if frame.source is None:
            raise InvalidTransformation("fl_layer_apply closes no layer: begin one with l_ or u_ before it.")
        refuse_in_layer(gather(frame.outputs))
        self._stack.pop()
        flags, own = part_flags(frame.opener)
        where, last = part_placing(steps, PLACING.keys() - {"e", "fl"})
        room, last = part_room(last)
        drawing, first = part_drawing(frame.source, _joined(room, own))
        chain = [*_steps_of(first), *silence(frame.nodes), *_steps_of(last)]
        place = component_of(_joined(flags, where), PLACING)
        self._top.nodes.append(Layer(frame.source, frame.under, tuple(chain), place, drawing))

    def _close_simple_layers(self, most: int = MOST_NODES) -> None:
        """Layers that no fl_layer_apply has closed end with their own component (the grammar of old)."""
        while self._top.source is not None and most:
            most -= 1
            frame = self._stack.pop()
            where, own = part_placing(frame.opener, ("g", "x", "y"))
            drawing, first = part_drawing(frame.source or "", own)
            place = component_of(where, PLACING)
            layer = Layer(frame.source or "", frame.under, tuple(_steps_of(first)), place, drawing)
            self._top.nodes += [layer, *frame.nodes]
            self._top.outputs += frame.outputs


def _steps_of(parameters: list[Pair]) -> list[Node]:
    component = component_of(parameters)
    return [component] if any(name != "fl" for name, _ in component.parameters) else []


def _joined(flags: list[Pair], steps: list[Pair]) -> list[Pair]:
    """`steps` with the flags added to their own."""
    values = [value for name, value in [*flags, *steps] if name == "fl"]
    rest = [(name, value) for name, value in steps if name != "fl"]
    return rest + ([("fl", ".".join(values))] if values else [])
