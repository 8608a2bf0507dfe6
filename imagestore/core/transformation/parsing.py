"""The text of a transformation to its nodes and back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from imagestore.core.errors import InvalidTransformation
from imagestore.core.transformation.model import Component, Node, Output, Quality

_OUTPUT = ("f", "q")
_AUTO = ("low", "eco", "good", "best")


@dataclass(frozen=True, slots=True)
class Transformation:
    """What a URL asks to be done, in order, and what the answer is to be."""

    nodes: tuple[Node, ...] = ()
    output: Output = field(default_factory=Output)

    def canonical(self) -> str:
        """The one text of all requests that mean the same."""
        segments = [
            ",".join(f"{name}_{value}" for name, value in node.parameters)
            for node in self.nodes
            if isinstance(node, Component)
        ]
        last = []
        if self.output.format:
            last.append(f"f_{self.output.format}")
        if quality := self.output.quality:
            last.append(f"q_{quality.value}" if quality.value else f"q_auto:{quality.auto}")
        return "/".join([*segments, *([",".join(last)] if last else [])])

    def layer_keys(self) -> tuple[str, ...]:
        """The keys of the images that its layers need."""
        return ()

    def names(self) -> tuple[str, ...]:
        """The named transformations that it uses."""
        return ()

    @property
    def needs_faces(self) -> bool:
        """Whether any part of it asks where faces are."""
        return "face" in self.canonical()

    def expand(self, lookup: Callable[[str], Transformation]) -> Transformation:
        """The same with every `t_<name>` replaced by what `lookup` gives for it."""
        del lookup
        return self


def parse(text: str) -> Transformation:
    """Read `c_fill,w_300/e_sepia`. Raises InvalidTransformation."""
    nodes: list[Node] = []
    output: dict[str, str] = {}
    for segment in filter(None, text.split("/")):
        parameters: dict[str, str] = {}
        for part in segment.split(","):
            name, _, value = part.partition("_")
            (output if name in _OUTPUT else parameters)[name] = value
        if parameters:
            nodes.append(Component(tuple(sorted(parameters.items()))))
    return Transformation(tuple(nodes), Output(format=output.get("f"), quality=_quality(output.get("q"))))


def _quality(value: str | None) -> Quality | None:
    if value is None:
        return None
    word, _, level = value.partition(":")
    if word == "auto":
        for each in _AUTO:
            if level in ("", each):
                return Quality(auto=each if level else "good")  # type: ignore[arg-type]
    if value.isascii() and value.isdigit() and 1 <= int(value) <= 100:
        return Quality(value=int(value))
    raise InvalidTransformation.of("q", value, "1 to 100, or auto with :low, :eco, :good or :best")
