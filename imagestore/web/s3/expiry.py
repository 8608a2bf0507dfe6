"""What answers tell of lifecycle rules: when an object ends by them, or an upload in parts is given up."""

from __future__ import annotations

from urllib.parse import quote

from werkzeug.http import http_date

from imagestore.core.image import Bucket, Version
from imagestore.core.lifecycle import Rule, expiry_of, read_rules, upload_end
from imagestore.core.multipart import Open

KIND = "lifecycle"
"""Of a bucket's documents."""


def rules_of(bucket: Bucket) -> tuple[Rule, ...]:
    return read_rules(bucket.documents.get(KIND))


def expiration_headers(bucket: Bucket, version: Version) -> dict[str, str]:
    """When the newest version of a key ends, and by which rule."""
    found = expiry_of(rules_of(bucket), version)
    if found is None:
        return {}
    end, rule = found
    return {"x-amz-expiration": f'expiry-date="{http_date(end)}", rule-id="{quote(rule.id)}"'}


def abort_headers(bucket: Bucket, upload: Open) -> dict[str, str]:
    """When an upload in parts is given up, and by which rule."""
    found = upload_end(rules_of(bucket), upload.key, upload.begun)
    if found is None:
        return {}
    return {"x-amz-abort-date": http_date(found[0]), "x-amz-abort-rule-id": quote(found[1].id)}
