"""Requests made at random, most of them signed well: no 5xx, no worker lost, no memory that stays."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.figures import Figures
from tests.s3.clients import REGION, s3_client
from tests.s3.conftest import MiB
from tests.s3.wire import Asking, send
from tests.service import Service, running_service
from tests.web.watch import spooled, workers

FEW, MANY = 250, 5000
GROWTH = 48 * MiB
"""What all workers together may have more than after the first FEW."""

BUCKETS = ["fuzz", "other", "", "a", "no-such-bucket", "Fuzz", "..", "xn--", "192.168.0.1", "v1"]
SUBRESOURCES = [
    "acl", "accelerate", "analytics", "attributes", "cors", "delete", "encryption", "inventory", "legal-hold",
    "lifecycle", "list-type", "location", "logging", "metrics", "notification", "object-lock",
    "ownershipControls", "policy", "policyStatus", "publicAccessBlock", "replication", "requestPayment",
    "restore", "retention", "select", "tagging", "torrent", "uploadId", "uploads", "versionId", "versioning",
    "versions", "website",
]  # fmt: skip
PARAMETERS = [
    "continuation-token", "delimiter", "encoding-type", "fetch-owner", "key-marker", "marker", "max-keys",
    "max-parts", "max-uploads", "part-number-marker", "partNumber", "prefix", "response-content-type",
    "start-after", "upload-id-marker", "version-id-marker", "X-Amz-Algorithm", "X-Amz-Date", "X-Amz-Expires",
    "AWSAccessKeyId", "Signature", "Expires", "x-id",
]  # fmt: skip
HEADERS = [
    "content-encoding", "content-md5", "content-type", "expect", "if-match", "if-modified-since",
    "if-none-match", "if-unmodified-since", "origin", "range", "x-amz-acl",
    "x-amz-bypass-governance-retention",
    "x-amz-checksum-algorithm", "x-amz-checksum-crc32", "x-amz-checksum-mode", "x-amz-checksum-type",
    "x-amz-copy-source", "x-amz-copy-source-if-match", "x-amz-copy-source-range",
    "x-amz-decoded-content-length", "x-amz-expected-bucket-owner", "x-amz-grant-read",
    "x-amz-if-match-last-modified-time", "x-amz-if-match-size", "x-amz-meta-a", "x-amz-metadata-directive",
    "x-amz-mp-object-size", "x-amz-object-ownership", "x-amz-sdk-checksum-algorithm",
    "x-amz-server-side-encryption", "x-amz-storage-class", "x-amz-tagging", "x-amz-tagging-directive",
    "x-amz-trailer",
]  # fmt: skip
VALUES = [
    "", "0", "1", "-1", "2", "1001", "10001", "99999999999999999999", "1e3", "٣", "null", "true", "*", "a",
    "/", "fuzz/a", "/fuzz/a?versionId=null", "bytes=0-0", "bytes=-1", "bytes=5-2",
    "bytes=0-99999999999999999999",
    '"x"', 'W/"x"', "url", "COPY", "REPLACE", "public-read", "private", "SHA256", "CRC32", "COMPOSITE",
    "AAAAAA==", "aws-chunked", "x-amz-checksum-crc32", "STANDARD", "a=b&c=d", "id=x", "https://a.example",
    "Wed, 21 Oct 2015 07:28:00 GMT", "Thu, 99 Foo 9999 99:99:99 GMT", "20260101T000000Z", "100-continue",
]  # fmt: skip
BODIES = [
    b"", b"x", b"<Delete><Object><Key>a</Key></Object></Delete>",
    b"<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>",
    b"<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>",
    b"<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>x</ETag></Part></CompleteMultipartUpload>",
    b"<CreateBucketConfiguration><LocationConstraint>mars</LocationConstraint></CreateBucketConfiguration>",
    b"<CORSConfiguration><CORSRule><AllowedMethod>GET</AllowedMethod></CORSRule></CORSConfiguration>",
    b"<AccessControlPolicy><Owner/></AccessControlPolicy>",
    b"<LifecycleConfiguration><Rule><Status>Enabled</Status></Rule></LifecycleConfiguration>",
    b'{"Version": "2012-10-17", "Statement": []}', b'<!DOCTYPE a [<!ENTITY x "y">]><Delete>&x;</Delete>',
    b"5\r\nhello\r\n0\r\n\r\n", b"--x\r\nContent-Disposition: form-data; name=\"key\"\r\n\r\na\r\n--x--\r\n",
]  # fmt: skip

odd = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
printable = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=30).map(str.strip)
values = st.sampled_from(VALUES) | odd
# As they are in a head: latin-1, and no line's end.
fields = st.sampled_from([each for each in VALUES if each.isascii()]) | printable


@st.composite
def askings(draw: st.DrawFn) -> Asking:
    bucket = draw(st.sampled_from(["fuzz"] * 12 + BUCKETS) | st.sampled_from(["fuzz", "other"]) | odd)
    key = draw(st.sampled_from(["", "", "", "a", "a", "a", "b/c", "../x", "/", "k" * 1025]) | odd)
    names = st.sampled_from(SUBRESOURCES) | st.sampled_from(PARAMETERS)
    query = draw(st.dictionaries(names, values, max_size=3))
    headers = draw(st.dictionaries(st.sampled_from(HEADERS), fields, max_size=3))
    method = draw(st.sampled_from(["GET", "HEAD", "PUT", "PUT", "POST", "DELETE", "OPTIONS", "PATCH"]))
    body = draw(st.sampled_from(BODIES) | st.binary(max_size=64)) if method in ("PUT", "POST") else b""
    payload = draw(st.sampled_from(["", "", "UNSIGNED-PAYLOAD", "STREAMING-UNSIGNED-PAYLOAD-TRAILER", "x"]))
    return Asking(method, f"/{bucket}/{key}", list(query.items()), body, headers, payload)


class Fuzzed:
    """A service, and what it has answered so far."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.seen: Counter[str] = Counter()
        self.first: int | None = None
        self._born = workers(service)

    def ask(self, asking: Asking, signed: bool) -> None:
        sent = asking.signed(self.service) if signed else asking
        answer = send(self.service, sent.bytes())
        self.seen[answer.code or str(answer.status)] += 1
        assert answer.status < 500 or answer.code == "NotImplemented" or _is_unoffered(asking, answer.status)
        if answer.status >= 400 and asking.method != "HEAD" and answer.status != 412:
            assert answer.code, answer
        if sum(self.seen.values()) == FEW:
            self.first = self.resident()

    def resident(self) -> int:
        lines = (Path(f"/proc/{pid}/status").read_text().splitlines() for pid in workers(self.service))
        return 1024 * sum(
            int(line.split()[1]) for each in lines for line in each if line.startswith("VmRSS:")
        )

    def check(self) -> None:
        assert workers(self.service) == self._born
        assert not spooled(self.service)
        log = self.service.log.read_text()
        assert "Traceback" not in log, log[log.index("Traceback") - 500 :][:3000]
        assert self.resident() - (self.first or 0) < GROWTH


