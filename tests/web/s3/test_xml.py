"""Documents that clients send: what is hostile in them is malformed, and takes neither time nor memory."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagestore.web.s3.cors import parse_rules as parse_cors
from imagestore.web.s3.errors import S3Error
from imagestore.web.s3.lifecycle import parse_rules as parse_lifecycle
from imagestore.web.s3.tagging import parse_tags
from imagestore.web.s3.xml import LARGEST, MOST_BYTES, MOST_NODES, MOST_PREFIXES, parse, render, text_of

pytestmark = pytest.mark.quick

PADDING = b"a" * 16_500


def code_of(body: bytes) -> str:
    with pytest.raises(S3Error) as raised:
        parse(body, "Root")
    assert raised.value.status == 400
    return raised.value.code


def filled(piece: bytes, end: bytes = b"") -> bytes:
    """A document as long as one may be."""
    room = MOST_BYTES - len(b"<Root></Root>")
    return (
        b"<Root>"
        + piece * (room // (len(piece) + len(end)))
        + end * (room // (len(piece) + len(end)))
        + b"</Root>"
    )


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<",
        b"<Root>",
        b"<Other/>",
        b"text",
        b"\xff\xfe<Root/>",
        b'<?xml version="1.0" encoding="utf-7"?><Root/>',
        b'<?xml version="1.0" encoding="nothing"?><Root/>',
        b"<Root>&nothing;</Root>",
        b"<Root>\x00</Root>",
        b"<Root/><Root/>",
        b'<!DOCTYPE Root [<!ENTITY a "b">]><Root>&a;</Root>',
        b'<!DOCTYPE Root SYSTEM "file:///etc/passwd"><Root/>',
        b'<!DOCTYPE Root [<!ENTITY % a SYSTEM "http://127.0.0.1/">%a;]><Root/>',
        filled(b"<a>", b"</a>"),
        filled(b"<a/>"),
        b"<Root " + b"".join(b'a%d=""' % number for number in range(10_000)) + b"/>",
        b"<" + PADDING + b"/>",
    ],
    ids=range(18),
)
def test_what_is_no_document_or_a_hostile_one_is_malformed(body: bytes) -> None:
    tracemalloc.start()
    try:
        assert code_of(body) == "MalformedXML"
        assert tracemalloc.get_traced_memory()[1] < 48 * 1024 * 1024
    finally:
        tracemalloc.stop()


def test_long_texts_and_namespaces_are_nothing_special() -> None:
    body = b'<s3:Root xmlns:s3="urn:x"><s3:A>' + PADDING + b"</s3:A></s3:Root>"
    assert text_of(parse(body, "Root"), "A") == PADDING.decode()
    assert text_of(parse(render("Root", [("A", "<&>é")]), "Root"), "A") == "<&>é"


def test_a_document_has_so_many_nodes_and_prefixes() -> None:
    def nodes(count: int) -> bytes:
        return b"<Root>" + b"<a/>" * (count - 1) + b"</Root>"

    def prefixes(count: int) -> bytes:
        return b"<Root>%s</Root>" % b"".join(b'<n%d:a xmlns:n%d="u"/>' % (n, n) for n in range(count))

    parse(nodes(MOST_NODES), "Root")
    assert code_of(nodes(MOST_NODES + 1)) == "MalformedXML"
    parse(nodes(MOST_NODES + 1), "Root", most=LARGEST)
    parse(prefixes(MOST_PREFIXES), "Root")
    parse(b"<Root>%s</Root>" % (b'<a xmlns="u"/>' * (MOST_PREFIXES + 1)), "Root")
    assert code_of(prefixes(MOST_PREFIXES + 1)) == "MalformedXML"


DOCUMENTS: list[tuple[Callable[[bytes], object], bytes]] = [
    (
        parse_cors,
        (
            b"<CORSConfiguration><CORSRule><AllowedMethod>GET</AllowedMethod><AllowedOrigin>*</AllowedOrigin>"
            b"<MaxAgeSeconds>5</MaxAgeSeconds><ExposeHeader>ETag</ExposeHeader></CORSRule></CORSConfiguration>"
        ),
    ),
    (
        parse_lifecycle,
        (
            b"<LifecycleConfiguration><Rule><ID>a</ID><Filter><And><Prefix>a</Prefix><Tag><Key>a</Key><Value>b"
            b"</Value></Tag></And></Filter><Status>Enabled</Status><Expiration><Date>2030-01-01</Date></Expiration>"
            b"<NoncurrentVersionExpiration><NoncurrentDays>1</NoncurrentDays></NoncurrentVersionExpiration></Rule>"
            b"</LifecycleConfiguration>"
        ),
    ),
    (parse_tags, b"<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>"),
]


@settings(max_examples=500, deadline=None)
@given(st.data())
def test_whatever_is_put_into_a_document_ends_in_an_error_of_aws(data: st.DataObject) -> None:
    read, whole = data.draw(st.sampled_from(DOCUMENTS))
    place = data.draw(st.integers(0, len(whole)))
    pieces = [
        b"<a/>",
        b"<Key/>",
        b"<Tag/>",
        b"-1",
        b"\xd9\xa3",
        b"9" * 30,
        b"&#0;",
        b"<![CDATA[",
        b"",
        b"</Rule>",
    ]
    noise = data.draw(st.sampled_from(pieces) | st.binary(max_size=8))
    body = whole[:place] + noise + whole[place + data.draw(st.integers(0, 60)) :]
    try:
        read(body)
    except S3Error as error:
        assert error.status == 400


@pytest.mark.parametrize(("read", "whole"), DOCUMENTS)
def test_the_documents_are_taken_as_they_are(read: Callable[[bytes], object], whole: bytes) -> None:
    assert read(whole)
