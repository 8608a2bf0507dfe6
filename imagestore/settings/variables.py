"""How a setting is declared, and how the environment gives it: by a variable, or by a file that one names."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import Field, field
from typing import Any

PREFIX = "IMAGESTORE_"
FILE_SUFFIX = "_FILE"
"""Ends the name of a variable that names the file which holds a secret."""

SECRET_FILE_CHARACTERS = 16 * 1024


class InvalidSetting(ValueError):
    """A setting's value cannot be used. The message names the variable and the form it wants."""


def setting(
    group: str, default: Any, parse: Callable[[str], Any], about: str, *, secret: bool = False
) -> Any:
    """A field of the table of settings. `parse` raises ValueError, whose words say what is wanted."""
    return field(default=default, metadata={"group": group, "parse": parse, "about": about, "secret": secret})


def environment_name(each: Field[Any]) -> str:
    return PREFIX + each.name.upper()


def variables(each: Field[Any]) -> tuple[str, ...]:
    """The variables that may give a setting: its own; for a secret also one that names a file with it."""
    name = environment_name(each)
    return (name, name + FILE_SUFFIX) if each.metadata["secret"] else (name,)


def read_fields(table: Iterable[Field[Any]], source: Mapping[str, str]) -> dict[str, Any]:
    """The values of those settings of a table that the environment gives, by their fields' names."""
    settings = list(table)
    known = {name for each in settings for name in variables(each)}
    for name in source:
        if name.startswith(PREFIX) and name not in known:
            raise InvalidSetting(f"{name} is not a setting: `imagestore settings` lists them.")
    values: dict[str, Any] = {}
    for each in settings:
        name, value = _given(each, source)
        if value == "":
            continue
        try:
            values[each.name] = each.metadata["parse"](value)
        except ValueError as error:
            shown = "the value given" if each.metadata["secret"] else repr(value)
            raise InvalidSetting(f"{name}: {shown} cannot be used: {error}.") from None
    return values


def _given(each: Field[Any], source: Mapping[str, str]) -> tuple[str, str]:
    """The variable that gives a setting, and the text that it gives; empty if none does."""
    given = [name for name in variables(each) if source.get(name)]
    if len(given) > 1:
        raise InvalidSetting(f"{' and '.join(given)} are both set: set one of them.")
    name = given[0] if given else environment_name(each)
    value = source.get(name, "")
    return name, _secret_in(value, name) if name.endswith(FILE_SUFFIX) else value


def _secret_in(path: str, variable: str) -> str:
    # The path is in no message: it may be a secret, put into the wrong variable.
    try:
        with open(path, encoding="utf-8") as file:
            secret = file.read(SECRET_FILE_CHARACTERS).removesuffix("\n")
    except OSError as error:
        raise InvalidSetting(f"{variable} names a file that cannot be read: {error.strerror}.") from None
    except ValueError:
        raise InvalidSetting(f"{variable} names a file that is not UTF-8 text.") from None
    if not secret or len(secret) >= SECRET_FILE_CHARACTERS:
        raise InvalidSetting(f"{variable} names a file that is empty or too long: it holds one secret.")
    return secret
