"""What every request meets at the door: one shape of errors, methods, request ids, safe headers."""

import json

import httpx
import pytest

from tests import pictures
from tests.web.answers import check_error, check_headers

PATHS = [
    "/v1/buckets",
    "/v1/buckets/default",
    "/v1/buckets/default/images",
    "/v1/buckets/default/images/x",
    "/v1/buckets/default/images/x/versions",
    "/v1/buckets/default/images/x/versions/1",
    "/v1/buckets/default/images/x/versions/1/restore",
    "/v1/buckets/default/signed-urls",
    "/v1/credentials",
    "/v1/credentials/x",
    "/v1/cache/warm",
    "/v1/cache/purge",
    "/v1/cache/stats",
    "/v1/openapi.json",
    "/v1/docs",
    "/v1/docs/redoc.js",
    "/default/image/upload/x",
    "/healthz",
    "/readyz",
    "/metrics",
]
METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}


@pytest.mark.parametrize(
    "path",
    ["/", "/x", "/v1", "/v1/", "/v1/nope", "/v2/buckets", "/default/image/upload", "/a/b/c/d", "/%00"],
)
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_a_path_that_nobody_serves(rest: httpx.Client, method: str, path: str) -> None:
    check_error(rest.request(method, path), 404, "route_not_found")


@pytest.mark.parametrize("path", PATHS)
def test_other_methods_are_answered_with_those_that_are_allowed(rest: httpx.Client, path: str) -> None:
    """RFC 9110, 15.5.6 and 9.3.7."""
    options = rest.options(path)
    assert (options.status_code in (200, 204), options.content) == (True, b"")
    allowed = {each.strip() for each in options.headers["Allow"].split(",")}
    assert {"OPTIONS"} < allowed <= METHODS
    assert ("GET" in allowed) == ("HEAD" in allowed)
    for method in (METHODS | {"TRACE", "PROPFIND", "X" * 20}) - allowed:
        answer = rest.request(method, path)
        assert answer.status_code == 405, method
        if method != "HEAD":
            check_error(answer, 405, "method_not_allowed")
        assert {each.strip() for each in answer.headers["Allow"].split(",")} == allowed
        check_headers(answer)


@pytest.mark.parametrize("path", [*PATHS[:4], "/v1/openapi.json", "/v1/docs", "/healthz", "/readyz", "/nope"])
def test_head_is_get_without_the_body(rest: httpx.Client, path: str) -> None:
    """RFC 9110, 9.3.2."""
    rest.put("/v1/buckets/default/images/x", content=pictures.gif())
    got, head = rest.get(path), rest.head(path)
    assert (head.status_code, head.content) == (got.status_code, b"")
    passing = ("date", "x-request-id")
    assert {name: value for name, value in head.headers.items() if name not in passing} == {
        name: value for name, value in got.headers.items() if name not in passing
    }
    assert head.headers["Content-Length"] == str(len(got.content))


def test_good_and_bad_answers_carry_the_safe_headers(rest: httpx.Client, stranger: httpx.Client) -> None:
    for answer in (
        rest.get("/v1/buckets"),
        rest.get("/nope"),
        rest.put("/v1/buckets/default/images/x", content=b"text"),
        rest.options("/v1/buckets"),
        stranger.get("/v1/buckets"),
        stranger.get("/healthz"),
    ):
        check_headers(answer)


def test_a_request_id_is_kept_if_it_is_one(rest: httpx.Client) -> None:
    assert rest.get("/healthz", headers={"X-Request-Id": "abc.DEF-123_4"}).headers["X-Request-Id"] == (
        "abc.DEF-123_4"
    )
    made = set()
    for given in ("short", "x" * 65, "has space", "<script>", "ümlaut-ümlaut", ""):
        answer = rest.get("/healthz", headers={"X-Request-Id": given.encode()})
        assert answer.headers["X-Request-Id"] != given
        check_headers(answer)
        made.add(answer.headers["X-Request-Id"])
    assert len(made) == 6


@pytest.mark.parametrize("path", ["/default/image/upload/%ff", "/v1/buckets/default/images/%c3%28", "/%80"])
def test_a_path_that_is_no_utf8_is_refused(rest: httpx.Client, path: str) -> None:
    check_error(rest.get(path), 400, "invalid_parameter")


