"""Cross-origin requests: a bucket's rules, the preflight, and the headers of answers."""

from __future__ import annotations

from contextlib import suppress
from xml.etree.ElementTree import Element

from flask import Response

from imagestore.core.cors import METHODS, Rule, choose, read_rules, write_rules
from imagestore.core.errors import BucketNotFound, StoreUnavailable
from imagestore.web.s3.answers import document, empty
from imagestore.web.s3.buckets import open_bucket
from imagestore.web.s3.call import Call, read_document
from imagestore.web.s3.errors import S3Error
from imagestore.web.s3.xml import Child, malformed, parse

MOST_RULES = 100
MAX_ID = 255
MOST_SECONDS = 2**31 - 1

ASKED_METHOD = "Access-Control-Request-Method"
ASKED_HEADERS = "Access-Control-Request-Headers"


def get_cors(call: Call) -> Response:
    rules = read_rules(open_bucket(call, "s3:GetBucketCORS").documents.get("cors"))
    if not rules:
        raise S3Error(
            "NoSuchCORSConfiguration", "The CORS configuration does not exist", BucketName=call.bucket
        )
    return document("CORSConfiguration", [("CORSRule", _elements(rule)) for rule in rules])


def put_cors(call: Call) -> Response:
    bucket = open_bucket(call, "s3:PutBucketCORS")
    rules = parse_rules(read_document(call))
    call.services.catalog.set_document(bucket.name, "cors", write_rules(rules))
    return empty(200)


def delete_cors(call: Call) -> Response:
    bucket = open_bucket(call, "s3:PutBucketCORS")
    call.services.catalog.set_document(bucket.name, "cors", None)
    return empty(204)


def preflight(call: Call) -> Response:
    """OPTIONS: what a browser asks before a page of another site may send its request; nobody signs it."""
    origin, method = call.headers.get("Origin"), call.headers.get(ASKED_METHOD)
    if not origin:
        raise S3Error("BadRequest", "Insufficient information. Origin request header needed.")
    if method not in METHODS:
        raise S3Error("BadRequest", f"Invalid Access-Control-Request-Method: {(method or 'null')[:40]}")
    rules = read_rules(call.services.catalog.bucket(call.bucket).documents.get("cors"))
    if not rules:
        raise _forbidden(call, method, "CORS is not enabled for this bucket.")
    asked = _asked_headers(call)
    rule = choose(rules, origin, method, asked)
    if rule is None:
        raise _forbidden(
            call,
            method,
            "This CORS request is not allowed. This is usually because the evalution of Origin, request"
            " method / Access-Control-Request-Method or Access-Control-Request-Headers are not whitelisted by"
            " the resource's CORS spec.",
        )
    response = empty(200)
    _describe(response, rule, origin)
    if asked:
        response.headers["Access-Control-Allow-Headers"] = ", ".join(name.lower() for name in asked)
    return response


def add_headers(call: Call, response: Response) -> None:
    """Let a page of another site see the answer to what it sent, if the bucket's rules do."""
    origin = call.headers.get("Origin")
    if not origin or call.method == "OPTIONS" or not call.bucket:
        return
    with suppress(BucketNotFound, StoreUnavailable):  # the answer says so already
        rules = read_rules(call.services.catalog.bucket(call.bucket).documents.get("cors"))
        rule = choose(rules, origin, call.headers.get(ASKED_METHOD) or call.method)
        if rule is not None:
            _describe(response, rule, origin)


def _describe(response: Response, rule: Rule, origin: str) -> None:
    allowed = rule.origin_for(origin) or ""
    headers = response.headers
    headers["Access-Control-Allow-Origin"] = allowed
    headers["Access-Control-Allow-Methods"] = ", ".join(rule.methods)
    if allowed != "*":
        headers["Access-Control-Allow-Credentials"] = "true"
    if rule.exposed:
        headers["Access-Control-Expose-Headers"] = ", ".join(rule.exposed)
    if rule.max_age is not None:
        headers["Access-Control-Max-Age"] = str(rule.max_age)
    for name in ("Origin", ASKED_HEADERS, ASKED_METHOD):
        response.vary.add(name)


def _asked_headers(call: Call) -> list[str]:
    said = ",".join(call.headers.getlist(ASKED_HEADERS))
    return [name.strip() for name in said.split(",") if name.strip()]


def _forbidden(call: Call, method: str, why: str) -> S3Error:
    resource = "OBJECT" if call.key else "BUCKET"
    return S3Error("AccessForbidden", f"CORSResponse: {why}", Method=method, ResourceType=resource)


def _elements(rule: Rule) -> list[Child]:
    children: list[Child] = [] if rule.id is None else [("ID", rule.id)]
    children += [("AllowedMethod", each) for each in rule.methods]
    children += [("AllowedOrigin", each) for each in rule.origins]
    children += [("AllowedHeader", each) for each in rule.headers]
    children += [("ExposeHeader", each) for each in rule.exposed]
    return children if rule.max_age is None else [*children, ("MaxAgeSeconds", rule.max_age)]


def parse_rules(body: bytes) -> list[Rule]:
    """Raises S3Error for what AWS does not take."""
    root = parse(body, "CORSConfiguration")
    found = root.findall("CORSRule")
    if not found or len(found) != len(root):
        raise malformed()
    if len(found) > MOST_RULES:
        raise _invalid(f"The number of CORS rules should not exceed allowed limit of {MOST_RULES} rules.")
    return [_parse_rule(each) for each in found]


def _parse_rule(element: Element) -> Rule:
    rule = Rule(
        methods=_texts(element, "AllowedMethod"),
        origins=_texts(element, "AllowedOrigin"),
        headers=_texts(element, "AllowedHeader"),
        exposed=_texts(element, "ExposeHeader"),
        max_age=_max_age(element),
        id=next(iter(_texts(element, "ID")), None),
    )
    if not rule.methods or not rule.origins:
        raise malformed()
    for method in rule.methods:
        if method not in METHODS:
            raise _invalid(
                f"Found unsupported HTTP method in CORS config. Unsupported method is {method[:40]}"
            )
    for name, values in (("AllowedOrigin", rule.origins), ("AllowedHeader", rule.headers)):
        for value in values:
            if value.count("*") > 1:
                raise _invalid(f'{name} "{value[:200]}" can not have more than one wildcard.')
    for value in rule.exposed:
        if "*" in value or not value.isprintable() or not value.isascii():
            raise _invalid(
                f'ExposeHeader "{value[:200]}" contains wildcard. We currently do not support wildcard for'
                " ExposeHeader."
            )
    if rule.id is not None and len(rule.id) > MAX_ID:
        raise _invalid(f"ID length should not exceed allowed limit of {MAX_ID}")
    return rule


def _texts(element: Element, name: str) -> tuple[str, ...]:
    return tuple((each.text or "").strip() for each in element.findall(name))


def _max_age(element: Element) -> int | None:
    given = element.findtext("MaxAgeSeconds")
    if given is None:
        return None
    if not (given.isascii() and given.isdigit()) or len(given) > 10 or int(given) > MOST_SECONDS:
        raise malformed()
    return int(given)


def _invalid(message: str) -> S3Error:
    return S3Error("InvalidRequest", message)
