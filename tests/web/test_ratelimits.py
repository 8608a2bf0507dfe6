"""Rate limits over HTTP: of addresses, credentials, writes and wrong secrets; and none without Redis.

The service believes this machine about its clients, so that each test comes from addresses of its own.
"""

from __future__ import annotations

import itertools
import os
import signal
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from imagestore.embedded import start_redis
from tests import pictures
from tests.service import PATIENT_REDIS, Service, running_service
from tests.web.answers import check_error, code_of

LIMITS = {
    "rate_limit_address": "20/hour",
    "rate_limit_credential": "12/hour",
    "rate_limit_writes": "8/hour",
    "rate_limit_failures": "5/hour",
    "trusted_proxies": "127.0.0.1",
    "redis_timeout": PATIENT_REDIS,
}
HOSTS = itertools.count(1)
CLIENT = httpx.Client(timeout=60, trust_env=False, limits=httpx.Limits(max_keepalive_connections=0))
"""Each request has a connection of its own, so both workers are asked."""


@pytest.fixture(scope="module")
def limited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with running_service(tmp_path_factory.mktemp("limited"), **LIMITS) as running:
        yield running


@pytest.fixture
def address() -> str:
    """A client's address that no other test has."""
    return f"192.0.2.{next(HOSTS)}"


def ask(service: Service, path: str, address: str, auth=None, method: str = "GET", **given) -> httpx.Response:
    headers = {"X-Forwarded-For": address} | given.pop("headers", {})
    url = service.url + path
    return CLIENT.request(method, url, auth=auth, headers=headers, **given)


def check_limited(answer: httpx.Response) -> None:
    check_error(answer, 429, "rate_limited")
    assert 1 <= int(answer.headers["Retry-After"]) <= 3600
    assert answer.headers["Cache-Control"] == "private, no-store"
    assert f"{answer.headers['Retry-After']} seconds" in answer.json()["error"]["message"]


def credential(service: Service, *scopes: str) -> tuple[str, str]:
    made = ask(
        service,
        "/v1/credentials",
        f"198.51.100.{next(HOSTS)}",
        (service.access_key, service.secret),
        "POST",
        json={"scopes": list(scopes)},
    )
    assert made.status_code == 201, made.text
    return made.json()["access_key"], made.json()["secret"]


def test_an_address_comes_so_often_and_another_is_not_touched(limited: Service, address: str) -> None:
    paths = ["/default/image/upload/none", "/v1/docs", "/nope", "/v1/buckets"] * 5
    statuses = Counter(ask(limited, path, address).status_code for path in paths)
    assert statuses == {404: 10, 200: 5, 401: 5}
    for path in ("/default/image/upload/none", "/v1/docs", "/nope", "/v1/buckets", "/metrics"):
        check_limited(ask(limited, path, address))
    assert ask(limited, "/nope", f"198.51.100.{next(HOSTS)}").status_code == 404
    spoofed = {"X-Forwarded-For": f"203.0.113.1, {address}"}
    check_limited(ask(limited, "/nope", address, headers=spoofed))


def test_a_network_of_ipv6_is_one_client(limited: Service) -> None:
    for number in range(20):
        assert ask(limited, "/nope", f"2001:db8::{number:x}").status_code == 404
    check_limited(ask(limited, "/nope", "2001:db8::ffff:1"))
    assert ask(limited, "/nope", "2001:db8:0:1::1").status_code == 404


def test_probes_are_never_limited(limited: Service, address: str) -> None:
    for _ in range(30):
        assert ask(limited, "/healthz", address).status_code == 200
        assert ask(limited, "/readyz", address).status_code == 200
    assert ask(limited, "/nope", address).status_code == 404


def test_a_credential_comes_so_often_from_wherever(limited: Service) -> None:
    auth = credential(limited, "read")
    for _ in range(12):
        assert ask(limited, "/v1/buckets", f"198.51.100.{next(HOSTS)}", auth).status_code == 200
    check_limited(ask(limited, "/v1/buckets", f"198.51.100.{next(HOSTS)}", auth))
    other = credential(limited, "read")
    assert ask(limited, "/v1/buckets", f"198.51.100.{next(HOSTS)}", other).status_code == 200