def post_json(rest: httpx.Client, body: bytes) -> httpx.Response:
    return rest.post("/v1/buckets", content=body, headers={"Content-Type": "application/json"})


def test_json_that_is_too_large_is_refused(rest: httpx.Client) -> None:
    check_error(post_json(rest, b'{"name": "' + b"x" * 1024 * 1024 + b'"}'), 413, "upload_too_large")


@pytest.mark.parametrize(
    "text", ["[" * 100_000, '{"a":' * 100_000, '{"name": ' + "[" * 5000 + "]" * 5000 + "}"], ids=len
)
def test_json_that_is_too_deep_is_refused(rest: httpx.Client, text: str) -> None:
    check_error(post_json(rest, text.encode()), 400, "invalid_parameter")
    form = {"file": ("x", pictures.gif())}
    answer = rest.post("/v1/buckets/default/images", files=form, data={"context": text[:50_000]})
    check_error(answer, 400, "invalid_parameter")


HALF_A_PAIR = [
    ("/v1/buckets", b'{"name": "\\ud800aa"}'),
    ("/v1/cache/warm", b'{"bucket": "\\ud800", "keys": ["x"]}'),
    ("/v1/cache/warm", b'{"bucket": "default", "keys": ["\\udfff"]}'),
    ("/v1/cache/purge", b'{"bucket": "default", "keys": ["\\udfff"]}'),
    ("/v1/cache/purge", b'{"bucket": "default", "tag": "\\udfff"}'),
    ("/v1/cache/purge", b'{"bucket": "default", "everything": true, "after": "\\udfff"}'),
    ("/v1/credentials", b'{"scopes": ["read"], "description": "\\ud800"}'),
    ("/v1/credentials", b'{"scopes": ["read"], "buckets": ["\\ud800"]}'),
    ("/v1/buckets/default/signed-urls", b'{"key": "\\ud800"}'),
    ("/v1/buckets/default/signed-urls", b'{"\\ud800": "x"}'),
]


@pytest.mark.parametrize(("path", "body"), HALF_A_PAIR)
def test_json_text_that_is_no_unicode_is_refused(rest: httpx.Client, path: str, body: bytes) -> None:
    answer = rest.post(path, content=body, headers={"Content-Type": "application/json"})
    check_error(answer, 400, "invalid_parameter")


def test_json_numbers_of_any_length_are_refused_where_they_do_not_fit(rest: httpx.Client) -> None:
    for number in ("1" * 5000, "1e999", "-Infinity", "NaN"):
        body = f'{{"key": "x", "expires_in": {number}}}'
        answer = rest.post(
            "/v1/buckets/default/signed-urls", content=body, headers={"Content-Type": "application/json"}
        )
        check_error(answer, 400, "invalid_parameter")


def test_a_body_that_is_not_asked_for_does_not_matter(rest: httpx.Client) -> None:
    answer = rest.request("GET", "/v1/buckets", content=json.dumps({"x": 1}))
    assert answer.status_code == 200


def test_errors_of_the_parser_have_the_same_shape(rest: httpx.Client) -> None:
    check_error(rest.get("/" + "x" * 9000), 414, "url_too_long")
    check_error(rest.get("/healthz", headers={"X-Long": "x" * 9000}), 431, "headers_too_large")
    many = {f"X-{number}": "x" for number in range(150)}
    check_error(rest.get("/healthz", headers=many), 431, "headers_too_large")


def test_ready_names_its_parts(stranger: httpx.Client) -> None:
    assert stranger.get("/healthz").json() == {"status": "alive"}
    ready = stranger.get("/readyz")
    assert (ready.status_code, ready.json()) == (
        200,
        {
            "status": "ready",
            "parts": {"mongodb": "up", "redis": "up"},
            "details": {
                "missing_indexes": [],
                "redis_breaker": "closed",
                "decoders": {"processes": 1, "busy": 0, "waiting": 0, "renders_waiting": 0},
                "damaged_reads": 0,
                "alerts": {},
            },
        },
    )
