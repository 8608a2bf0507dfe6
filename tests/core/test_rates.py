"""Rates are read as they are written."""

from __future__ import annotations

import pytest

from imagestore.core.rates import Rate

pytestmark = pytest.mark.quick


@pytest.mark.parametrize(
    ("text", "count", "seconds"),
    [
        ("1/second", 1, 1),
        ("600/minute", 600, 60),
        ("5/hour", 5, 3600),
        ("999999999/day", 999_999_999, 86_400),
    ],
)
def test_a_rate_has_a_count_and_a_unit(text: str, count: int, seconds: int) -> None:
    rate = Rate.parse(text)
    assert (bool(rate), rate.count, rate.seconds, str(rate)) == (True, count, seconds, text)


@pytest.mark.parametrize("text", ["off", "OFF"])
def test_off_is_no_limit(text: str) -> None:
    rate = Rate.parse(text)
    assert (rate, bool(rate), str(rate)) == (Rate(), False, "off")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0/minute",
        "-1/minute",
        "1",
        "1/",
        "/minute",
        "1/week",
        "1 / minute",
        "1.5/second",
        "٣/second",
        "on",
        "9" * 10 + "/day",
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="wants a number and a unit"):
        Rate.parse(text)
