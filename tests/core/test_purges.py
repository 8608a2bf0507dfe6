"""What each kind of shared cache is told."""

from __future__ import annotations

import hashlib
import hmac
import json

import pytest

from imagestore.core.purges import SIGNATURE, HookHeaders, batch_of, compose, hook_token

pytestmark = pytest.mark.quick

KEYS = ["image~shop~a%20b", "any~shop"]
URL = "https://cache.example.com/purge"
NONE = HookHeaders()


def test_json_is_signed() -> None:
    request = compose("json", URL, "secret", NONE, KEYS, 1700000000.5)
    assert (request.method, request.url, json.loads(request.body)) == ("POST", URL, {"keys": KEYS})
    digest = hmac.new(b"secret", b"1700000000." + request.body, hashlib.sha256).hexdigest()
    assert request.fields[SIGNATURE] == f"t=1700000000,v1={digest}"
    assert SIGNATURE not in compose("json", URL, "", NONE, KEYS, 0).fields


def test_fastly() -> None:
    request = compose("fastly", URL, "secret", NONE, KEYS, 0)
    assert (request.method, request.body) == ("POST", b"")
    assert request.fields["Surrogate-Key"] == "image~shop~a%20b any~shop"
    assert request.fields["Fastly-Key"] == "secret"


def test_cloudflare() -> None:
    request = compose("cloudflare", URL, "secret", NONE, KEYS, 0)
    assert (request.method, json.loads(request.body)) == ("POST", {"tags": KEYS})
    assert request.fields["Authorization"] == "Bearer secret"


def test_varnish() -> None:
    request = compose("varnish", URL, "", NONE, KEYS, 0)
    assert (request.method, request.fields) == ("PURGE", {"xkey": "image~shop~a%20b any~shop"})


@pytest.mark.parametrize(
    ("url", "most", "found"),
    [
        (f"{URL}/{{key}}", 1, f"{URL}/image~shop~a%2520b"),
        (f"{URL}?tags={{keys}}", 20, f"{URL}?tags=image~shop~a%2520b,any~shop"),
        (URL, 100, URL),
    ],
)
def test_keys_in_a_url(url: str, most: int, found: str) -> None:
    assert batch_of("json", url) == most
    assert compose("json", url, "", NONE, KEYS[:most], 0).url == found


def test_fields_of_the_operator_come_first() -> None:
    more = HookHeaders.parse('{"fastly-soft-purge": "1", "accept": "*/*"}')
    fields = compose("fastly", URL, "secret", more, KEYS, 0).fields
    assert (fields["fastly-soft-purge"], fields["accept"]) == ("1", "*/*")
    assert "Accept" not in fields
    assert HookHeaders.parse(str(more)) == more


@pytest.mark.parametrize("text", ["x", "[]", '{"a b": "c"}', '{"a": 1}', '{"a": "b\\r\\nc: d"}', '{"a": ""}'])
def test_what_is_no_field_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(ValueError, match="wants a JSON object") as caught:
        HookHeaders.parse(text)
    assert text not in str(caught.value).removeprefix("wants a JSON object of header fields") or text == "x"


def test_a_token_is_what_a_field_may_hold() -> None:
    assert hook_token("a b~1") == "a b~1"
    for text in ("hüsh", "hush\r\nX: y", " hush", "hush\n"):
        with pytest.raises(ValueError, match="printable ASCII") as caught:
            hook_token(text)
        assert text not in str(caught.value)
