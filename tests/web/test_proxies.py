"""A service behind a proxy: whose word about clients it takes, and which hosts it answers for."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests import pictures
from tests.rules.tables import make_app
from tests.service import Service, running_service
from tests.web.answers import check_error

SAID = {
    "X-Forwarded-For": "203.0.113.9, 192.0.2.1",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Host": "img.example.com",
}

CLIENT = httpx.Client(timeout=60, trust_env=False)


@pytest.fixture(scope="module")
def behind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service that believes this machine, and answers for some names."""
    settings = {
        "trusted_proxies": "127.0.0.1",
        "allowed_hosts": "img.example.com,127.0.0.1",
        "log_format": "json",
    }
    with running_service(tmp_path_factory.mktemp("behind"), **settings) as running:
        yield running


def ask(service: Service, method: str, path: str, **given: Any) -> httpx.Response:
    return CLIENT.request(method, service.url + path, auth=(service.access_key, service.secret), **given)


def urls_of(service: Service, headers: dict[str, str]) -> list[str]:
    """Every URL in the answers to an upload and to a signature, all from the same headers."""
    picture = pictures.jpeg()
    put = ask(service, "PUT", "/v1/buckets/default/images/a.jpg", headers=headers, content=picture)
    assert put.status_code == 201, put.text
    signed = ask(
        service, "POST", "/v1/buckets/default/signed-urls", headers=headers, json={"key": "a.jpg"}
    ).json()
    return [put.headers["Location"], put.json()["url"], put.json()["version_url"], signed["url"]]


def test_a_trusted_proxy_says_what_urls_begin_with(behind: Service) -> None:
    for url in urls_of(behind, SAID):
        assert url.startswith("https://img.example.com/default/image/upload/")
    for url in urls_of(behind, {}):
        assert url.startswith(f"{behind.url}/default/image/upload/")


def test_a_stranger_does_not(service: Service) -> None:
    for url in urls_of(
        service, {**SAID, "Forwarded": "host=evil.example", "X-Original-Host": "evil.example"}
    ):
        assert url.startswith(f"{service.url}/default/image/upload/")


def test_the_host_in_urls_may_have_an_underscore(service: Service) -> None:
    for url in urls_of(service, {"Host": "image_store:8000"}):
        assert url.startswith("http://image_store:8000/default/image/upload/")


@pytest.mark.parametrize(
    ("said", "address"),
    [
        ("203.0.113.9, 192.0.2.1", "192.0.2.1"),
        ("2001:db8::1", "2001:db8::1"),
        ("192.0.2.1\tevil=1", "127.0.0.1"),
        ("", "127.0.0.1"),
    ],
)
def test_the_audit_has_the_address_of_the_client(behind: Service, said: str, address: str) -> None:
    headers = {"X-Forwarded-For": said, "X-Request-Id": secrets.token_hex(8)}
    ask(behind, "DELETE", "/v1/buckets/default/images/none", headers=headers)
    found = [json.loads(line) for line in behind.log.read_text().splitlines()]
    [line] = [line for line in found if line.get("request_id") == headers["X-Request-Id"]]
    assert (line["logger"], line["address"]) == ("imagestore.audit", address)


def writes() -> list[tuple[str, str, str]]:
    """Every route that changes something: method, path to what is not there, the view's name."""
    found = []
    for rule in make_app().url_map.iter_rules():
        path = re.sub(r"<int:\w+>", "1", rule.rule)
        path = re.sub(r"<(?:\w+:)?\w+>", "no-such-thing", path)
        for method in sorted((rule.methods or set()) - {"GET", "HEAD", "OPTIONS"}):
            found.append((method, path, rule.endpoint.rpartition(".")[2]))
    return found


@pytest.mark.parametrize("who", ["admin", "stranger", "impostor"])
def test_every_write_is_audited_once_done_or_refused(behind: Service, who: str) -> None:
    auth = {
        "admin": (behind.access_key, behind.secret),
        "stranger": None,
        "impostor": (behind.access_key, "wrong"),
    }[who]
    expected = {}
    assert len(writes()) > 10
    with httpx.Client(base_url=behind.url, auth=auth, trust_env=False) as client:
        for method, path, view in writes():
            for body in ({"json": {"name": f"audit-{who}"}}, {"content": b"\x00"}):
                address = f"2001:db8:0:{len(expected) + 1:x}::1"  # each of a network of its own
                headers = {"X-Request-Id": secrets.token_hex(8), "X-Forwarded-For": address}
                answer = client.request(method, path, headers=headers, **body)
                code = answer.json()["error"]["code"] if answer.is_error else "ok"
                line = {"message": view, "address": address, "status": answer.status_code, "outcome": code}
                if who == "admin":
                    line["who"] = behind.access_key
                expected[headers["X-Request-Id"]] = line
    found = [json.loads(line) for line in behind.log.read_text().splitlines()]
    audited = [line for line in found if line["logger"] == "imagestore.audit"]
    for request_id, line in expected.items():
        [said] = [each for each in audited if each.get("request_id") == request_id]
        assert {name: said[name] for name in (*line, "who") if name in said} == line
    outcomes = {line["outcome"] for line in expected.values()}
    if who == "admin":
        assert outcomes > {"ok", "invalid_parameter", "bucket_not_found"}
    else:
        assert outcomes == {"unauthenticated"}


@pytest.mark.parametrize("host", ["evil.example", "img.example.com.evil.example", "localhost", "[::1]:80"])
@pytest.mark.parametrize("header", ["Host", "X-Forwarded-Host"])
@pytest.mark.parametrize("path", ["/v1/buckets", "/default/image/upload/a.jpg", "/v1/docs", "/nope"])
def test_another_host_is_refused_whoever_names_it(behind: Service, path: str, header: str, host: str) -> None:
    answer = ask(behind, "GET", path, headers={header: host})
    check_error(answer, 421, "misdirected_request")
    assert host not in answer.text + str(answer.headers)


def test_probes_may_ask_by_any_name(behind: Service) -> None:
    for path in ("/healthz", "/readyz", "/metrics"):
        assert ask(behind, "GET", path, headers={"Host": "10.1.2.3:8000"}).status_code == 200