def _is_unoffered(asking: Asking, status: int) -> bool:
    """A HEAD has no code in its answer."""
    return asking.method == "HEAD" and status == 501


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fuzzed]:
    folder = tmp_path_factory.mktemp("fuzz")
    with running_service(folder, s3_bind="127.0.0.1:0", workers=2, region=REGION) as running:
        s3 = s3_client(running.s3_url, running.access_key, running.secret)
        for name in BUCKETS[:2]:
            s3.create_bucket(Bucket=name)
            s3.put_object(Bucket=name, Key="a", Body=b"of the fuzz")
        s3.close()
        yield Fuzzed(running)


ANY = settings(deadline=None, database=None, suppress_health_check=list(HealthCheck))


@settings(ANY, max_examples=FEW)
@given(asking=askings(), signed=st.sampled_from([True, True, True, False]))
def test_whatever_is_asked(fuzzed: Fuzzed, asking: Asking, signed: bool) -> None:
    fuzzed.ask(asking, signed)


def test_nothing_came_of_it(fuzzed: Fuzzed, figures: Figures) -> None:
    figures(requests=sum(fuzzed.seen.values()), kinds=len(fuzzed.seen))
    assert len(fuzzed.seen) > 10, fuzzed.seen
    fuzzed.check()


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_five_thousand(fuzzed: Fuzzed, figures: Figures) -> None:
    @settings(ANY, max_examples=MANY)
    @given(asking=askings(), signed=st.sampled_from([True, True, True, False]))
    def ask(asking: Asking, signed: bool) -> None:
        fuzzed.ask(asking, signed)

    ask()
    figures(**dict(fuzzed.seen.most_common(12)))
    fuzzed.check()
