"""REST over HTTP: credentials, and what each of them may do on each route."""

import base64
import secrets
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest

from tests import pictures
from tests.web.answers import check_error

DATA = pictures.gif()
JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True)
class Route:
    """A call and the scope it takes; `whole`: on the whole service, never for who is bound to buckets."""

    method: str
    path: str
    scope: str
    status: int
    body: str | bytes = b""
    whole: bool = False

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    def send(self, client: httpx.Client, names: dict[str, object], auth: tuple | None) -> httpx.Response:
        body = self.body
        for name, value in names.items():
            body = body.replace(f"<{name}>", str(value)) if isinstance(body, str) else body
        fields = JSON if isinstance(body, str) else {}
        return client.request(self.method, self.path.format(**names), content=body, headers=fields, auth=auth)


IMAGES = "/v1/buckets/{bucket}/images"
NAMED = "/v1/buckets/{bucket}/transformations"
ROUTES = [
    Route("GET", "/v1/buckets/{bucket}", "read", 200),
    Route("GET", IMAGES, "read", 200),
    Route("GET", IMAGES + "/x", "read", 200),
    Route("GET", IMAGES + "/x/versions", "read", 200),
    Route("GET", IMAGES + "/x/versions/{version}", "read", 200),
    Route("POST", "/v1/buckets/{bucket}/signed-urls", "read", 201, '{"key": "x"}'),
    Route("GET", "/{bucket}/image/upload/x", "read", 200),
    Route("HEAD", "/{bucket}/image/upload/x", "read", 200),
    Route("POST", IMAGES, "write", 201, DATA),
    Route("PUT", IMAGES + "/y", "write", 201, DATA),
    Route("PATCH", IMAGES + "/x", "write", 200, '{"tags": []}'),
    Route("POST", IMAGES + "/x/versions/{version}/restore", "write", 201),
    Route("DELETE", IMAGES + "/x/versions/{version}", "write", 204),
    Route("DELETE", IMAGES + "/x", "write", 204),
    Route("POST", "/v1/cache/warm", "write", 200, '{"bucket": "<bucket>", "keys": ["x"]}'),
    Route("POST", "/v1/cache/purge", "write", 200, '{"bucket": "<bucket>", "keys": ["x"]}'),
    Route("POST", "/v1/buckets", "admin", 409, '{"name": "<bucket>"}'),
    Route("PATCH", "/v1/buckets/{bucket}", "admin", 200, '{"access": "private"}'),
    Route("DELETE", "/v1/buckets/{bucket}", "admin", 409),
    Route("GET", NAMED, "read", 200),
    Route("GET", NAMED + "/none", "read", 404),
    Route("PUT", NAMED + "/none", "admin", 400, '{"transformation": "w_x"}'),
    Route("DELETE", NAMED + "/none", "admin", 404),
    Route("GET", "/v1/cache/stats", "read", 200, whole=True),
    Route("POST", "/v1/credentials", "admin", 201, '{"scopes": ["read"]}', whole=True),
    Route("GET", "/v1/credentials", "admin", 200, whole=True),
    Route("DELETE", "/v1/credentials/nobody", "admin", 404, whole=True),
]
HOLDERS = [
    (scopes, reach)
    for scopes in (("read",), ("write",), ("admin",), ("read", "write"))
    for reach in ("all", "this", "other")
]


@pytest.fixture(scope="module")
def holders(rest: httpx.Client, world: dict[str, object]) -> dict[tuple, tuple[str, str]]:
    """A credential for each set of scopes and reach."""
    reaches = {"all": None, "this": [world["bucket"]], "other": [world["other"]]}
    made = {}
    for scopes, reach in HOLDERS:
        wanted = {"scopes": list(scopes), "buckets": reaches[reach]}
        issued = rest.post("/v1/credentials", json=wanted).json()
        made[scopes, reach] = (issued["access_key"], issued["secret"])
    return made


@pytest.fixture(scope="module")
def world(rest: httpx.Client) -> dict[str, object]:
    """Two private buckets."""
    names = {name: f"m-{secrets.token_hex(6)}" for name in ("bucket", "other")}
    for name in names.values():
        rest.post("/v1/buckets", json={"name": name})
    return dict(names)


@pytest.fixture
def names(rest: httpx.Client, world: dict[str, object]) -> Iterator[dict[str, object]]:
    """The names that paths hold, with an image `x` of two versions."""
    for seed in range(2):
        made = rest.put(f"/v1/buckets/{world['bucket']}/images/x", content=pictures.gif(seed=seed)).json()
    yield world | {"version": made["version"]}
    rest.delete(f"/v1/buckets/{world['bucket']}/images/x")


