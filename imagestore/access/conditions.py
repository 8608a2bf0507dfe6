"""Conditions of policies: their operators, the keys that they may ask of, and whether they hold.

Rules: the page "IAM JSON policy elements: Condition operators" of the IAM user guide.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from imagestore.access.patterns import Values, expand, fold, is_match

MOST_VALUE_CHARACTERS = 2048

KEYS = frozenset(
    {
        "aws:currenttime",
        "aws:epochtime",
        "aws:principalaccount",
        "aws:principalarn",
        "aws:principaltype",
        "aws:referer",
        "aws:securetransport",
        "aws:sourceip",
        "aws:useragent",
        "aws:userid",
        "aws:username",
        "s3:authtype",
        "s3:delimiter",
        "s3:max-keys",
        "s3:prefix",
        "s3:requestobjecttagkeys",
        "s3:signatureage",
        "s3:signatureversion",
        "s3:versionid",
        "s3:x-amz-acl",
        "s3:x-amz-content-sha256",
        "s3:x-amz-copy-source",
        "s3:x-amz-grant-full-control",
        "s3:x-amz-grant-read",
        "s3:x-amz-grant-read-acp",
        "s3:x-amz-grant-write",
        "s3:x-amz-grant-write-acp",
        "s3:x-amz-metadata-directive",
        "s3:x-amz-server-side-encryption",
        "s3:x-amz-server-side-encryption-aws-kms-key-id",
        "s3:x-amz-server-side-encryption-customer-algorithm",
        "s3:x-amz-storage-class",
    }
)
"""What can be asked of; the tags of objects beside, by their names. A key that nobody fills would make a Deny
that never holds, so no policy may have another."""

_TAGS = ("s3:existingobjecttag/", "s3:requestobjecttag/")

Compare = Callable[[str, str, Values], bool]


class Malformed(Exception):
    """Something that no policy may have. `message` is as AWS words it."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


@dataclass(frozen=True, slots=True)
class Condition:
    """One key under one operator. `quantifier` says what holds of a key with several values."""

    operator: str
    key: str
    wanted: tuple[str, ...]
    quantifier: str = ""
    if_exists: bool = False

    def holds(self, values: Values) -> bool:
        present = values.get(self.key)
        if self.operator == "Null":
            return any((not present) == (each.lower() == "true") for each in self.wanted)
        compare, negated = _OPERATORS[self.operator]
        if not present:
            return self.if_exists or (self.quantifier == "ForAllValues" if self.quantifier else negated)
        fitting = [
            any(compare(each, wanted, values) for wanted in self.wanted) != negated for each in present
        ]
        at_once = self.quantifier == "ForAllValues" or (negated and not self.quantifier)
        return all(fitting) if at_once else any(fitting)


def read_conditions(block: Any) -> tuple[Condition, ...]:
    """Of a statement's Condition. Raises Malformed."""
    if not isinstance(block, dict):
        raise Malformed("Invalid policy syntax.")
    found = []
    for name, tests in block.items():
        if not isinstance(tests, dict) or not tests:
            raise Malformed("Invalid policy syntax.")
        for key, wanted in tests.items():
            found.append(_read(name, key, wanted))
    return tuple(found)


def _read(name: str, key: str, wanted: Any) -> Condition:
    quantifier, colon, rest = name.partition(":")
    if not colon:
        quantifier, rest = "", name
    operator = rest.removesuffix("IfExists")
    optional = operator != rest
    known = operator in _OPERATORS or (operator == "Null" and not optional)
    if not known or quantifier not in ("", "ForAllValues", "ForAnyValue"):
        raise Malformed(f"Invalid Condition type : {name[:80]}")
    folded = fold(key)
    if folded not in KEYS and not any(folded.startswith(each) and folded != each for each in _TAGS):
        raise Malformed("Policy has an invalid condition key")
    listed = wanted if isinstance(wanted, list) else [wanted]
    texts = tuple(_text(each) for each in listed)
    if not texts:
        raise Malformed("Invalid policy syntax.")
    for text in texts:
        _check(operator, text)
    return Condition(operator, folded, texts, quantifier, optional)


