"""What gravities, backgrounds and effects may be: kinds of values with parts of their own."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from imagestore.core.transformation import colors
from imagestore.core.transformation.effects import EFFECTS, Argument
from imagestore.core.transformation.kinds import Amount, Choice, Hue, Kind, words_of
from imagestore.core.transformation.literals import Unfit, write_value
from imagestore.core.transformation.model import Color, Effect, Fill, Gravity, Scope

COMPASS = (
    *("north_west", "north", "north_east", "west", "center", "east"),
    *("south_west", "south", "south_east"),
)


class Hold:
    """Where a crop or a layer holds on."""

    takes = (
        f"one of {', '.join(COMPASS)}, xy_center, face, faces, auto or custom; face, faces and custom may "
        "say where to hold on without one (face:auto), auto what to look for (auto:face, auto:faces)"
    )
    _AFTER: Mapping[str, tuple[str, ...]] = {
        "face": (*COMPASS, "auto"),
        "faces": (*COMPASS, "auto"),
        "custom": (*COMPASS, "auto", "face", "faces"),
        "auto": ("face", "faces"),
    }
    _SAME: Mapping[str, str] = {
        "auto:subject": "auto",
        "auto:classic": "auto",
        "adv_face": "face",
        "adv_faces": "faces",
        "auto:adv_face": "auto:face",
        "auto:adv_faces": "auto:faces",
    }

    def tidy(self, text: str) -> str:
        self._split(text)
        return self._SAME.get(text, text)

    def read(self, text: str, scope: Scope) -> Gravity:
        del scope
        kind, fallback = self._split(self.tidy(text))
        return Gravity(kind, fallback or None)

    def _split(self, text: str) -> tuple[str, str]:
        kind, colon, fallback = self._SAME.get(text, text).partition(":")
        if colon:
            if fallback not in self._AFTER.get(kind, ()):
                raise Unfit
        elif kind not in (*COMPASS, "xy_center") and kind not in self._AFTER:
            raise Unfit
        return kind, fallback


class Ground:
    """A background: a colour, or made from the picture."""

    takes = (
        f"{colors.TAKES}; auto, with :border, :predominant, :border_contrast or :predominant_contrast; "
        "or blurred, with :<intensity of 1 to 2000> and :<brightness of -300 to 100>"
    )
    _AUTO = ("border", "predominant", "border_contrast", "predominant_contrast")
    _BLURRED = (Amount(1, 2000), Amount(-300, 100))
    _UNSAID = ("100", "0")
    _color = Hue()

    def tidy(self, text: str) -> str:
        kind, *arguments = text.split(":")
        if kind == "auto":
            if len(arguments) > 1 or (arguments and arguments[0] not in self._AUTO):
                raise Unfit
            return "auto" if arguments in ([], ["border"]) else text
        if kind == "blurred":
            if len(arguments) > 2:
                raise Unfit
            tidy = [each.tidy(said) for each, said in zip(self._BLURRED, arguments, strict=False)]
            return ":".join([kind, *_without_defaults(tidy, self._UNSAID)])
        return self._color.tidy(text)

    def read(self, text: str, scope: Scope) -> Color | Fill:
        kind, *arguments = text.split(":")
        if kind == "auto":
            return Fill("auto", (*(arguments or self._AUTO[:1]),))
        if kind == "blurred":
            filled = [*arguments, *self._UNSAID[len(arguments) :]]
            amounts = [each.read(one, scope) for each, one in zip(self._BLURRED, filled, strict=True)]
            return Fill("blurred", tuple(map(write_value, amounts)))
        return self._color.read(text, scope)


class HueOrAuto:
    """A colour, or `auto`: then the effect finds one in the picture."""

    takes = f"{colors.TAKES}; or auto"

    _color = Hue()

    def tidy(self, text: str) -> str:
        return text if text == "auto" else self._color.tidy(text)

    def read(self, text: str, scope: Scope) -> Color | str:
        return "auto" if words_of(text, scope) == "auto" else self._color.read(text, scope)


class Manner:
    """An effect with its arguments, by a table of effects. `elsewhere` says where all others belong."""

    def __init__(self, table: Mapping[str, tuple[Argument, ...]], elsewhere: str) -> None:
        self._table = table
        self._elsewhere = elsewhere
        self._kinds = {name: tuple(map(_kind_of, arguments)) for name, arguments in table.items()}

    @property
    def takes(self) -> str:
        return f"one of {', '.join(self._table)}"

    def tidy(self, text: str) -> str:
        name, arguments = self._split(text)
        try:
            return ":".join([name, *self._tidy_arguments(name, arguments)])
        except Unfit as unfit:
            raise self._narrowed(name, unfit) from None

    def _tidy_arguments(self, name: str, arguments: Sequence[str]) -> list[str]:
        kinds, unsaid = self._kinds[name], self._unsaid(name)
        if name == "tint":
            return list(_tidy_tint(arguments, kinds))
        tidy: list[str] = []
        for kind, place, default in zip(kinds, self._place(name, arguments), unsaid, strict=True):
            if place is None and default is None:
                raise Unfit(f"{name} lacks its argument")
            tidy.append(str(default) if place is None else kind.tidy(place))
        return _without_defaults(tidy, unsaid)

    def read(self, text: str, scope: Scope) -> Effect:
        name, arguments = self._split(text)
        try:
            return Effect(name, tuple(self._read_arguments(name, arguments, scope)))
        except Unfit as unfit:
            raise self._narrowed(name, unfit) from None

    def _read_arguments(
        self, name: str, arguments: Sequence[str], scope: Scope
    ) -> Iterator[float | str | Color]:
        kinds = self._kinds[name]
        if name == "tint":
            yield from _read_tint(arguments, kinds, scope)
            return
        for kind, place, default in zip(kinds, self._place(name, arguments), self._unsaid(name), strict=True):
            yield kind.read(place if place is not None else str(default), scope)

    def _narrowed(self, name: str, unfit: Unfit) -> Unfit:
        """The same about this effect alone, instead of about all of them."""
        arguments = (f"<{kind.takes}>" for kind in self._kinds[name])
        return Unfit(unfit.reason, ":".join([name, *arguments]))

    def _split(self, text: str) -> tuple[str, list[str]]:
        name, *parts = text.split(":")
        if name not in self._table:
            raise Unfit(self._elsewhere if name in EFFECTS else f"there is no effect {name[:40]!r}")
        return name, list(_whole_colors(parts))

    def _unsaid(self, name: str) -> tuple[str | None, ...]:
        return tuple(
            None if argument.default is None else kind.tidy(_plain(argument.default))
            for argument, kind in zip(self._table[name], self._kinds[name], strict=True)
        )

    def _place(self, name: str, arguments: Sequence[str]) -> list[str | None]:
        """Each argument in its place: words find their own, so that they may be left out or come first."""
        table = self._table[name]
        places: dict[int, str | None] = {}
        for said in arguments:
            fitting = (
                number
                for number, argument in enumerate(table)
                if number not in places and (not said or said in argument.words or argument.kind != "word")
                if not any(said in other.words for other in table[:number] + table[number + 1 :])
            )
            number = next(fitting, None)
            if number is None:
                raise Unfit
            places[number] = said or None
        return [places.get(number) for number in range(len(table))]


def _plain(default: float | str) -> str:
    return default if isinstance(default, str) else write_value(default)


def _kind_of(argument: Argument) -> Kind:
    if argument.kind == "number":
        return Amount(argument.low, argument.high, argument.whole)
    if argument.kind == "color":
        return HueOrAuto() if argument.default == "auto" else Hue()
    return Choice(argument.words)


def _whole_colors(parts: Sequence[str]) -> Iterator[str]:
    """The parts between colons, with `rgb:` and its digits as one."""
    waiting = ""
    for part in parts:
        if part in ("rgb", "rgba") and not waiting:
            waiting = f"{part}:"
        else:
            yield waiting + part
            waiting = ""
    if waiting:
        yield waiting


def _without_defaults(tidy: Sequence[str], unsaid: Sequence[str | None]) -> list[str]:
    """What has to be said: all up to the last argument that is not what it would be anyhow."""
    said = list(tidy)
    while said and said[-1] == unsaid[len(said) - 1]:
        said.pop()
    return said


_POSITION = re.compile(r"([0-9]{1,3}(?:\.[0-9]+)?)p")
_MOST_TINTS = 10
_EQUALIZE = "equalize"
"""The word that may stand before the amount of a tint, and is the last of the effect's arguments."""