@pytest.mark.parametrize("route", ROUTES, ids=str)
def test_a_route_is_open_to_its_scope_and_reach_alone(
    stranger: httpx.Client, holders: dict[tuple, tuple[str, str]], names: dict[str, object], route: Route
) -> None:
    nobodies = (None, (holders[("admin",), "all"][0], "wrong"), ("ISNOBODY", "x"))
    for auth in nobodies:
        answer = route.send(stranger, names, auth)
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"] == 'Basic realm="imagestore", charset="UTF-8"'
    allowed = []
    for holder, auth in holders.items():
        scopes, reach = holder
        if (route.scope in scopes or "admin" in scopes) and (
            reach == "all" or (reach == "this" and not route.whole)
        ):
            allowed.append(auth)
            continue
        answer = route.send(stranger, names, auth)
        assert answer.status_code == 403, (holder, answer.text)
        if route.method != "HEAD":
            check_error(answer, 403, "forbidden")
    assert route.send(stranger, names, allowed[0]).status_code == route.status
    for auth in allowed[1:]:
        assert route.send(stranger, names, auth).status_code in (route.status, 404)


def test_every_route_of_the_document_is_in_the_matrix(stranger: httpx.Client) -> None:
    paths = stranger.get("/v1/openapi.json").json()["paths"]
    documented = {(method.upper(), path) for path, methods in paths.items() for method in methods}
    named = {
        (route.method, route.path.replace("/x", "/{key}").replace("/y", "/{key}"))
        for route in ROUTES
        if route.path.startswith("/v1/")
    }
    named = {(method, path.replace("{version}", "{number}")) for method, path in named}
    named = {(method, path.replace("/nobody", "/{access_key}")) for method, path in named}
    named = {(method, path.replace("/none", "/{name}")) for method, path in named}
    assert documented - {("GET", "/v1/buckets")} == named


@pytest.mark.parametrize(
    "value",
    [
        "",
        "Basic",
        "Basic !!!",
        "Basic " + base64.b64encode(b"nocolon").decode(),
        "Basic " + base64.b64encode(b":").decode(),
        "Basic " + base64.b64encode(b"\xff\xfe:\xff").decode(),
        "Basic " + base64.b64encode(b"a\0b:c").decode(),
        "Basic " + base64.b64encode(b"K" * 3000 + b":x").decode(),
        "Basic \xff",
        "Basic YTpi\xe9",
        "Bearer abc",
        "Digest username=x",
        "x",
    ],
)
def test_an_authorization_that_cannot_be_read_is_no_credential(stranger: httpx.Client, value: str) -> None:
    answer = stranger.get("/v1/buckets", headers={"Authorization": value.encode("latin-1")})
    check_error(answer, 401, "unauthenticated")


def test_a_credential_is_made_listed_and_revoked(
    rest: httpx.Client, stranger: httpx.Client, bucket: str
) -> None:
    wanted = {"scopes": ["write", "read", "read"], "buckets": [bucket, bucket], "description": "the blog ☂"}
    made = rest.post("/v1/credentials", json=wanted)
    assert made.status_code == 201
    issued = made.json()
    auth = (issued.pop("access_key"), issued.pop("secret"))
    assert (issued["scopes"], issued["buckets"]) == (["read", "write"], [bucket])
    assert issued["description"] == "the blog ☂"
    listed = rest.get("/v1/credentials")
    assert {"access_key": auth[0], **issued} in listed.json()["credentials"]
    assert auth[1] not in listed.text
    path = f"/v1/buckets/{bucket}"
    assert stranger.get(path, auth=auth).status_code == 200
    assert rest.delete(f"/v1/credentials/{auth[0]}").status_code == 204
    for _ in range(8):  # over connections of their own, so that every worker is asked
        check_error(httpx.get(rest.base_url.join(path), auth=auth), 401, "unauthenticated")
    assert auth[0] not in rest.get("/v1/credentials").text
    check_error(rest.delete(f"/v1/credentials/{auth[0]}"), 404, "credential_not_found")


@pytest.mark.parametrize(
    ("wanted", "code"),
    [
        ({}, "invalid_parameter"),
        ({"scopes": []}, "invalid_parameter"),
        ({"scopes": ["root"]}, "invalid_parameter"),
        ({"scopes": "read"}, "invalid_parameter"),
        ({"scopes": ["read"], "buckets": []}, "invalid_parameter"),
        ({"scopes": ["read"], "buckets": ["UPPER"]}, "invalid_bucket_name"),
        ({"scopes": ["read"], "buckets": "abc"}, "invalid_parameter"),
        ({"scopes": ["read"], "description": "x" * 201}, "invalid_parameter"),
        ({"scopes": ["read"], "secret": "x"}, "invalid_parameter"),
    ],
)
def test_a_bad_wish_is_refused(rest: httpx.Client, wanted: dict, code: str) -> None:
    check_error(rest.post("/v1/credentials", json=wanted), 400, code)
