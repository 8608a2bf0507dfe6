"""A whole transformation: its nodes, what the answer is to be, and what has to be known to carry it out."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property

from imagestore.core.errors import InvalidTransformation
from imagestore.core.transformation.branching import settle, silence
from imagestore.core.transformation.expressions import (
    Words,
    parse_condition,
    parse_value,
    references,
)
from imagestore.core.transformation.flags import APPLY
from imagestore.core.transformation.kinds import is_variable
from imagestore.core.transformation.literals import Unfit
from imagestore.core.transformation.model import (
    Assignment,
    Choice,
    Component,
    Layer,
    Named,
    Node,
    Output,
    Said,
)
from imagestore.core.transformation.outputs import merge, write_output
from imagestore.core.transformation.sources import read_key, write_source

MOST_NODES = 100
DEEPEST = 10
LONGEST = 65_536
_JOINTS = re.compile(r":|\.|px_solid_")
"""Between expressions in one value."""
_FACE_EFFECTS = ("blur_faces", "pixelate_faces")


@dataclass(frozen=True)
class Transformation:
    """What a URL asks to be done, in order, and what the answer is to be."""

    nodes: tuple[Node, ...] = ()
    output: Output = field(default_factory=Output)

    def canonical(self) -> str:
        """The one text of all that mean the same; `parse` reads it as an equal transformation.

        What the answer is to be stands last, whatever the order was.
        """
        return self._text

    @cached_property
    def _text(self) -> str:
        return "/".join(filter(None, [*_segments(self.nodes), write_output(self.output)]))

    def layer_keys(self) -> tuple[str, ...]:
        """The keys of the images that its layers may need, sorted; `d_` is not among them.

        Of a layer that a variable names these are all texts that the variable is given anywhere.
        """
        wanted: set[str] = set()
        for node in walk(self.nodes):
            if isinstance(node, Layer) and isinstance(node.source, str):
                wanted.update(self._keys_in(node.source[1:]) if is_variable(node.source) else [node.source])
        return tuple(sorted(wanted))

    def _keys_in(self, variable: str) -> Iterator[str]:
        for node in walk(self.nodes):
            if isinstance(node, Assignment) and node.name == variable:
                value = parse_value(node.value)
                if isinstance(value, Words):
                    yield read_key(value.text)

    def names(self) -> tuple[str, ...]:
        """The named transformations that it uses, in order, each once."""
        return tuple(dict.fromkeys(node.name for node in walk(self.nodes) if isinstance(node, Named)))

    @property
    def needs_faces(self) -> bool:
        """Whether any part of it asks where faces are, or how many."""
        return any(_asks_for_faces(node) for node in walk(self.nodes))

    @property
    def is_named_only(self) -> bool:
        """Whether it consists of named transformations alone: what a strict bucket lets everybody ask for."""
        return bool(self.nodes) and all(isinstance(node, Named) for node in self.nodes)

    def expand(self, lookup: Callable[[str], Transformation]) -> Transformation:
        """The same with every `t_<name>` replaced by what `lookup` has for it, to any depth.

        What the URL itself says of the answer goes before what a named one says. Raises what `lookup`
        raises, and InvalidTransformation for names that lead back to themselves or to too much.
        """
        nodes, said = settle(_Expansion(lookup).expand(self.nodes))
        whole = Transformation(nodes, merge(said, self.output))
        check_bounds(whole)
        return whole


def walk(nodes: Iterable[Node]) -> Iterator[Node]:
    """Every node, those of branches and layers included."""
    for node in nodes:
        yield node
        for below in _below(node):
            yield from walk(below)


def check_bounds(whole: Transformation) -> None:
    count = sum(1 for _ in walk(whole.nodes))
    if count > MOST_NODES:
        raise InvalidTransformation(
            f"The transformation has {count} components, and at most {MOST_NODES} are allowed: use fewer."
        )
    if _depth(whole.nodes) > DEEPEST:
        raise InvalidTransformation(
            f"Layers and conditions are {DEEPEST} deep at most in a transformation: use fewer in each other."
        )
    if len(whole.canonical()) > LONGEST:
        raise InvalidTransformation(f"A transformation has {LONGEST} characters at most: use fewer.")


def _below(node: Node) -> tuple[tuple[Node, ...], ...]:
    if isinstance(node, Choice):
        return tuple(branch.nodes for branch in node.branches)
    return (node.chain,) if isinstance(node, Layer) else ()


def _depth(nodes: Iterable[Node]) -> int:
    return max((1 + _depth(below) for node in nodes for below in _below(node)), default=0)


def _segments(nodes: Iterable[Node]) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, Component):
            yield write_component(node)
        elif isinstance(node, Assignment):
            yield f"${node.name}_{node.value}"
        elif isinstance(node, Named):
            yield f"t_{node.name}"
        elif isinstance(node, Said):
            yield write_output(node.output)
        elif isinstance(node, Layer):
            letter = "u" if node.under else "l"
            yield ",".join(
                filter(None, [f"{letter}_{write_source(node.source)}", write_component(node.drawing)])
            )
            yield from _segments(node.chain)
            yield _write_place(node.place)
        else:
            for branch in node.branches:
                yield f"if_{branch.condition}" if branch.condition else "if_else"
                yield from _segments(branch.nodes)
            yield "if_end"


def write_component(component: Component) -> str:
    return ",".join(f"{name}_{value}" for name, value in component.parameters)


def _write_place(place: Component) -> str:
    parameters = dict(place.parameters)
    parameters["fl"] = f"{APPLY}.{parameters['fl']}" if "fl" in parameters else APPLY
    return write_component(Component(tuple(sorted(parameters.items()))))


def _asks_for_faces(node: Node) -> bool:
    if isinstance(node, Layer):
        return _asks_for_faces(node.place)
    if isinstance(node, Choice):
        return any(_counts_faces(branch.condition) for branch in node.branches if branch.condition)
    if isinstance(node, Assignment):
        return _counts_faces(node.value)
    if isinstance(node, Named | Said):
        return False
    for name, value in node.parameters:
        if (name == "g" and "face" in value) or (name == "e" and value.partition(":")[0] in _FACE_EFFECTS):
            return True
        if name not in ("g", "e", "fl", "c") and "fc" in value and _counts_faces(value):
            return True
    return False


def _counts_faces(text: str) -> bool:
    """Whether an expression asks for `fc`. What is no expression asks for nothing."""
    for part in (text, *_JOINTS.split(text)):
        for read in (parse_condition, parse_value):
            try:
                tree = read(part)
            except Unfit:
                continue
            if any(each.kind == "fact" and each.name == "fc" for each in references(tree)):
                return True
    return False


class _Expansion:
    """The walk that replaces names. Every name and node counts, so that it ends."""

    def __init__(self, lookup: Callable[[str], Transformation]) -> None:
        self._lookup = lookup
        self._met = 0

    def expand(self, nodes: Iterable[Node], inside: tuple[str, ...] = ()) -> Iterator[Node]:
        """What a named transformation says of the answer comes as a node too, where its name stood."""
        for node in nodes:
            self._met += 1
            if self._met > 2 * MOST_NODES:
                raise InvalidTransformation(
                    f"With its named transformations it has more than {MOST_NODES} components: use fewer."
                )
            if isinstance(node, Named):
                yield from self._replace(node.name, inside)
            elif isinstance(node, Layer):
                yield replace(node, chain=silence(self.expand(node.chain, inside)))
            elif isinstance(node, Choice):
                yield Choice(
                    tuple(
                        replace(branch, nodes=tuple(self.expand(branch.nodes, inside)))
                        for branch in node.branches
                    )
                )
            else:
                yield node

    def _replace(self, name: str, inside: tuple[str, ...]) -> Iterator[Node]:
        if name in inside or len(inside) >= DEEPEST:
            raise InvalidTransformation(
                f"t_{name}: {', '.join((*inside, name))} lead to each other without end, or too deep."
            )
        named = self._lookup(name)
        yield from self.expand(named.nodes, (*inside, name))
        yield Said(named.output)
