"""`imagestore plan`, run as its user would: on files and standard input, as table, JSON and pictures."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from tests.cli.conftest import run_alone

pytestmark = pytest.mark.quick

LINE = '10.0.0.1 - - [25/Nov/2026:06:{:02}:{:02} +0000] "GET /b/image/upload/{}.jpg HTTP/1.1" 200 {}\n'


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Ten images of 50 kB, asked for in turn ten times: 90 of 100 can be hits."""
    path = tmp_path / "access.log"
    path.write_text("".join(LINE.format(n // 60, n % 60, n % 10, 50_000) for n in range(100)))
    return path


def test_a_table_and_the_size_for_a_wish(log: Path) -> None:
    result = run_alone("plan", str(log), "--bytes", "1MB,64MiB")
    assert result.exit_code == 0
    assert "100 requests for 10 objects of 500.0 kB" in result.stdout
    assert "67.1 MB" in result.stdout
    assert "For 90% of the requests: maxmemory 1.6 MB" in result.stdout


def test_json_from_standard_input(log: Path) -> None:
    packed = gzip.compress(log.read_bytes() + b"what is this\n")
    result = run_alone("plan", "-", "--json", "--wanted-ratio", "0.95", input=packed)
    assert result.exit_code == 0
    found = json.loads(result.stdout)
    assert found["log"] == {"format": "combined", "lines": 101, "others": 0, "unread": 1}
    assert found["wish"]["bytes"] is None and found["wish"]["best"] == 0.9
    assert found["rows"][-1]["ratios"]["expiry"] == {"hits": 0.9, "bytes": 0.9}
    assert "1 of 101 lines could not be read as combined:\n  line 101: what is this" in result.stderr


def test_pictures(log: Path, tmp_path: Path) -> None:
    svg, png = tmp_path / "plan.svg", tmp_path / "plan.png"
    assert run_alone("plan", str(log), "--svg", str(svg), "--png", str(png)).exit_code == 0
    assert svg.read_text().startswith("<svg ")
    assert png.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["none.log"], 1, "none.log cannot be read: No such file"),
        (["LOG", "--bytes", "many"], 2, "'many' is no size: write bytes, or 64MB"),
        (["LOG", "--bytes", "0"], 2, "is no size"),
        (["LOG", "--wanted-ratio", "1.5"], 2, "1.5 is not in the range"),
        (["LOG", "--svg", "/nowhere/plan.svg"], 1, "/nowhere/plan.svg cannot be written: No such file"),
    ],
)
def test_mistakes_are_told_in_a_line(log: Path, arguments: list[str], status: int, words: str) -> None:
    result = run_alone("plan", *(str(log) if each == "LOG" else each for each in arguments))
    assert result.exit_code == status
    assert words in result.stderr


def test_a_log_without_images(tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    path.write_text(LINE.format(1, 1, "a", 5).replace("/image/", "/video/") * 3)
    result = run_alone("plan", str(path))
    assert result.exit_code == 1
    assert "has no GET of an image that was answered with bytes: 3 of its 3 lines" in result.stderr
