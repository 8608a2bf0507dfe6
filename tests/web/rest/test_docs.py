"""REST over HTTP: the OpenAPI document and its page."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from imagestore.app import create_app
from imagestore.services import Services
from imagestore.settings import Settings

ANY_REQUEST = {400, 401, 403, 404, 408, 413, 414, 421, 429, 431, 500, 503}
"""What may be answered whatever is asked: by the edge, the front door, or for want of a server."""
HEADERS = {"401": {"WWW-Authenticate"}, "429": {"Retry-After"}, "503": {"Retry-After"}}


@pytest.fixture(scope="module")
def document(stranger: httpx.Client) -> dict[str, Any]:
    answer = stranger.get("/v1/openapi.json")
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/json")
    return answer.json()


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def references(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        for name, value in part.items():
            if name == "$ref":
                yield value
            else:
                yield from references(value)
    elif isinstance(part, list):
        for value in part:
            yield from references(value)


def test_it_is_openapi_3_1(document: dict[str, Any]) -> None:
    assert re.fullmatch(r"3\.1\.\d+", document["openapi"])
    assert set(document) <= {
        "openapi", "info", "jsonSchemaDialect", "servers", "paths", "webhooks", "components", "security",
        "tags", "externalDocs",
    }  # fmt: skip
    assert {"title", "version"} <= set(document["info"])
    assert document["components"]["securitySchemes"]["basic"] == {"type": "http", "scheme": "basic"}


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    found = set(references(document))
    assert len(found) > 15
    for reference in found:
        part = document
        assert reference.startswith("#/")
        for name in reference[2:].split("/"):
            part = part[name]


def test_every_operation_is_whole(document: dict[str, Any]) -> None:
    names = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(names) == len(set(names))
    tags = {tag["name"] for tag in document["tags"]}
    for path, method, operation in operations(document):
        place = f"{method} {path}"
        assert method in {"get", "put", "post", "delete", "patch"}, place
        assert operation["summary"], place
        assert set(operation["tags"]) <= tags, place
        assert operation["security"] == [{"basic": []}], place
        in_path = {each["name"] for each in operation.get("parameters", ()) if each["in"] == "path"}
        assert in_path == set(re.findall(r"{(\w+)}", path)), place
        assert all(each["required"] for each in operation.get("parameters", ()) if each["in"] == "path")
        statuses = set(operation["responses"])
        assert {str(status) for status in ANY_REQUEST} < statuses, place
        for status, fields in HEADERS.items():
            assert set(operation["responses"][status]["headers"]) == fields, place
        for status, answer in operation["responses"].items():
            expected = [] if status == "204" else ["application/json"]
            assert list(answer.get("content", ())) == expected, place
        assert len({status for status in statuses if status.startswith("2")}) == 1, place
        assert all(answer["description"] for answer in operation["responses"].values()), place
        if method in ("put", "patch"):
            assert operation["requestBody"]["content"], place


def test_every_route_of_the_application_is_in_it(document: dict[str, Any], tmp_path: Path) -> None:
    services = Services(
        Settings(mongo_url="mongodb://127.0.0.1:9", redis_url="none", secret_key="k" * 32, data=tmp_path)
    )
    try:
        rules = list(create_app(services).url_map.iter_rules())
    finally:
        services.close()
    served = {
        (re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule), method.lower())
        for rule in rules
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
        if rule.rule.startswith("/v1/") and not rule.rule.startswith(("/v1/docs", "/v1/openapi.json"))
    }
    assert {(path, method) for path, method, _ in operations(document)} == served


def test_answers_are_as_the_document_says(
    document: dict[str, Any], rest: httpx.Client, bucket: str, images: str
) -> None:
    def fields(name: str) -> set[str]:
        return set(document["components"]["schemas"][name]["properties"])

    assert set(rest.get(f"/v1/buckets/{bucket}").json()) == fields("BucketAnswer")
    assert set(rest.get(images).json()) == fields("ImageList")
    assert set(rest.get(f"{images}/none").json()) == fields("ErrorAnswer")
    assert set(rest.get("/v1/cache/stats").json()) == fields("CacheStats")


def test_the_page_loads_what_it_needs_from_here_alone(stranger: httpx.Client) -> None:
    page = stranger.get("/v1/docs")
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    policy = dict(part.strip().split(" ", 1) for part in page.headers["Content-Security-Policy"].split(";"))
    assert (policy["default-src"], policy["script-src"], policy["connect-src"]) == (
        "'none'",
        "'self'",
        "'self'",
    )
    assert "//" not in page.text.replace("<!doctype", "")
    for source in re.findall(r'(?:src|spec-url)="([^"]+)"', page.text):
        part = stranger.get(page.url.join(source))
        assert part.status_code == 200
        assert part.headers["Content-Type"].startswith(("text/javascript", "application/json"))
        assert part.headers["X-Content-Type-Options"] == "nosniff"
        assert len(part.content) > 10_000
