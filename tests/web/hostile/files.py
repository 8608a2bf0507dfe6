"""Files that are no pictures, and addresses instead of files."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote

from tests.web.hostile.rows import IMAGES, Row, ask, send_json

FILES: dict[str, bytes] = {
    "a script": b"#!/bin/sh\nrm -rf /\n",
    "an ELF": b"\x7fELF\x02\x01\x01" + bytes(100),
    "an EXE": b"MZ\x90\x00" + bytes(100),
    "a ZIP": b"PK\x03\x04" + bytes(100),
    "a gzip bomb": b"\x1f\x8b\x08\x00" + bytes(2000),
    "an XML bomb": b'<?xml version="1.0"?><!DOCTYPE l [<!ENTITY b "&a;&a;&a;&a;">]><svg>&b;</svg>',
    "an SVG that fetches": b'<svg xmlns="http://www.w3.org/2000/svg"><image href="http://evil.example/"/></svg>',
    "an MVG": b"push graphic-context\nfill 'url(https://evil.example/\"|ls \"-la)'\npop graphic-context",
    "an EPS": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 1 1\n(ls) system\n",
    "a PHP file with the head of a GIF": b"GIF89a<?php system($_GET['c']); ?>",
    "a script with the head of a GIF": b"GIF89a/*" + bytes(20) + b"*/=1;alert(1)",
    "a page with the head of a JPEG": b"\xff\xd8\xff\xe0<script>alert(1)</script>",
    "a page with the head of a BMP": b"BM<script>alert(1)</script>" + bytes(60),
    "a PNG of 4 billion pixels": b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"
    + b"\xff" * 8
    + b"\x08\x06\x00\x00\x00",
    "a WebP without end": b"RIFF\xff\xff\xff\xffWEBPVP8 \xff\xff\xff\xff" + bytes(50),
    "a TIFF with its directory far away": b"II*\x00\xff\xff\xff\xff" + bytes(50),
    "an AVIF of boxes in boxes": b"\x00\x00\x00\x1cftypavif" + bytes(16) + b"\x00\x00\x00\x08meta" * 500,
    "a JPEG 2000": b"\x00\x00\x00\x0cjP  \r\n\x87\n" + bytes(50),
    "a PSD": b"8BPS\x00\x01" + bytes(50),
    "an icon": b"\x00\x00\x01\x00\x01\x00" + bytes(50),
    "a HEIC": b"\x00\x00\x00\x18ftypheic" + bytes(50),
    "a video": b"\x00\x00\x00\x18ftypmp42" + bytes(50),
}


def files() -> Iterator[Row]:
    for name, data in FILES.items():
        for kind in ("image/png", "text/html"):
            request = ask(f"{IMAGES}/{quote(name)}", "PUT", f"Content-Type: {kind}", body=data)
            yield Row(f"{name} as {kind}", request, frozenset({415, 422}), absent=b"<script>")
        gzipped = ask(f"{IMAGES}/{quote(name)}", "PUT", "Content-Encoding: gzip", body=data)
        yield Row(f"{name}, said to be packed", gzipped, frozenset({415, 422}))
        part = f'--B\r\nContent-Disposition: form-data; name="file"; filename="../../{name}"\r\n\r\n'.encode()
        form = ask(
            IMAGES,
            "POST",
            "Content-Type: multipart/form-data; boundary=B",
            body=part + data + b"\r\n--B--\r\n",
        )
        yield Row(f"{name} in a form", form, frozenset({400, 415, 422}))
    for url in (
        "http://169.254.169.254/latest/meta-data/",
        "file:///etc/passwd",
        "gopher://127.0.0.1:6379/_FLUSHALL",
    ):
        yield Row(f"a remote file {url}", send_json(IMAGES, {"url": url}), frozenset({415}))
        fetched = ask(f"{IMAGES}?url={quote(url)}", "POST", body=b"x")
        yield Row(f"a remote file {url} in the query", fetched, frozenset({400}))