def _read_tint(said: Sequence[str], kinds: Sequence[Kind], scope: Scope) -> Iterator[float | Color | str]:
    """How much; then colours, each with its place between black (0) and white (100)."""
    equalize = said[:1] == [_EQUALIZE]
    amount, *pairs = _pair_tints(said[equalize:])
    yield kinds[0].read(amount, scope)
    for color, position in zip(pairs[::2], pairs[1::2], strict=True):
        yield kinds[1].read(color, scope)
        yield float(position)
    if equalize:
        yield _EQUALIZE


def _tidy_tint(said: Sequence[str], kinds: Sequence[Kind]) -> Iterator[str]:
    if said[:1] == [_EQUALIZE]:
        yield _EQUALIZE
        said = said[1:]
    amount, *pairs = _pair_tints(said)
    tints = [kinds[1].tidy(color) for color in pairs[::2]]
    places = [f"{write_value(float(position))}p" for position in pairs[1::2]]
    bare = places == [f"{write_value(each)}p" for each in _spread(len(tints))]
    if not said[1:] or (bare and tints == [kinds[1].tidy("red")]):
        if kinds[0].tidy(amount) != "60":
            yield kinds[0].tidy(amount)
        return
    yield kinds[0].tidy(amount)
    for color, place in zip(tints, places, strict=True):
        yield from [color] if bare else [color, place]


def _pair_tints(said: Sequence[str]) -> list[str]:
    """Amount, colour, position, colour, position …; positions left out are spread evenly."""
    amount, *rest = said or ["60"]
    tints: list[str] = []
    places: list[str | None] = []
    for each in rest:
        if match := _POSITION.fullmatch(each):
            if not tints or places[-1] is not None or float(match[1]) > 100:
                raise Unfit("a position of tint, 0p to 100p, follows its colour")
            places[-1] = match[1]
        else:
            tints.append(each)
            places.append(None)
    if len(tints) > _MOST_TINTS:
        raise Unfit(f"tint takes {_MOST_TINTS} colours at most")
    spread = _spread(len(tints) or 1)
    pairs = [amount]
    for tint, place, even in zip(tints or ["red"], places or [None], spread, strict=True):
        pairs += [tint, write_value(even) if place is None else place]
    return pairs


def _spread(count: int) -> list[float]:
    return [50.0] if count == 1 else [round(100 * each / (count - 1), 6) for each in range(count)]
