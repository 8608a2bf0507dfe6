"""Checks of what is installed: Python, libraries, formats of pictures, servers to run, open files."""

from __future__ import annotations

import os
import platform
import resource
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec

from imagestore import __version__
from imagestore.cli.checks.report import Finding, Place, Subject, ok, problem, warning
from imagestore.core.traces import exporter_wanted
from imagestore.edge.worker import OTHER_FILES
from imagestore.embedded import EmbeddedError
from imagestore.embedded.executables import MONGOD, REDIS_SERVER, Program, find
from imagestore.imaging.engine.fonts import shaping
from imagestore.imaging.engine.verification import abilities
from imagestore.imaging.formats import FORMATS
from imagestore.settings import Settings

LIBRARIES = ("Flask", "gunicorn", "httpx", "pillow", "pymongo", "redis", "hiredis", "uvloop")
MISSING = "not installed"
_RUN_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Server:
    """A server to run beside the service. `found` says which and where; `missing` why there is none."""

    name: str
    found: str
    missing: str


@dataclass(frozen=True, slots=True)
class Installation:
    """`formats` has the version of what decodes each, by the format's name; `shaping` that of what shapes the
    letters of texts, empty for nothing. `files` is what a process may
    open, None for any number. `traced`: the environment configures OpenTelemetry, of version `tracing`."""

    settings: Settings
    libraries: Mapping[str, str]
    formats: Mapping[str, str]
    shaping: str
    faces: bool
    fast_parser: bool
    servers: tuple[Server, ...]
    files: int | None
    traced: bool
    tracing: str


def look(place: Place) -> Installation:
    settings = place.settings
    servers = []
    if not settings.mongo_url:
        servers.append(_server("MongoDB", MONGOD, settings.mongod))
    if not settings.redis_url:
        servers.append(_server("Redis", REDIS_SERVER, settings.redis_server))
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return Installation(
        settings=settings,
        libraries={name: _version(name) for name in LIBRARIES},
        formats=abilities(),
        shaping=shaping(),
        faces=find_spec("cv2") is not None,
        fast_parser=find_spec("gunicorn_h1c") is not None,
        servers=tuple(servers),
        files=None if hard == resource.RLIM_INFINITY else hard,
        traced=exporter_wanted(os.environ) is not None,
        tracing=_version("opentelemetry-sdk"),
    )


def _version(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return MISSING


def _server(name: str, program: Program, named: str) -> Server:
    """Found and tried: one whose libraries are missing is there and does not run."""
    try:
        path = find(program, named)
        tried = subprocess.run(  # noqa: S603 - the very program that `serve` would run
            [path, "--version"], capture_output=True, text=True, timeout=_RUN_SECONDS, check=False
        )
    except (EmbeddedError, OSError, subprocess.TimeoutExpired) as error:
        return Server(name, "", str(error))
    if tried.returncode:
        return Server(name, "", f"{path} does not run: {tried.stderr.strip().partition(chr(10))[0]}")
    return Server(name, f"{path} ({tried.stdout.strip().partition(chr(10))[0]})", "")


def python(here: Installation) -> Iterator[Finding]:
    yield ok(f"imagestore {__version__} on Python {platform.python_version()}, {platform.platform()}.")


def libraries(here: Installation) -> Iterator[Finding]:
    missing = [name for name, found in here.libraries.items() if found == MISSING]
    if missing:
        yield problem(
            f"Not installed: {', '.join(missing)}.", "Install imagestore again: pip install imagestore."
        )
    else:
        yield ok(", ".join(f"{name} {found}" for name, found in here.libraries.items()) + ".")


def formats(here: Installation) -> Iterator[Finding]:
    missing = [each.name for each in FORMATS if each.name not in here.formats]
    if missing:
        advice = (
            "Install a Pillow with all its libraries: its wheels have them (pip install --only-binary :all:)."
        )
        yield problem(f"Pillow here cannot read {', '.join(missing)}.", advice)
    else:
        told = ", ".join(f"{name} ({found})" if found else name for name, found in here.formats.items())
        yield ok(f"Pictures: {told}.")


def texts(here: Installation) -> Iterator[Finding]:
    if here.shaping:
        yield ok(f"Texts on pictures are shaped by raqm {here.shaping}.")
    else:
        advice = "Install Pillow's own wheel: pip install --only-binary :all: --force-reinstall pillow."
        yield problem("Pillow here has no raqm: texts cannot be drawn on pictures.", advice)


def faces(here: Installation) -> Iterator[Finding]:
    if here.faces:
        yield ok("Faces are found by OpenCV.")
    else:
        yield warning(
            "Faces are not looked for: g_face and e_blur_faces are errors.",
            "pip install 'imagestore[faces]'.",
        )


def http_parser(here: Installation) -> Iterator[Finding]:
    if here.fast_parser:
        yield ok("HTTP is parsed by gunicorn's parser in C.")
    else:
        advice = "pip install 'imagestore[fast]', which takes a C compiler and Python's headers."
        yield warning("HTTP is parsed in Python, which serves fewer requests.", advice)


def servers(here: Installation) -> Iterator[Finding]:
    for each in here.servers:
        if each.missing:
            yield problem(f"No {each.name} can be run beside the service: {each.missing}", "Do as it says.")
        else:
            yield ok(f"{each.name} to run beside the service: {each.found}.")


def open_files(here: Installation) -> Iterator[Finding]:
    wanted = here.settings.connections + OTHER_FILES
    if here.files is not None and here.files < wanted:
        told = f"A process may open {here.files} files, and a worker wants {wanted}."
        yield warning(told, "Raise the limit (ulimit -Hn, LimitNOFILE=), or lower IMAGESTORE_CONNECTIONS.")
    else:
        yield ok("A process may open as many files as a worker wants.")


def traces(here: Installation) -> Iterator[Finding]:
    if not here.traced:
        yield ok("OpenTelemetry is not configured: no traces are made.")
    elif here.tracing == MISSING:
        yield problem("OpenTelemetry is configured, and not installed.", "pip install 'imagestore[otel]'.")
    else:
        yield ok(f"Traces are made by OpenTelemetry {here.tracing}.")


INSTALLATION = Subject(
    "installation", look, (python, libraries, formats, texts, faces, http_parser, servers, open_files, traces)
)
