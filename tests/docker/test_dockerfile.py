"""The Dockerfile: linted, small, not root, its packages pinned within the ranges that setup.cfg gives."""

import configparser
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from imagestore import __version__
from tests.docker.files import (
    DOCKER,
    KNOWN_VARIABLES,
    ROOT,
    health_command,
    image_command,
    image_environment,
    instructions,
    last_stage,
)

pytestmark = pytest.mark.quick


@pytest.mark.skipif(sys.platform != "linux", reason="the linter's wheel is for Linux")
def test_the_linter_has_nothing_to_say() -> None:
    linter = shutil.which("hadolint", path=str(Path(sys.executable).parent))
    assert linter, "hadolint is missing: install the `test` extra"
    done = subprocess.run([linter, DOCKER / "Dockerfile"], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_the_base_image_is_named_once_with_its_release() -> None:
    [base] = [text for name, text in instructions() if name == "ARG" and text.startswith("PYTHON_IMAGE=")]
    assert re.fullmatch(r"PYTHON_IMAGE=python:3\.\d+-slim-[a-z]+", base)
    stages = [text for name, text in instructions() if name == "FROM"]
    assert stages == ["${PYTHON_IMAGE} AS build", "${PYTHON_IMAGE}"]
    assert f'base.name="docker.io/library/{base.partition("=")[2]}"' in last_stage()["LABEL"][0]


def test_the_image_is_labelled_with_the_version_of_the_package() -> None:
    assert f"VERSION={__version__}" in last_stage()["ARG"]
    for label in ("title", "description", "licenses", "version", "revision"):
        assert f"org.opencontainers.image.{label}=" in last_stage()["LABEL"][0]


def test_it_runs_without_root_and_without_a_shell() -> None:
    stage = last_stage()
    assert re.fullmatch(r"[1-9]\d{3,}:[1-9]\d{3,}", stage["USER"][-1])
    assert image_command() == ["imagestore", "serve"]
    assert health_command()[0] == "python"
    assert stage["STOPSIGNAL"] == ["SIGTERM"]


def test_nothing_comes_from_the_net_but_packages() -> None:
    assert "ADD" not in {name for name, _ in instructions()}
    for name, text in instructions():
        assert name != "RUN" or not re.search(r"\b(curl|wget|git)\b|https?://", text)


def test_the_last_stage_builds_nothing() -> None:
    [line] = last_stage()["RUN"]
    assert line.startswith("install --directory ")
    user = last_stage()["USER"][-1].partition(":")[0]
    assert f"--owner={user} --group={user} --mode=0700" in line
    assert last_stage()["VOLUME"] == [line.split()[-1]] == [image_environment()["IMAGESTORE_DATA"]]


def test_the_health_check_asks_the_port_that_is_served_and_exposed() -> None:
    host, _, port = image_environment()["IMAGESTORE_BIND"].rpartition(":")
    s3_host, _, s3_port = image_environment()["IMAGESTORE_S3_BIND"].rpartition(":")
    assert host == s3_host == "0.0.0.0"
    assert last_stage()["EXPOSE"] == [f"{port} {s3_port}"]
    assert f"'127.0.0.1', {port}," in health_command()[-1]


def test_no_secret_is_built_in_and_every_variable_is_a_setting() -> None:
    named = {name for name in image_environment() if name.startswith("IMAGESTORE_")}
    assert named == {"IMAGESTORE_BIND", "IMAGESTORE_DATA", "IMAGESTORE_S3_BIND"}
    assert named <= KNOWN_VARIABLES


def test_the_build_sees_what_it_copies_and_no_more() -> None:
    listed = (DOCKER / "Dockerfile.dockerignore").read_text().splitlines()
    let_in = {line[1:] for line in listed if line.startswith("!")}
    copied = set()
    for name, text in instructions():
        if name == "COPY" and not text.startswith("--from="):
            copied |= {source.removeprefix("./") for source in text.split()[:-1]}
    assert "*" in listed
    assert let_in == copied
    assert all((ROOT / each).exists() for each in copied)


def test_every_requirement_is_pinned_within_its_range() -> None:
    pinned = {}
    for line in (DOCKER / "requirements.txt").read_text().splitlines():
        if not line.startswith("#"):
            each = Requirement(line)
            [pin] = each.specifier
            assert pin.operator == "==", line
            pinned[canonicalize_name(each.name)] = pin.version
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg")
    extras = parser["options.extras_require"]
    wanted = parser["options"]["install_requires"] + extras["faces"] + extras["fast"] + extras["otel"]
    required = [Requirement(line) for line in wanted.split("\n") if line]
    assert len(required) > 10
    for each in required:
        assert each.specifier.contains(pinned[canonicalize_name(each.name)]), each
