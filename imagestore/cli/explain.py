"""`imagestore explain`: what would answer a delivery URL, why, and what caches would do with it."""

from __future__ import annotations

from collections.abc import Iterator

import click

from imagestore.cli.buckets import as_json
from imagestore.cli.terminal import connect, print_json, print_table
from imagestore.client import Explanation

LEVELS = {
    "memory": "memory: the worker that was asked has the answer",
    "redis": "Redis has the bytes",
    "gridfs": "GridFS has the bytes",
    "render": "it would be made: no cache has it",
}


@click.command(
    epilog="""\b
    Examples:
      imagestore explain http://127.0.0.1:8000/default/image/upload/c_fill,w_200/beach.jpg
      imagestore explain /default/image/upload/f_auto/beach.jpg --accept image/avif,image/webp --json
    """
)
@click.argument("url")
@click.option("--accept", default="*/*", show_default=True, help="The Accept field of the client.")
@as_json
def explain(url: str, accept: str, as_json: bool) -> None:
    """Tell what would answer the delivery URL: how it is read, who may have it, which cache has it.

    Of a whole URL its path and query count: it is asked of the service that all commands talk to. Nothing is
    rendered for it. The milliseconds are of what was looked up.
    """
    with connect() as client:
        found = client.explain(url, accept=accept)
    if as_json:
        print_json(found)
    else:
        print_table(list(_rows(found)))


def _rows(found: Explanation) -> Iterator[tuple[str, str]]:
    of = " instead of the one that is not there" if found["default_image"] else ""
    yield "image", f"{found['key']} in {found['bucket']}, version {found['version']}{of}"
    grammar = found["transformation"]
    yield "asks for", grammar["asked"] or "the original"
    if grammar["canonical"] != grammar["asked"]:
        yield "which is", grammar["canonical"] or "the original"
    yield from _listed("steps", grammar["components"])
    yield from _listed("rule", found["rule"])
    yield "answer", LEVELS.get(found["level"], found["level"])
    if found["out_of_date"]:
        yield "", "MongoDB does not answer: it may be out of date"
    yield "name", found["name"]
    yield from _listed("depends on", found["depends_on"])
    yield from _listed(
        "looked up", [f"{step} {taken:.2f} ms" for step, taken in found["milliseconds"].items()]
    )
    yield from _listed("fields", [f"{name}: {value}" for name, value in found["headers"].items()])
    yield from _listed("caches", found["meaning"])


def _listed(title: str, lines: list[str]) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(lines):
        yield "" if number else title, line
