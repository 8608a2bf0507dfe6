"""The files in docker/, read: instructions of the Dockerfile, services of the compose files."""

from __future__ import annotations

import json
import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import yaml

from imagestore.settings import Settings
from imagestore.settings.variables import variables

ROOT = Path(__file__).parents[2]
DOCKER = ROOT / "docker"
SINGLE = DOCKER / "compose.yaml"
CLUSTER = DOCKER / "compose.cluster.yaml"
KNOWN_VARIABLES = {name for each in fields(Settings) for name in variables(each)}


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile's instructions, each with the text behind it, continued lines joined."""
    text = re.sub(r"^#.*\n", "", (DOCKER / "Dockerfile").read_text(), flags=re.MULTILINE)
    lines = re.sub(r"\\\n\s*", "", text).splitlines()
    return [(name, rest) for name, _, rest in (line.partition(" ") for line in lines) if name]


def last_stage() -> dict[str, list[str]]:
    """The texts behind each kind of instruction in the stage that becomes the image."""
    found: dict[str, list[str]] = {}
    for name, rest in instructions():
        if name == "FROM":
            found = {}
        found.setdefault(name, []).append(rest)
    return found


def image_environment() -> dict[str, str]:
    """What ENV sets in the image."""
    return dict(re.findall(r"(\w+)=(\S+)", " ".join(last_stage()["ENV"])))


def image_command() -> list[str]:
    """The command that a container of the image runs."""
    stage = last_stage()
    command: list[str] = json.loads(stage["ENTRYPOINT"][0]) + json.loads(stage["CMD"][0])
    return command


def health_command() -> list[str]:
    """The command of the image's HEALTHCHECK."""
    command: list[str] = json.loads(last_stage()["HEALTHCHECK"][0].partition("CMD ")[2])
    return command


def compose(path: Path) -> dict[str, Any]:
    """A compose file, its anchors and merge keys resolved."""
    content: dict[str, Any] = yaml.safe_load(path.read_text())
    return content


def default_of(value: str) -> str:
    """What compose makes of a value when its variables are not set."""
    return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", value)


def service_nodes(content: dict[str, Any]) -> dict[str, Any]:
    """The services that are imagestore itself."""
    return {name: each for name, each in content["services"].items() if name.startswith("imagestore")}
