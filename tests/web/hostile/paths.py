"""Paths that lead elsewhere."""

from __future__ import annotations

from collections.abc import Iterator

from tests.web.hostile.rows import FOUND_NOTHING, IMAGES, Row, ask, send_json

PATHS = (
    "../../../../etc/passwd",
    "..%2f..%2f..%2fetc%2fpasswd",
    "%2e%2e/%2e%2e/etc/passwd",
    "%2e%2e%2f%2e%2e%2fetc%2fpasswd",
    "..%252f..%252fetc%252fpasswd",
    "%252e%252e%252f%252e%252e%252fetc",
    "..%c0%af..%c0%afetc/passwd",
    "%c0%ae%c0%ae/%c0%ae%c0%ae/etc/passwd",
    "..%5c..%5cwindows%5cwin.ini",
    "....//....//etc/passwd",
    "..;/..;/etc/passwd",
    "%2fetc%2fpasswd",
    "//etc/passwd",
    "file:%2f%2f%2fetc/passwd",
    "a/../../etc/passwd",
    "a/./b",
    ".%00./etc/passwd",
    "there.jpg%00.png",
    "..",
    "%2e",
)


def traversals() -> Iterator[Row]:
    for path in PATHS:
        yield Row(f"image at {path}", ask(f"{IMAGES}/{path}"), FOUND_NOTHING, absent=b"root:")
        yield Row(f"upload to {path}", ask(f"{IMAGES}/{path}", "PUT", body=b"no picture"))
        yield Row(f"delivery of {path}", ask(f"/default/image/upload/{path}", auth=False), FOUND_NOTHING)
        yield Row(f"page at {path}", ask(f"/v1/docs/{path}", auth=False), FOUND_NOTHING, absent=b"root:")
        yield Row(f"bucket {path}", ask(f"/v1/buckets/{path}", "DELETE"), FOUND_NOTHING)
        yield Row(f"file at {path}", ask(f"/{path}", auth=False), FOUND_NOTHING, absent=b"root:")
        yield Row(f"a bucket named {path}", send_json("/v1/buckets", {"name": path}))
    for target in (
        "/.git/config",
        "/.env",
        "/server-status",
        "/actuator/env",
        "/wp-login.php",
        "/console",
        "/static/x",
    ):
        yield Row(f"file {target}", ask(target, auth=False), FOUND_NOTHING)
    for private in (
        "/closed/image/upload//there.jpg",
        "/closed/image/upload/./there.jpg",
        "/./closed/image/upload/there.jpg",
        "/default/../closed/image/upload/there.jpg",
        "/closed%2fimage%2fupload%2fthere.jpg",
        "//closed/image/upload/there.jpg",
        "/CLOSED/image/upload/there.jpg",
        "/closed/IMAGE/upload/there.jpg",
        "/closed/image/upload/there.jpg/",
    ):
        yield Row(f"private by {private}", ask(private, auth=False), FOUND_NOTHING)
