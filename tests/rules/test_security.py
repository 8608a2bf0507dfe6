"""Every threat in docs/security.md is shown by tests, and these exist."""

from __future__ import annotations

import ast
import re

import pytest

from tests.rules.tables import DOCS, ROOT
from tests.web.hostile import TABLE

pytestmark = pytest.mark.quick

TEXT = (DOCS / "security.md").read_text()
THREATS = re.findall(
    r"^\| (.+?) \| (.+?) \| (.+) \|$",
    TEXT.partition("<!-- threats -->")[2].partition("<!-- end -->")[0],
    re.MULTILINE,
)[2:]
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)(?:\[(\w+)\])?`")


def test_there_are_threats() -> None:
    assert len(THREATS) > 20


@pytest.mark.parametrize(("threat", "holds", "shown"), THREATS, ids=[threat for threat, _, _ in THREATS])
def test_a_threat_is_held_and_its_tests_exist(threat: str, holds: str, shown: str) -> None:
    assert holds
    found = NAMED.findall(shown)
    assert (
        ", ".join(f"`{path}::{name}{f'[{group}]' if group else ''}`" for path, name, group in found) == shown
    )
    for path, name, group in found:
        defined = {
            node.name
            for node in ast.parse((ROOT / path).read_text()).body
            if isinstance(node, ast.FunctionDef)
        }
        assert name in defined, f"{path} has no {name}"
        assert not group or group in TABLE


def test_every_group_of_hostile_requests_is_some_threat() -> None:
    assert {group for _, _, shown in THREATS for _, _, group in NAMED.findall(shown) if group} == set(TABLE)
