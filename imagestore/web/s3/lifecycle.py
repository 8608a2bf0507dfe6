"""Lifecycle rules of a bucket: put, shown and deleted, read as strictly as AWS reads them."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable
from datetime import UTC, datetime
from xml.etree.ElementTree import Element

from flask import Response

from imagestore.core.lifecycle import Filter, Rule, write_rules
from imagestore.web.s3.answers import document, empty
from imagestore.web.s3.buckets import open_bucket
from imagestore.web.s3.call import Call, read_document
from imagestore.web.s3.errors import S3Error
from imagestore.web.s3.expiry import KIND, rules_of
from imagestore.web.s3.tagging import check_tags
from imagestore.web.s3.xml import LARGEST, Child, malformed, parse, stamp, text_of

MOST_RULES = 1000
MAX_ID = 255
MOST_NEWER = 100
MOST_DAYS = 2**31 - 1

_DATE = re.compile(r"\d{4}-\d\d-\d\d(T\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)?)?", re.ASCII)
_NUMBER = re.compile(r"-?[0-9]{1,18}", re.ASCII)


def get_lifecycle(call: Call) -> Response:
    rules = rules_of(open_bucket(call, "s3:GetLifecycleConfiguration"))
    if not rules:
        raise S3Error(
            "NoSuchLifecycleConfiguration",
            "The lifecycle configuration does not exist",
            BucketName=call.bucket,
        )
    return document("LifecycleConfiguration", [("Rule", list(_elements(rule))) for rule in rules])


def put_lifecycle(call: Call) -> Response:
    bucket = open_bucket(call, "s3:PutLifecycleConfiguration")
    rules = parse_rules(read_document(call))
    call.services.catalog.set_document(bucket.name, KIND, write_rules(rules))
    return empty(200)


def delete_lifecycle(call: Call) -> Response:
    bucket = open_bucket(call, "s3:PutLifecycleConfiguration")
    call.services.catalog.set_document(bucket.name, KIND, None)
    return empty(204)


def parse_rules(body: bytes) -> list[Rule]:
    """Raises S3Error for what AWS does not take."""
    root = parse(body, "LifecycleConfiguration", most=LARGEST)
    elements = root.findall("Rule")
    if not 1 <= len(elements) <= MOST_RULES or len(elements) != len(root):
        raise malformed()
    rules = [_parse_rule(each) for each in elements]
    if len({rule.id for rule in rules}) != len(rules):
        raise _argument("Rule ID must be unique. Found same ID for one or more rules")
    return rules


def _parse_rule(element: Element) -> Rule:
    if any(element.find(name) is not None for name in _TRANSITIONS):
        raise _refuse_transitions(element)
    status = text_of(element, "Status")
    if status not in ("Enabled", "Disabled"):
        raise malformed()
    name = text_of(element, "ID", "") or secrets.token_hex(24)
    if len(name) > MAX_ID:
        raise _argument(f"ID length should not exceed allowed limit of {MAX_ID}")
    wanted, plain = _parse_filter(element)
    days, date, markers = _parse_expiration(element.find("Expiration"))
    noncurrent, newer = _parse_noncurrent(element.find("NoncurrentVersionExpiration"))
    upload = element.find("AbortIncompleteMultipartUpload")
    rule = Rule(
        id=name,
        enabled=status == "Enabled",
        filter=wanted,
        plain=plain,
        days=days,
        date=date,
        markers=markers is True,
        noncurrent_days=noncurrent,
        newer=newer,
        upload_days=None if upload is None else _days(upload, "DaysAfterInitiation"),
    )
    if (days, date, markers, noncurrent, rule.upload_days) == (None,) * 5:
        raise _request("At least one action needs to be specified in a rule")
    if wanted.is_of_objects and (rule.upload_days is not None or markers is not None):
        action = "ExpiredObjectDeleteMarker" if markers is not None else "AbortIncompleteMultipartUpload"
        raise _request(f"{action} cannot be specified with Tags or sizes")
    return rule


_TRANSITIONS = ("Transition", "NoncurrentVersionTransition")


def _refuse_transitions(element: Element) -> S3Error:
    """There is one storage class; what is malformed is told first."""
    for each in element.iter("Date"):
        _date(each.text or "")
    return S3Error(
        "NotImplemented", "Transitions imply functionality that is not implemented: all is STANDARD here."
    )


def _parse_filter(element: Element) -> tuple[Filter, bool]:
    """All that it asks for must fit, with `And` around it or not. AWS wants it for more than one thing, but
    clients leave it out."""
    prefix, found = element.find("Prefix"), element.find("Filter")
    if prefix is not None and found is not None:
        raise _request(
            "Base level prefix cannot be used in Lifecycle V2, prefixes are only supported in the Filter."
        )
    if found is None:
        if prefix is None:
            raise malformed()
        return Filter(prefix.text or ""), True
    parts = [found, *found.findall("And")]
    prefixes = [each.text or "" for part in parts for each in part.findall("Prefix")]
    longest = max(prefixes, key=len, default=None)
    if longest is not None and not all(longest.startswith(each) for each in prefixes):
        raise malformed()
    pairs = [(text_of(each, "Key"), text_of(each, "Value")) for part in parts for each in part.findall("Tag")]
    larger = _size(parts, "ObjectSizeGreaterThan")
    smaller = _size(parts, "ObjectSizeLessThan")
    if larger is not None and smaller is not None and larger >= smaller:
        raise _request("'ObjectSizeLessThan' has to be a value greater than 'ObjectSizeGreaterThan'")
    return Filter(longest, check_tags(pairs), larger, smaller), False


def _size(parts: Iterable[Element], name: str) -> int | None:
    found = [each.text or "" for part in parts for each in part.findall(name)]
    if not found:
        return None
    if len(found) > 1 or not _NUMBER.fullmatch(found[0]):
        raise malformed()
    if int(found[0]) < 0:
        raise _argument(f"'{name}' must be a non-negative number")
    return int(found[0])


def _parse_expiration(element: Element | None) -> tuple[int | None, datetime | None, bool | None]:
    """Days, or a date, or whether delete markers go that hide nothing: one of them."""
    if element is None:
        return None, None, None
    if len(element) != 1:
        raise malformed()
    marker = element.findtext("ExpiredObjectDeleteMarker")
    if marker is not None:
        if marker not in ("true", "false"):
            raise malformed()
        return None, None, marker == "true"
    date = element.findtext("Date")
    return (None, _date(date), None) if date is not None else (_days(element, "Days"), None, None)


def _parse_noncurrent(element: Element | None) -> tuple[int | None, int]:
    if element is None:
        return None, 0
    newer = element.findtext("NewerNoncurrentVersions")
    if newer is None:
        return _days(element, "NoncurrentDays"), 0
    if not _NUMBER.fullmatch(newer):
        raise malformed()
    if not 1 <= int(newer) <= MOST_NEWER:
        raise _argument(f"'NewerNoncurrentVersions' must be a number from 1 to {MOST_NEWER}")
    return _days(element, "NoncurrentDays"), int(newer)


def _days(element: Element, name: str) -> int:
    given = text_of(element, name)
    if not _NUMBER.fullmatch(given):
        raise malformed()
    if not 1 <= int(given) <= MOST_DAYS:
        raise _argument(f"'{name}' for {element.tag} action must be a positive integer")
    return int(given)


def _date(given: str) -> datetime:
    """A day, as its midnight in UTC."""
    try:
        if not _DATE.fullmatch(given):
            raise ValueError
        moment = datetime.fromisoformat(given)
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise malformed("a Date is as 2030-01-31T00:00:00Z") from None
    if (moment.hour, moment.minute, moment.second, moment.microsecond) != (0, 0, 0, 0):
        raise malformed("'Date' must be at midnight GMT")
    return moment


def _elements(rule: Rule) -> Iterable[Child]:
    yield "ID", rule.id
    if rule.plain:
        yield "Prefix", rule.filter.prefix or ""
    else:
        yield "Filter", _filter_elements(rule.filter)
    yield "Status", "Enabled" if rule.enabled else "Disabled"
    if rule.days is not None:
        yield "Expiration", [("Days", rule.days)]
    elif rule.date is not None:
        yield "Expiration", [("Date", stamp(rule.date))]
    elif rule.markers:
        yield "Expiration", [("ExpiredObjectDeleteMarker", True)]
    if rule.noncurrent_days is not None:
        kept: list[Child] = [("NewerNoncurrentVersions", rule.newer)] if rule.newer else []
        yield "NoncurrentVersionExpiration", [("NoncurrentDays", rule.noncurrent_days), *kept]
    if rule.upload_days is not None:
        yield "AbortIncompleteMultipartUpload", [("DaysAfterInitiation", rule.upload_days)]


def _filter_elements(wanted: Filter) -> list[Child]:
    children: list[Child] = [] if wanted.prefix is None else [("Prefix", wanted.prefix)]
    children += [("Tag", [("Key", name), ("Value", value)]) for name, value in wanted.tags.items()]
    if wanted.larger is not None:
        children.append(("ObjectSizeGreaterThan", wanted.larger))
    if wanted.smaller is not None:
        children.append(("ObjectSizeLessThan", wanted.smaller))
    return [("And", children)] if len(children) > 1 else children


def _argument(message: str) -> S3Error:
    return S3Error("InvalidArgument", message)


def _request(message: str) -> S3Error:
    return S3Error("InvalidRequest", message)
