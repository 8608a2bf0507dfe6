"""Forms posted to a bucket by browsers: a PUT whose headers are the fields, if the policy lets it."""

from __future__ import annotations

import re
from dataclasses import replace
from urllib.parse import quote, urlencode, urlsplit

from flask import Response
from werkzeug.datastructures import Headers

from imagestore.access.postpolicy import check_claim, check_policy, read_claim, read_policy
from imagestore.access.signed import Refusal
from imagestore.core.image import Version
from imagestore.core.telemetry import Timings
from imagestore.library.objects import Put
from imagestore.web.s3.answers import empty
from imagestore.web.s3.buckets import open_bucket
from imagestore.web.s3.call import Call
from imagestore.web.s3.errors import S3Error
from imagestore.web.s3.formdata import Form, read_form
from imagestore.web.s3.identity import admit, principal_of, refuse
from imagestore.web.s3.payload import CHECKSUM, checks_of
from imagestore.web.s3.puts import META, check_key, read_attributes, refuse_unoffered, written_headers
from imagestore.web.s3.tagging import HEADER as TAGGING
from imagestore.web.s3.tagging import parse_tags
from imagestore.web.s3.xml import render_plain

FILENAME = "${filename}"
RENAMED = {"acl": "x-amz-acl"}
SAME = frozenset(
    {
        "cache-control", "content-disposition", "content-encoding", "content-language", "content-md5",
        "content-type", "expires", "x-amz-object-lock-mode", "x-amz-storage-class",
        "x-amz-server-side-encryption", "x-amz-website-redirect-location",
    }
)  # fmt: skip
"""Fields that are headers of the PUT, beside metadata, grants and checksums."""
PREFIXES = (META, CHECKSUM, "x-amz-grant-", "x-amz-server-side-encryption-")

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9a-z-]+")


def post_object(call: Call) -> Response:
    form = read_form(call.stream, call.headers.get("content-type", ""))
    key = _key(form)
    _authenticate(call, form, key)
    put_call = replace(call, key=key, headers=_headers(form))
    check_key(key)
    refuse_unoffered(put_call)
    bucket = open_bucket(put_call, "s3:PutObject")
    attributes = read_attributes(put_call, bucket)
    put = Put(
        bucket.name,
        key,
        form.file,
        attributes=attributes,
        checks=checks_of(put_call.headers, _Posted(form)),
        timings=Timings(call.services.tracer),
    )
    version = call.services.objects.put(put).version
    return _answer(call, form, version, written_headers(bucket, version))


class _Posted:
    """The file of a form as a payload: it has neither a size that was announced nor trailers."""

    size: int | None = None

    def __init__(self, form: Form) -> None:
        self.trailers: dict[str, str] = {}
        self.read = form.file.read


def _key(form: Form) -> str:
    """The key, with the name of the file put in where it is asked for."""
    given = form.fields.get("key", "")
    if not given:
        raise S3Error(
            "InvalidArgument",
            "Bucket POST must contain a field named 'key'.  If it is specified, please check the order of the"
            " fields.",
            ArgumentName="key",
            ArgumentValue="",
        )
    return given.replace(FILENAME, re.split(r"[/\\]", form.filename)[-1])


def _authenticate(call: Call, form: Form, key: str) -> None:
    """Who signed the form's policy, and whether the form is within it. Raises S3Error."""
    try:
        claim = read_claim(form.fields)
        if claim is None:
            return
        who = principal_of(call, claim.access_key)
        secret = call.services.keyring.secret_of(claim.access_key)
        check_claim(claim, secret, region=call.services.settings.region)
        admit(call, who)
        policy = read_policy(claim.policy)
        check_policy(policy, form.fields | {"bucket": call.bucket, "key": key}, call.met)
    except Refusal as refusal:
        raise refuse(refusal) from None
    form.file.least, form.file.most = policy.least, policy.most


def _headers(form: Form) -> Headers:
    """What a PUT would say in its headers, where text that is not ASCII goes as bytes of UTF-8."""
    headers = Headers()
    for field, value in form.fields.items():
        name = RENAMED.get(field, field)
        if name not in SAME and name != "x-amz-acl" and not name.startswith(PREFIXES):
            continue
        if not _TOKEN.fullmatch(name) or not value.isprintable():
            raise S3Error(
                "InvalidArgument", f"The field {field[:80]!r} cannot be a header.", ArgumentName=field
            )
        headers.add(name, value.encode().decode("latin-1"))
    if form.fields.get("tagging"):
        headers.add(TAGGING, urlencode(parse_tags(form.fields["tagging"].encode())))
    return headers


def _answer(call: Call, form: Form, version: Version, headers: dict[str, str]) -> Response:
    """Where the form wants to go, or the status that it wants."""
    told = [("bucket", version.bucket), ("key", version.key), ("etag", headers["ETag"])]
    target = form.fields.get("success_action_redirect") or form.fields.get("redirect") or ""
    if _is_url(target):
        joint = "&" if urlsplit(target).query else "?"
        return empty(303, headers, Location=f"{target}{joint}{urlencode(told)}")
    location = f"{call.request.scheme}://{call.headers.get('host', '')}/{_path(call, version)}"
    status = form.fields.get("success_action_status")
    if status != "201":
        return empty(200 if status == "200" else 204, headers, Location=location)
    children = [("Location", location), ("Bucket", version.bucket), ("Key", version.key)]
    body = render_plain("PostResponse", [*children, ("ETag", headers["ETag"])])
    response = Response(body, 201, content_type="application/xml")
    response.headers.update(headers | {"Location": location})
    return response


def _path(call: Call, version: Version) -> str:
    key = quote(version.key, safe="/-_.~")
    return key if call.host_bucket else f"{version.bucket}/{key}"


def _is_url(text: str) -> bool:
    """Whether a browser can be sent there; what is no URL counts as not given, as AWS has it."""
    if not text.isascii() or not text.isprintable() or " " in text:
        return False
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.netloc)
