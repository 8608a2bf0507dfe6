"""Targets and hosts by raw sockets: what a request names is read as every proxy before us reads it."""

from __future__ import annotations

import pytest

from tests.s3.wire import Answer, send
from tests.service import Service


def ask(service: Service, target: str, host: str) -> Answer:
    return send(service, f"GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())


def test_the_query_of_an_absolute_target_is_no_path(s3_service: Service, open_bucket: str) -> None:
    host = s3_service.s3_url.partition("://")[2]
    assert ask(s3_service, f"http://{host}/{open_bucket}/k", host).body == b"open"
    for target in (f"http://{host}?a=/{open_bucket}/k", f"http://{host}/?a=/{open_bucket}/k"):
        answer = ask(s3_service, target, host)
        assert (answer.status, b"<Buckets></Buckets>" in answer.body) == (200, True)


@pytest.mark.parametrize("target", ["//{0}/k", "///{0}/k", "/%2F{0}/k", "//{0}", "///"])
def test_a_bucket_without_a_name_is_none(s3_service: Service, open_bucket: str, target: str) -> None:
    host = s3_service.s3_url.partition("://")[2]
    answer = ask(s3_service, target.format(open_bucket), host)
    assert (answer.status, answer.code) == (400, "InvalidBucketName")


def test_a_bucket_by_its_host_is_read_in_any_case(s3_service: Service, open_bucket: str) -> None:
    for host in ("{0}.localhost", "{0}.LocalHost:80", "{0}.localhost:"):
        assert ask(s3_service, "/k", host.format(open_bucket)).body == b"open"
        assert ask(s3_service, "/k", host.format(open_bucket.upper())).body == b"open"
    for host in ("{0}.localhost.", ".{0}.localhost", "{0}localhost", ".localhost"):
        assert ask(s3_service, "/k", host.format(open_bucket)).status in (400, 404)
    assert ask(s3_service, "//k", f"{open_bucket}.localhost").code == "NoSuchKey"
