"""The tables in docs/ that are made from the code: `python -m tests.rules.tables` writes them anew.

A table stands between `<!-- table: NAME -->` and `<!-- end -->`; what is outside is written by hand.
"""

from __future__ import annotations

import ast
import re
import tempfile
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import click
from flask_openapi3.openapi import OpenAPI

from imagestore.app import create_app
from imagestore.cli.statuses import MEANINGS, status_of
from imagestore.core.errors import leaves
from imagestore.core.metrics import TABLE
from imagestore.core.transformation.effects import EFFECTS, Argument
from imagestore.core.transformation.flags import APPLY, OUTPUT_FLAGS, STEP_FLAGS
from imagestore.core.transformation.outputs import TAKES as OUTPUTS
from imagestore.core.transformation.parameters import PARAMETERS
from imagestore.core.transformation.segments import NAMES, STRUCTURE
from imagestore.services import Services
from imagestore.settings import Settings
from imagestore.settings.variables import environment_name

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PACKAGE = ROOT / "imagestore"
MiB = 1024 * 1024
FLOORS = (
    ("9", "__main__"),
    ("9", "cli"),
    ("8", "edge"),
    ("7", "app"),
    ("6", "web"),
    ("5", "services"),
    ("4", "library"),
    ("3", "store"),
    ("3", "cache"),
    ("3", "imaging"),
    ("3", "access"),
    ("3", "embedded"),
    ("2", "settings"),
    ("2", "client"),
    ("1", "core"),
)
OTHER_ROUTES = {
    "GET /v1/openapi.json": "The REST routes as an OpenAPI 3.1 document",
    "GET /v1/docs": "The same document as a page to read",
    "GET /v1/docs/redoc.js": "The script of that page",
    "GET /healthz": "Is the process alive?",
    "GET /metrics": "Counters for Prometheus: see [metrics](metrics.md)",
    "GET /readyz": "Can it serve? Names what is down",
    "GET /{bucket}/image/upload/{rest}": "Deliver an image: see [delivery](delivery.md). HEAD works too",
    "OPTIONS /{bucket}/image/upload/{rest}": "CORS preflight: any page may GET",
}
"""What the OpenAPI document does not describe."""

_MARKED = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def settings_table() -> str:
    """Every setting by group: variable, default, meaning."""
    lines: list[str] = []
    group = ""
    for each in fields(Settings):
        if each.metadata["group"] != group:
            group = each.metadata["group"]
            lines += ["", f"### {group}", "", "| variable | default | meaning |", "| --- | --- | --- |"]
        meaning = each.metadata["about"] + (" Secret." if each.metadata["secret"] else "")
        lines.append(f"| `{environment_name(each)}` | {_default(each.name, each.default)} | {meaning} |")
    return "\n".join(lines[1:])


def _default(name: str, value: Any) -> str:
    if str(value) == "":
        return "empty"
    if name.endswith("_bytes") and value >= MiB and value % MiB == 0:
        return f"`{value}` ({value // MiB} MiB)"
    return f"`{value}`"


def routes_table() -> str:
    """Every method and path, and what it is for."""
    lines = ["| route | what it does |", "| --- | --- |"]
    lines += [f"| `{route}` | {about} |" for route, about in sorted(_routes(), key=_route_order)]
    return "\n".join(lines)


def _routes() -> Iterator[tuple[str, str]]:
    app = make_app()
    summaries = app.api_doc["paths"]
    for rule in app.url_map.iter_rules():
        path = re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule)
        view = app.view_functions[rule.endpoint]
        automatic = {"HEAD"} | (set() if getattr(view, "__name__", "") == "preflight" else {"OPTIONS"})
        for method in sorted((rule.methods or set()) - automatic):
            described = summaries.get(path, {}).get(method.lower(), {}).get("summary")
            yield f"{method} {path}", described or OTHER_ROUTES[f"{method} {path}"]


