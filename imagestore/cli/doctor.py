"""`imagestore doctor`: what this installation can do, what it reaches, what is wrong, and how to mend it."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping

import click

from imagestore.cli.buckets import as_json
from imagestore.cli.checks.report import Entry, Level, Place, examine
from imagestore.cli.notes import Notes
from imagestore.cli.statuses import FAILED
from imagestore.cli.terminal import print_json, printable
from imagestore.core.logs import Redactor, passwords_of
from imagestore.settings import Settings
from imagestore.settings.variables import PREFIX, InvalidSetting

COLOURS = {Level.OK: "green", Level.WARNING: "yellow", Level.PROBLEM: "red"}
_INDENT = " " * 11


@click.command(epilog="Example: imagestore doctor --json")
@as_json
def doctor(as_json: bool) -> None:
    """Examine the installation, the settings, the data folder, MongoDB, Redis and the service that runs.

    Of each it tells what is well, what is odd and what is wrong, and how to mend it. It changes nothing,
    shows no secret, takes some seconds, and is of use before the first start too. Exit status: 0 no problem
    (warnings are none), 1 a problem.
    """
    from imagestore.cli.checks import SUBJECTS  # the other commands need not wait for what they import

    settings, complaints = _load(os.environ)
    place = Place(settings, complaints, Notes(settings.data))
    entries = examine(SUBJECTS, place)
    counts = Counter(each.finding.level for each in entries)
    redactor = Redactor(_secrets(place))
    if as_json:
        shown = [_as_dict(each, redactor) for each in entries]
        print_json({"findings": shown, "counts": {level: counts[level] for level in Level}})
    else:
        _print(entries, redactor)
        click.echo(f"\n{counts[Level.PROBLEM]} problems, {counts[Level.WARNING]} warnings")
    if counts[Level.PROBLEM]:
        raise click.exceptions.Exit(FAILED)


def _load(environment: Mapping[str, str]) -> tuple[Settings, tuple[str, ...]]:
    """The settings with defaults in place of those that cannot be used, and what is wrong with these."""
    usable, complaints = {}, []
    for name, value in environment.items():
        if not name.startswith(PREFIX):
            continue
        try:
            Settings.load({name: value})
            usable[name] = value
        except InvalidSetting as error:
            complaints.append(str(error))
    try:
        return Settings.load(usable), tuple(complaints)
    except InvalidSetting as error:  # of two that do not go together
        return Settings(), (*complaints, str(error))


def _secrets(place: Place) -> Iterable[str]:
    settings, noted = place.settings, place.notes.service()
    yield from (settings.secret_key, settings.admin_secret, settings.access_secret)
    yield from (*passwords_of(settings.mongo_url), *passwords_of(settings.redis_url))
    if noted is not None:
        yield noted.secret


def _print(entries: Iterable[Entry], redactor: Redactor) -> None:
    subject = ""
    for each in entries:
        if each.subject != subject:
            click.echo(f"{chr(10) if subject else ''}{each.subject}")
            subject = each.subject
        level = each.finding.level
        mark = click.style(f"{level:<8}", fg=COLOURS[level])
        click.echo(f"  {mark} {printable(redactor.hide(each.finding.what))}")
        if each.finding.advice:
            click.echo(f"{_INDENT}{printable(redactor.hide(each.finding.advice))}")


def _as_dict(entry: Entry, redactor: Redactor) -> dict[str, str]:
    return {
        "subject": entry.subject,
        "check": entry.check,
        "level": entry.finding.level,
        "what": redactor.hide(entry.finding.what),
        "advice": redactor.hide(entry.finding.advice),
    }
