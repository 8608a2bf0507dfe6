"""`imagestore settings`: every setting, its default, its value now, its meaning."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from imagestore.cli.terminal import print_json
from imagestore.settings import Settings
from imagestore.settings.variables import environment_name

HIDDEN = "(set, not shown)"


@click.command(epilog="Example: imagestore settings --json")
@click.option("--json", "as_json", is_flag=True, help="Print JSON on standard output.")
def settings(as_json: bool) -> None:
    """Show every setting: its environment variable, default, present value and meaning."""
    rows = _rows(Settings.load())
    if as_json:
        print_json(rows)
        return
    console = Console()
    for group in dict.fromkeys(row["group"] for row in rows):
        table = Table(title=group, title_justify="left", box=None, pad_edge=False, expand=False)
        for heading in ("name", "default", "now", "meaning"):
            table.add_column(heading, overflow="fold")
        for row in rows:
            if row["group"] == group:
                cells = (row["name"], row["default"], row["value"], row["meaning"])
                table.add_row(*(escape(str(cell)) for cell in cells))
        console.print(table)
        console.print()


def _rows(now: Settings) -> list[dict[str, Any]]:
    return [
        {
            "group": each.metadata["group"],
            "name": environment_name(each),
            "default": _plain(each.default),
            "value": HIDDEN
            if each.metadata["secret"] and getattr(now, each.name)
            else _plain(getattr(now, each.name)),
            "meaning": each.metadata["about"],
        }
        for each in fields(now)
    ]


def _plain(value: Any) -> str | int | float:
    return value if isinstance(value, int | float) else str(value)
