"""Planning: what a step will crop, and how large a copy of a picture serves a whole transformation."""

from __future__ import annotations

import math
from dataclasses import replace

from imagestore.core.transformation.effects import REGIONAL
from imagestore.core.transformation.evaluation import assign, evaluate, holds
from imagestore.core.transformation.model import (
    Assignment,
    Choice,
    Component,
    Gravity,
    Node,
    Said,
    Scope,
    Step,
)
from imagestore.imaging import crops
from imagestore.imaging.geometry import Box, Crop, View, oriented_size, right_turn, turned_box
from imagestore.imaging.gravity import Finder, resolve

COPY_MARGIN = 2.2
"""How many times the wanted size a reduced copy must have, so that what is made of it is as good as what is
made of the original: 45 dB against a full decode."""

PROPORTIONAL = ("grayscale", "negate", "sepia", "colorize")
"""Effects that change each pixel by itself and in proportion, so that it is all the same whether they come
before or behind a resample; only then is it so much less work."""

_FITTING_TURNS = {"auto_right": 90.0, "auto_left": -90.0}


def fitting_turn(step: Step, width: int, height: int) -> int | None:
    """The turn that a_auto_right and a_auto_left ask for, as an orientation: a quarter, where the picture
    lies and the sides asked for stand, or the reverse."""
    wanted = step.aspect or 0.0
    if step.width and step.height:
        wanted = step.width.pixels(width) / max(step.height.pixels(height), 1e-6)
    degrees = next((_FITTING_TURNS[each] for each in step.angle if each in _FITTING_TURNS), None)
    return right_turn(degrees) if degrees and wanted and (wanted - 1) * (width - height) < 0 else None


def marks_region(step: Step) -> bool:
    """Whether w and h are of the region that an effect changes: where no crop mode but the usual one asks for
    them."""
    return step.effect is not None and step.effect.name in REGIONAL and step.crop in (None, "scale")


def crop_of(
    step: Step, width: int, height: int, faces: tuple[Box, ...] | None, find_focus: Finder
) -> Crop | None:
    """What the step does to a picture's size, None for nothing. Raises as `crops.plan` does."""
    if not (step.crop or step.width or step.height or step.aspect) or marks_region(step):
        return None
    gravity = step.gravity or (Gravity("auto") if step.crop == "auto" else None)
    hold = resolve(gravity, faces, find_focus) if gravity else crops.default_hold(step)
    return crops.plan(step, width, height, hold)


def copy_side(nodes: tuple[Node, ...], scope: Scope, faces: tuple[Box, ...] | None = None) -> int | None:
    """The long side that a reduced copy of a picture must have at least for `nodes` to be made from it.

    `scope` is that of the picture, upright. None where only the original will do: its pixels are looked at
    before they are resampled, or it is not made smaller. Raises InvalidTransformation for what cannot be
    done to the picture.
    """
    draft = _Draft(View.whole(scope.width, scope.height), faces)
    own = replace(scope, variables=dict(scope.variables))
    draft.follow(nodes, own)
    needed = math.ceil(draft.view.scale * max(scope.width, scope.height) * COPY_MARGIN)
    return None if draft.original or needed >= max(scope.width, scope.height) else needed


class _Draft:
    """The view that a render will have when it first needs pixels."""

    def __init__(self, view: View, faces: tuple[Box, ...] | None) -> None:
        self.view = view
        self.original = False
        self._whole = view.size
        self._faces = faces

    def follow(self, nodes: tuple[Node, ...], scope: Scope) -> bool:
        """Narrow the view as far as crops go; says whether the nodes behind these may narrow it further."""
        for node in nodes:
            scope.width, scope.height = self.view.size
            if isinstance(node, Assignment):
                assign(node, scope)
            elif isinstance(node, Choice):
                chosen = (branch.nodes for branch in node.branches if holds(branch.condition, scope))
                if not self.follow(next(chosen, ()), scope):
                    return False
            elif isinstance(node, Component):
                if not self._narrow(evaluate(node, scope)):
                    return False
            elif not isinstance(node, Said):
                return False
        return True

    def _narrow(self, step: Step) -> bool:
        if (step.effect and step.effect.name == "trim") or "ignore" in step.angle:
            self.original = True
            return False
        self._turn(fitting_turn(step, *self.view.size))
        width, height = self.view.size
        faces = self._faces and tuple(face.shown(self.view.box, self.view.size) for face in self._faces)
        crop = crop_of(step, width, height, faces, lambda: (width / 2, height / 2))
        if crop is not None:
            view = self.view.cropped(crop)
            if view is None:
                return False
            self.view = view
        turns = [right_turn(each) for each in step.angle if each not in _FITTING_TURNS]
        needs_pixels = (
            (crop and crop.pads)
            or (step.effect and step.effect.name not in PROPORTIONAL)
            or step.radius is not None
            or step.border
            or None in turns
            or step.opacity is not None
            or step.background
        )
        for turn in turns:
            self._turn(turn)
        return not needs_pixels

    def _turn(self, turn: int | None) -> None:
        if turn is not None:
            self.view = self.view.turned(*self._whole, turn)
            self._faces = self._faces and tuple(turned_box(face, *self._whole, turn) for face in self._faces)
            self._whole = oriented_size(*self._whole, turn)
