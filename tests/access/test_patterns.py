"""Patterns of policies: what fits them, and that no policy of them takes long."""

from __future__ import annotations

import fnmatch
import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagestore.access.conditions import Malformed
from imagestore.access.patterns import is_match, matches
from imagestore.access.policy import MOST_GAPS, check

pytestmark = pytest.mark.quick

TEXTS = st.text("ab\n[.\\*?", max_size=12)
PATTERNS = st.text("ab**??\n[.\\", max_size=10)


@given(PATTERNS, TEXTS)
def test_a_pattern_fits_what_the_wildcards_of_file_names_do(pattern: str, text: str) -> None:
    other = re.compile(fnmatch.translate(pattern.replace("[", "[[]")))
    assert matches(pattern, text) == (other.match(text) is not None)
    assert is_match(pattern, text, {}) == (other.match(text) is not None)


@given(PATTERNS, st.text("ab*?", max_size=3), TEXTS)
def test_what_a_variable_stands_for_has_no_wildcards(pattern: str, value: str, text: str) -> None:
    wild = "".join({"*": ".*", "?": "."}.get(each, re.escape(each)) for each in pattern)
    plain = re.compile(f"{wild}{re.escape(value)}a.*", re.DOTALL)
    found = is_match(f"{pattern}${{aws:username}}a*", text, {"aws:username": (value,)})
    assert found == (plain.fullmatch(text) is not None)
    assert is_match(f"{pattern}${{*}}", text, {}) == matches(pattern, text[:-1]) * text.endswith("*")


def test_nothing_is_compiled_for_a_pattern_that_has_no_gaps(monkeypatch: pytest.MonkeyPatch) -> None:
    def compile_none(*_: object, **__: object) -> Any:
        raise AssertionError("compiled")

    monkeypatch.setattr(re, "compile", compile_none)
    for number in range(3000):
        assert matches(f"*{number}*a", f"b{number}ca")
        assert not is_match(f"*{number}*${{aws:username}}", "b", {"aws:username": (f"{number}",)})


@pytest.mark.parametrize("more", [0, 1])
def test_a_policy_has_so_many_gaps_at_most(more: int) -> None:
    told = {
        "Effect": "Allow",
        "Principal": "*",
        "Action": "s3:GetObject",
        "Resource": ["arn:aws:s3:::shop/" + "?" * (MOST_GAPS // 2 + each) for each in (0, more)],
    }
    text = json.dumps({"Statement": told})
    if not more:
        check(text, "shop")
        return
    with pytest.raises(Malformed, match="question marks"):
        check(text, "shop")
