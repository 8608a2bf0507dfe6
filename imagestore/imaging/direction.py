"""The order in which text of both directions is seen: Unicode's bidirectional algorithm (UAX #9).

Explicit embeddings, overrides and isolates are left out: whoever writes text into a URL has no use for them.
Marks (U+200E, U+200F, U+061C) count.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import TypeVar

Run = TypeVar("Run")

_OPENING = "([{«‹༺༼᚛⁅⁽₍⌈⌊〈❨❪❬❮❰❲❴⟅⟦⟨⟪⟬⟮⦃⦅⦇⦉⦋⦍⦏⦑⦓⦕⦗⧘⧚⧼〈《「『【〔〖〘〚﹙﹛﹝([{⦅「"
_CLOSING = ")]}»›༻༽᚜⁆⁾₎⌉⌋〉❩❫❭❯❱❳❵⟆⟧⟩⟫⟭⟯⦄⦆⦈⦊⦌⦎⦐⦒⦔⦖⦘⧙⧛⧽〉》」』】〕〗〙〛﹚﹜﹞)]}⦆」"
_QUOTES = "«»‹›"
"""Mirrored, but not brackets to Unicode."""
_PAIRS = {o: c for o, c in zip(_OPENING, _CLOSING, strict=True) if o not in _QUOTES}
_PAIRED = frozenset(_PAIRS.values())

_EXPLICIT = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_NEUTRAL = frozenset(("B", "S", "WS", "ON"))
_STRONG = {"L": "L", "R": "R", "EN": "R", "AN": "R"}
"""What a resolved type counts as among neutrals (rule N1)."""


def plain(text: str) -> str:
    """`text` without explicit directions."""
    return "".join(character for character in text if character not in _EXPLICIT)


def base_level(text: str) -> int:
    """0 for a paragraph that runs to the right, 1 for one to the left: by its first strong character."""
    for character in text:
        kind = unicodedata.bidirectional(character)
        if kind in ("L", "R", "AL"):
            return int(kind != "L")
    return 0


def levels(text: str, base: int) -> list[int]:
    """Each character's embedding level in a paragraph of that base level: even runs right, odd left."""
    kinds = [unicodedata.bidirectional(character) or "L" for character in text]
    outer = "R" if base else "L"
    _resolve_weak(kinds, outer)
    _resolve_brackets(text, kinds, outer)
    _resolve_neutral(kinds, outer)
    deeper = {"L": 0 if not base else 2, "R": 1, "EN": 2, "AN": 2}
    return [deeper[kind] for kind in kinds]


def _resolve_weak(kinds: list[str], outer: str) -> None:
    """Rules W1 to W7; a character that is only for machines (BN) goes with the one before it."""
    strong = last = outer
    for at, written in enumerate(kinds):
        kind = last if written in ("NSM", "BN") else written
        if kind in ("L", "R", "AL"):
            strong = kind
        elif kind == "EN" and strong == "AL":
            kind = "AN"
        kinds[at] = last = kind
    kinds[:] = ["R" if kind == "AL" else kind for kind in kinds]
    for at in range(1, len(kinds) - 1):
        before, after = kinds[at - 1], kinds[at + 1]
        between_numbers = kinds[at] == "CS" and before == after and before in ("EN", "AN")
        if between_numbers or (kinds[at] == "ES" and before == after == "EN"):
            kinds[at] = before
    _resolve_terminators(kinds)
    strong = outer
    for at, kind in enumerate(kinds):
        if kind in ("L", "R"):
            strong = kind
        elif kind == "EN" and strong == "L":
            kinds[at] = "L"


def _resolve_terminators(kinds: list[str]) -> None:
    """Rules W5 and W6: signs beside a number belong to it, other separators are neutral."""
    start = 0
    for kind, group in groupby(list(kinds)):
        end = start + len(list(group))
        if kind == "ET" and "EN" in (kinds[start - 1] if start else "", *kinds[end : end + 1]):
            kinds[start:end] = ["EN"] * (end - start)
        start = end
    kinds[:] = ["ON" if kind in ("ES", "ET", "CS") else kind for kind in kinds]


def _resolve_brackets(text: str, kinds: list[str], outer: str) -> None:
    """Rule N0: a pair of brackets takes the direction of what it holds, or of what stands before it."""
    for opening, closing in _pairs(text, kinds):
        inside = {_STRONG[kind] for kind in kinds[opening + 1 : closing] if kind in _STRONG}
        if not inside:
            continue
        direction = outer
        if outer not in inside:
            before = next((_STRONG[kind] for kind in reversed(kinds[:opening]) if kind in _STRONG), outer)
            direction = before if before != outer else outer
        for at in (opening, closing):
            kinds[at] = direction
            follower = at + 1
            while follower < len(text) and unicodedata.bidirectional(text[follower]) == "NSM":
                kinds[follower] = direction
                follower += 1


def _pairs(text: str, kinds: Sequence[str]) -> list[tuple[int, int]]:
    """Where brackets open and close (BD16), at most 63 deep."""
    pairs: list[tuple[int, int]] = []
    waiting: list[tuple[int, str]] = []
    for at, character in enumerate(text):
        if kinds[at] != "ON":
            continue
        if character in _PAIRS:
            if len(waiting) == 63:
                return []
            waiting.append((at, _PAIRS[character]))
        elif character in _PAIRED:
            for depth in range(len(waiting) - 1, -1, -1):
                if waiting[depth][1] == character:
                    pairs.append((waiting[depth][0], at))
                    del waiting[depth:]
                    break
    return sorted(pairs)


def _resolve_neutral(kinds: list[str], outer: str) -> None:
    """Rules N1 and N2: neutrals between two of one direction join it, others run as the paragraph does."""
    at = 0
    while at < len(kinds):
        if kinds[at] not in _NEUTRAL:
            at += 1
            continue
        end = at
        while end < len(kinds) and kinds[end] in _NEUTRAL:
            end += 1
        before = _STRONG[kinds[at - 1]] if at else outer
        after = _STRONG[kinds[end]] if end < len(kinds) else outer
        kinds[at:end] = [before if before == after else outer] * (end - at)
        at = end


def line_levels(text: str, levels: Sequence[int], base: int) -> list[int]:
    """The levels of one line: blanks at its end run as the paragraph does (rule L1)."""
    result = list(levels)
    end = len(text)
    while end and unicodedata.bidirectional(text[end - 1]) in ("WS", "S", "B", "BN"):
        end -= 1
        result[end] = base
    return result


def visual(runs: Iterable[tuple[int, Run]]) -> list[Run]:
    """Runs of (level, anything), in the order in which they are seen from left to right (rule L2)."""
    ordered = list(runs)
    if not ordered:
        return []
    for level in range(max(level for level, _ in ordered), 0, -1):
        at = 0
        while at < len(ordered):
            end = at
            while end < len(ordered) and ordered[end][0] >= level:
                end += 1
            ordered[at:end] = ordered[at:end][::-1]
            at = max(end, at + 1)
    return [run for _, run in ordered]