def _text(value: Any) -> str:
    """Numbers and truth values may come without quotation marks."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    if not isinstance(value, str) or len(value) > MOST_VALUE_CHARACTERS:
        raise Malformed("Invalid policy syntax.")
    return value


def _check(operator: str, text: str) -> None:
    if operator.startswith("Numeric") and _number(text) is None:
        raise Malformed("Invalid number in Conditions")
    if operator.startswith("Date") and _moment(text) is None:
        raise Malformed("Invalid date in Conditions")
    if operator in ("IpAddress", "NotIpAddress") and network_of(text) is None:
        raise Malformed("Invalid IP address in Conditions")
    if operator in ("Bool", "Null") and text.lower() not in ("true", "false"):
        raise Malformed("Invalid boolean in Conditions")


@lru_cache(maxsize=4096)
def network_of(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    """The addresses of a CIDR or of one address; None for what is neither."""
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None


def _is_within(value: str, wanted: str, _: Values) -> bool:
    network, address = network_of(wanted), _address_of(value)
    if network is None or address is None:
        return False
    return address.version == network.version and address in network


@lru_cache(maxsize=256)
def _address_of(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped  # so a socket for both kinds has those of version 4
    return address


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _moment(text: str) -> float | None:
    """Seconds since the epoch, of a date of ISO 8601 or of that number itself."""
    number = _number(text)
    if number is not None:
        return number
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _ordered(
    read: Callable[[str], float | None], order: Callable[[float, float], bool]
) -> Callable[[str, str, Values], bool]:
    def compare(value: str, wanted: str, _: Values) -> bool:
        left, right = read(value), read(wanted)
        return left is not None and right is not None and order(left, right)

    return compare


def _is_equal(value: str, wanted: str, values: Values) -> bool:
    return expand(wanted, values, wild=False) == value


def _is_equal_ignoring_case(value: str, wanted: str, values: Values) -> bool:
    expanded = expand(wanted, values, wild=False)
    return expanded is not None and expanded.casefold() == value.casefold()


def _is_like(value: str, wanted: str, values: Values) -> bool:
    return is_match(wanted, value, values)


def _is_arn_like(value: str, wanted: str, values: Values) -> bool:
    """Each of the six parts of an ARN is compared for itself."""
    parts, patterns = value.split(":", 5), wanted.split(":", 5)
    return len(parts) == len(patterns) and all(
        is_match(pattern, part, values) for pattern, part in zip(patterns, parts, strict=True)
    )


def _is_same_truth(value: str, wanted: str, _: Values) -> bool:
    return value.lower() == wanted.lower()


def _orders(kind: str, read: Callable[[str], float | None]) -> Iterable[tuple[str, tuple[Compare, bool]]]:
    equal = _ordered(read, lambda left, right: left == right)
    yield f"{kind}Equals", (equal, False)
    yield f"{kind}NotEquals", (equal, True)
    yield f"{kind}LessThan", (_ordered(read, lambda left, right: left < right), False)
    yield f"{kind}LessThanEquals", (_ordered(read, lambda left, right: left <= right), False)
    yield f"{kind}GreaterThan", (_ordered(read, lambda left, right: left > right), False)
    yield f"{kind}GreaterThanEquals", (_ordered(read, lambda left, right: left >= right), False)


_OPERATORS: dict[str, tuple[Compare, bool]] = {
    "StringEquals": (_is_equal, False),
    "StringNotEquals": (_is_equal, True),
    "StringEqualsIgnoreCase": (_is_equal_ignoring_case, False),
    "StringNotEqualsIgnoreCase": (_is_equal_ignoring_case, True),
    "StringLike": (_is_like, False),
    "StringNotLike": (_is_like, True),
    "ArnEquals": (_is_arn_like, False),
    "ArnLike": (_is_arn_like, False),
    "ArnNotEquals": (_is_arn_like, True),
    "ArnNotLike": (_is_arn_like, True),
    "Bool": (_is_same_truth, False),
    "IpAddress": (_is_within, False),
    "NotIpAddress": (_is_within, True),
    **dict(_orders("Numeric", _number)),
    **dict(_orders("Date", _moment)),
}
"""What is compared, and whether the operator is that it does not hold."""