def test_writes_are_fewer_than_reads(limited: Service, address: str) -> None:
    auth = credential(limited, "write", "read")
    path = "/v1/buckets/default/images/a.jpg"
    body = pictures.jpeg()
    for _ in range(8):
        assert ask(limited, path, address, auth, "PUT", content=body).status_code == 201
    check_limited(ask(limited, path, address, auth, "PUT", content=body))
    check_limited(ask(limited, path, address, auth, "DELETE"))
    assert ask(limited, path, address, auth).status_code == 200


def test_wrong_secrets_shut_out_that_key_from_that_address(limited: Service, address: str) -> None:
    key, secret = credential(limited, "read")
    other = credential(limited, "read")
    answers = [ask(limited, "/v1/buckets", address, (key, f"wrong {number}")) for number in range(12)]
    statuses = [answer.status_code for answer in answers]
    assert statuses == [401] * 5 + [429] * 7
    check_limited(answers[-1])
    with httpx.Client(headers={"X-Forwarded-For": address}, trust_env=False) as client:  # one worker's
        assert client.get(f"{limited.url}/v1/buckets", auth=(key, "wrong")).status_code == 429
        right = client.get(f"{limited.url}/v1/buckets", auth=(key, secret))
    check_limited(right)
    assert ask(limited, "/v1/buckets", f"198.51.100.{next(HOSTS)}", (key, secret)).status_code == 200
    assert ask(limited, "/v1/buckets", f"198.51.100.{next(HOSTS)}", other).status_code == 200


def test_a_key_that_nobody_has_is_shut_out_all_the_same(limited: Service, address: str) -> None:
    answers = [ask(limited, "/v1/buckets", address, ("NOBODY", "wrong")) for _ in range(8)]
    assert [answer.status_code for answer in answers] == [401] * 5 + [429] * 3


def test_what_was_refused_is_counted_and_audited(limited: Service, address: str) -> None:
    for _ in range(21):
        answer = ask(limited, "/v1/buckets", address, method="POST", json={})
    check_limited(answer)
    admin = (limited.access_key, limited.secret)
    text = ask(limited, "/metrics", f"198.51.100.{next(HOSTS)}", admin).text
    limits = ("address", "credential", "writes", "failures")
    for limit in limits:
        [line] = [each for each in text.splitlines() if f'rate_limited_total{{limit="{limit}"}}' in each]
        assert float(line.rpartition(" ")[2]) >= 1
    assert 'imagestore_http_errors_total{code="rate_limited"}' in text
    assert f'outcome="rate_limited" status=429 address="{address}"' in limited.log.read_text()


def test_without_redis_everybody_comes_in_and_soon(tmp_path: Path, mongo, mongo_database: str) -> None:
    with start_redis(tmp_path / "redis") as redis:
        settings = {"mongo_url": mongo.url, "mongo_database": mongo_database, "redis_url": redis.url}
        with running_service(tmp_path, **{**LIMITS, **settings, "redis_timeout": 1}) as service:
            for _ in range(21):
                before = ask(service, "/nope", "192.0.2.1")
            check_limited(before)
            os.kill(redis.pid, signal.SIGSTOP)
            try:
                began = time.monotonic()
                hung = {ask(service, "/nope", "192.0.2.2").status_code for _ in range(100)}
                print(f"100 requests while Redis hung: {time.monotonic() - began:.2f} s")
            finally:
                os.kill(redis.pid, signal.SIGCONT)
            assert hung == {404}
            os.kill(redis.pid, signal.SIGKILL)
            killed = [ask(service, "/v1/buckets", "192.0.2.3", ("NOBODY", "x")) for _ in range(20)]
            assert {code_of(answer) for answer in killed} == {"unauthenticated"}
