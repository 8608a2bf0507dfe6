"""Text that is no UTF-8."""

from __future__ import annotations

from collections.abc import Iterator

from tests.web.hostile.rows import FOUND_NOTHING, IMAGES, Row, ask

OCTETS = (
    "%c0%af",
    "%c1%9c",
    "%e0%80%af",
    "%f0%80%80%af",
    "%f8%80%80%80%af",
    "%fc%80%80%80%80%af",
    "%ed%a0%80",
    "%ed%bf%bf",
    "%ed%a0%bd%ed%b8%80",
    "%fe%ff",
    "%ff",
    "%80",
    "%c3",
    "%e2%82",
    "%f4%90%80%80",
)


def octets() -> Iterator[Row]:
    for text in OCTETS:
        yield Row(f"{text} as a bucket", ask(f"/v1/buckets/{text}"))
        yield Row(f"{text} as a key", ask(f"{IMAGES}/{text}"))
        yield Row(f"{text} as an upload's key", ask(f"{IMAGES}/{text}", "PUT", body=b"x"))
        yield Row(f"{text} as a prefix", ask(f"{IMAGES}?prefix={text}"))
        yield Row(f"{text} delivered", ask(f"/default/image/upload/{text}", auth=False))
        yield Row(f"{text} as a credential", ask(f"/v1/credentials/{text}", "DELETE"))
    for text in ("%", "%z", "%zz", "%0", "%u002e", "%%32e", "a%"):
        yield Row(f"the escape {text}", ask(f"/default/image/upload/{text}", auth=False), FOUND_NOTHING)
    for octet in (b"\xff", b"\xc0\xaf", b"\xe9", b"\xed\xa0\x80"):
        yield Row(f"raw {octet!r}", ask(b"/default/image/upload/" + octet, auth=False))