def _route_order(route: tuple[str, str]) -> tuple[bool, str, int]:
    method, _, path = route[0].partition(" ")
    return (
        not path.startswith("/v1/"),
        path,
        ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS").index(method),
    )


def make_app() -> OpenAPI:
    """The application on services that never connect."""
    with tempfile.TemporaryDirectory() as folder:
        services = Services(
            Settings(
                mongo_url="mongodb://127.0.0.1:1/?connect=false",
                redis_url="none",
                secret_key="only for the tables",
                admin_key="KEY",
                admin_secret="SECRET",
                data=Path(folder),
            )
        )
    app = create_app(services)
    services.close()
    return app


def commands_table() -> str:
    """Every command of the terminal: usage, meaning, arguments and options."""
    from imagestore.cli import main

    return "\n".join(
        line for path, command in walk("imagestore", main) for line in _command(path, command)
    ).strip()


def walk(path: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
    """The command and all below it, groups first, in the order of their listing."""
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command, info_name=path)
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            yield from walk(f"{path} {name}", below)


def _command(path: str, command: click.Command) -> Iterator[str]:
    context = click.Context(command, info_name=path)
    yield from ("", f"### {path}", "")
    yield f"`{' '.join([path, *command.collect_usage_pieces(context)])}`"
    yield from ("", _sentences(command.help or command.short_help or ""))
    options = [each for each in command.params if isinstance(each, click.Option) and not each.hidden]
    if options:
        yield from ("", "| option | meaning |", "| --- | --- |")
    for option in options:
        names = ", ".join([*option.opts, *option.secondary_opts])
        yield f"| `{names}{_value(option)}` | {_sentences(option.help or '')}{_preset(option)} |"
    if command.epilog:
        lines = textwrap.dedent(command.epilog.replace("\b\n", "")).strip().splitlines()
        examples = [line.removeprefix("Example: ").strip() for line in lines if line.strip() != "Examples:"]
        yield from ("", "```", *examples, "```")


def _value(option: click.Option) -> str:
    if option.is_flag or option.count:
        return ""
    if isinstance(option.type, click.Choice):
        return " " + "\\|".join(option.type.choices)
    return f" {option.metavar or option.type.name.upper().removesuffix(' RANGE')}"


def _preset(option: click.Option) -> str:
    given = isinstance(option.default, str | int | float) and not option.is_flag and option.default != ""
    return f" Default: `{option.default}`." if given else ""


def _sentences(text: str) -> str:
    paragraphs = re.split(r"\n\s*\n", text.replace("\b", "").strip())
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


def statuses_table() -> str:
    """Every exit status: its meaning, and the error codes that end a command with it."""
    lines = ["| status | meaning | error codes |", "| --- | --- | --- |"]
    for status, meaning in MEANINGS.items():
        codes = ", ".join(f"`{leaf.code}`" for leaf in leaves() if status_of(leaf) == status)
        lines.append(f"| {status} | {meaning} | {codes or 'none'} |")
    return "\n".join(lines)


def modules_table() -> str:
    """Every module by floor, with the sentence that it opens with."""
    lines = ["| floor | module | what it holds |", "| --- | --- | --- |"]
    for floor, name in FLOORS:
        home = PACKAGE / name
        found = sorted(home.glob("**/*.py")) if home.is_dir() else [home.with_suffix(".py")]
        lines += [f"| {floor} | `{_shown(path)}` | {_opening(path)} |" for path in found]
    return "\n".join(lines)


def _shown(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def _opening(path: Path) -> str:
    docstring = ast.get_docstring(ast.parse(path.read_text())) or ""
    sentence = " ".join(docstring.partition("\n\n")[0].split())
    return sentence.replace("|", "\\|")


def metrics_table() -> str:
    """Every metric: name, kind, labels with their values where these are known, meaning."""
    lines = ["| metric | kind | labels | what it counts |", "| --- | --- | --- | --- |"]
    for metric in TABLE:
        labels = ", ".join(f"`{label}`" for label in metric.labels) or "none"
        values = f": {', '.join(metric.values)}" if metric.values else ""
        lines.append(f"| `{metric.name}` | {metric.kind} | {labels}{values} | {metric.about} |")
    return "\n".join(lines)


def parameters_table() -> str:
    """Every parameter of a transformation: what it does and what it takes."""
    rows = {
        name: (each.about, each.kind.takes) for name, each in PARAMETERS.items() if name not in ("e", "fl")
    }
    rows |= {name: (about, takes) for name, (takes, about) in OUTPUTS.items()}
    rows |= {
        "e": (PARAMETERS["e"].about, "see [effects](#effects)"),
        "fl": (PARAMETERS["fl"].about, "see [flags](#flags)"),
        "l": (STRUCTURE["l"], "see [layers](#layers)"),
        "u": (STRUCTURE["u"], "see [layers](#layers)"),
        "t": (STRUCTURE["t"], "see [named transformations](#named-transformations)"),
        "if": (STRUCTURE["if"], "see [conditions](#conditions)"),
        "$": (STRUCTURE["$"], "see [variables and arithmetic](#variables-and-arithmetic)"),
    }
    assert set(rows) == NAMES | {"$"}
    lines = ["| parameter | what it does | what it takes |", "| --- | --- | --- |"]
    for name, (about, takes) in sorted(rows.items()):
        written = "$name_" if name == "$" else f"{name}_"
        lines.append(f"| `{written}` | {about} | {takes} |")
    return "\n".join(lines)


def effects_table() -> str:
    """Every effect with its arguments, their ranges and defaults."""
    lines = ["| effect | arguments, in this order, and what they are if left out |", "| --- | --- |"]
    for name, arguments in EFFECTS.items():
        lines.append(f"| `e_{name}` | {'; '.join(map(_argument, arguments)) or 'none'} |")
    return "\n".join(lines)


def _argument(argument: Argument) -> str:
    unsaid = "needed" if argument.default is None else f"`{argument.default}`"
    if argument.kind == "number":
        return f"{argument.low:g} to {argument.high:g} ({unsaid})"
    if argument.kind == "color":
        return f"a colour ({unsaid})"
    return f"{', '.join(argument.words)} ({unsaid})"


def flags_table() -> str:
    """Every flag: of a step, and of the answer."""
    lines = ["| flag | of | what it changes |", "| --- | --- | --- |"]
    lines.append(f"| `fl_{APPLY}` | layers | closes a layer, and puts it in its place |")
    for of, table in (("steps and layers", STEP_FLAGS), ("the answer", OUTPUT_FLAGS)):
        lines += [f"| `fl_{name}` | {of} | {about} |" for name, about in table.items()]
    return "\n".join(lines)


TABLES: dict[str, tuple[str, Callable[[], str]]] = {
    "settings": ("settings.md", settings_table),
    "routes": ("rest.md", routes_table),
    "commands": ("cli.md", commands_table),
    "statuses": ("cli.md", statuses_table),
    "metrics": ("metrics.md", metrics_table),
    "modules": ("architecture.md", modules_table),
    "parameters": ("transformations.md", parameters_table),
    "effects": ("transformations.md", effects_table),
    "flags": ("transformations.md", flags_table),
}
"""Name → page and maker."""


def renewed(page: str) -> str:
    """The page's text with its tables made anew."""

    def make(found: re.Match[str]) -> str:
        home, maker = TABLES[found[2]]
        assert home == page, f"the table {found[2]} belongs in {home}"
        return f"{found[1]}\n{maker()}\n\n{found[3]}"

    return _MARKED.sub(make, (DOCS / page).read_text())


def main() -> None:
    for page in sorted({page for page, _ in TABLES.values()}):
        (DOCS / page).write_text(renewed(page))


if __name__ == "__main__":
    main()
