"""Bucket policies as AWS writes them: documents read, checked, and asked whether somebody may.

Rules: "IAM JSON policy reference" in the IAM user guide, "Policies and permissions in Amazon S3" in S3's.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, Literal

from imagestore.access.actions import KNOWN_ACTIONS, Action
from imagestore.access.conditions import MOST_VALUE_CHARACTERS, Malformed, read_conditions
from imagestore.access.patterns import Values, matches
from imagestore.access.principals import Principal
from imagestore.access.statements import ARN, Effect, Statement

MOST_BYTES = 20 * 1024
MOST_GAPS = 256
"""Signs `?` in a policy: what stands around them is not as quickly found as other text."""

Verdict = Literal["deny", "allow", "allow all"]
"""What a policy says to a request: `allow all` where strangers may too."""

_VERSIONS = ("2008-10-17", "2012-10-17")
_WITH_VARIABLES = "2012-10-17"
_FIELDS = frozenset({"Version", "Id", "Statement"})
_OF_STATEMENTS = frozenset(
    {
        "Sid",
        "Effect",
        "Principal",
        "NotPrincipal",
        "Action",
        "NotAction",
        "Resource",
        "NotResource",
        "Condition",
    }
)
_SOMEBODY = re.compile(
    r"\*|arn:aws:iam::[^:\s*?]{0,128}:(?:root|(?:user|role|group)/[^:\s*?]{1,512})|[^:\s*?]{1,128}"
)
_SYNTAX = "Invalid policy syntax."


@dataclass(frozen=True)
class Policy:
    statements: tuple[Statement, ...]

    def judge(
        self, principal: Principal, action: Action, resource: str, ask: Callable[[], Values]
    ) -> Verdict | None:
        """What it says to that; None where it says nothing. `ask` is called when conditions or variables have
        to be looked at."""
        verdict: Verdict | None = None
        values: Values | None = None
        for each in self.statements:
            if not each.names(principal) or not each.may_cover(action, resource):
                continue
            if each.conditions or each.variables:
                values = values if values is not None else ask()
                if not each.covers(action, resource, values) or not each.holds(values):
                    continue
            if each.effect == "Deny":
                return "deny"
            if verdict != "allow all":
                verdict = "allow all" if each.is_for_all else "allow"
        return verdict

    def opens(self, action: Action, resource: str) -> bool:
        """Whether strangers may, and whoever else, whatever their requests say."""
        about = [each for each in self.statements if each.may_cover(action, resource)]
        return all(each.effect == "Allow" for each in about) and any(
            each.is_for_all and not each.conditions and each.covers(action, resource, {}) for each in about
        )

    def may_deny(self, action: Action, resource: str) -> bool:
        return any(each.effect == "Deny" and each.may_cover(action, resource) for each in self.statements)

    def hinges_on_requests(self, action: Action, resource: str) -> bool:
        """Whether what it says depends on more than who asks."""
        return any(each.conditions and each.may_cover(action, resource) for each in self.statements)

    @cached_property
    def is_public(self) -> bool:
        return any(each.is_public for each in self.statements)


@lru_cache(maxsize=256)
def read(text: str) -> Policy:
    """The policy in a document. Raises Malformed."""
    if len(text.encode("utf-8", "surrogatepass")) > MOST_BYTES:
        raise Malformed(f"Normalized policy document exceeds the maximum allowed size of {MOST_BYTES} bytes")
    document = _load(text)
    if not document.keys() <= _FIELDS:
        raise Malformed(f"Unknown field {min(document.keys() - _FIELDS)[:80]}")
    version = document.get("Version", _VERSIONS[0])
    if version not in _VERSIONS:
        raise Malformed("The policy must contain a valid version string")
    if not isinstance(document.get("Id", ""), str):
        raise Malformed(_SYNTAX)
    if "Statement" not in document:
        raise Malformed("Missing required field Statement")
    told = document["Statement"]
    listed = told if isinstance(told, list) else [told]
    if not listed:
        raise Malformed("Could not parse the policy: Statement is empty!")
    named = [each["Sid"] for each in listed if isinstance(each, dict) and "Sid" in each]
    if not all(isinstance(each, str) for each in named):
        raise Malformed(_SYNTAX)
    if len(set(named)) < len(named):
        raise Malformed("Statement IDs (SID) in a single policy must be unique.")
    return Policy(tuple(_statement(each, version == _WITH_VARIABLES) for each in listed))


def check(text: str, bucket: str) -> Policy:
    """The policy, if it can be that of the bucket. Raises Malformed."""
    if text.count("?") > MOST_GAPS:
        raise Malformed(f"The policy must not have more than {MOST_GAPS} question marks")
    policy = read(text)
    for statement in policy.statements:
        if not all(matches(each.partition("/")[0], bucket) for each in statement.resources):
            raise Malformed("Policy has invalid resource")
        # AWS refuses an Allow that is about nothing too; Ceph does not, and it does no harm.
        if statement.effect == "Deny" and not statement.not_resources and not _is_about_something(statement):
            raise Malformed("Action does not apply to any resource(s) in statement")
    return policy


def _load(text: str) -> dict[str, Any]:
    if not text.lstrip(" \t\r\n").startswith("{"):
        raise Malformed("Policies must be valid JSON and the first byte must be '{'")
    try:
        document = json.loads(text, object_pairs_hook=_unique)
    except (ValueError, RecursionError):
        raise Malformed("This policy contains invalid Json") from None
    assert isinstance(document, dict)  # it begins with a brace
    return document


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name that comes twice")
    return found


def _statement(told: Any, variables: bool) -> Statement:
    if not isinstance(told, dict):
        raise Malformed(_SYNTAX)
    if not told.keys() <= _OF_STATEMENTS:
        raise Malformed(f"Unknown field {min(told.keys() - _OF_STATEMENTS)[:80]}")
    effect = _effect(told)
    principals, not_principals = _one_of(told, "Principal")
    actions, not_actions = _one_of(told, "Action")
    resources, not_resources = _one_of(told, "Resource")
    if effect == "Allow" and not_principals:
        raise Malformed("Allow with NotPrincipal is not allowed.")
    return Statement(
        effect,
        tuple(_principals(principals)),
        tuple(_action(each) for each in _texts(actions)),
        tuple(_resource(each) for each in _texts(resources)),
        read_conditions(told["Condition"]) if "Condition" in told else (),
        not_principals=not_principals,
        not_actions=not_actions,
        not_resources=not_resources,
        variables=variables and "${" in json.dumps([resources, told.get("Condition")]),
    )


def _effect(told: dict[str, Any]) -> Effect:
    if "Effect" not in told:
        raise Malformed("Missing required field Effect")
    effect: Any = told["Effect"]
    if effect not in ("Allow", "Deny"):
        raise Malformed(f"Invalid effect: {str(effect)[:80]}")
    return "Allow" if effect == "Allow" else "Deny"


def _one_of(told: dict[str, Any], name: str) -> tuple[Any, bool]:
    """What stands under the name or under its opposite, and whether it is that."""
    opposite = f"Not{name}"
    if name in told and opposite in told:
        raise Malformed(_SYNTAX)
    if name not in told and opposite not in told:
        raise Malformed(f"Missing required field {name}")
    return told.get(name, told.get(opposite)), opposite in told


def _principals(told: Any) -> Iterable[str]:
    if told == "*":
        yield "*"
        return
    if not isinstance(told, dict) or not told:
        raise Malformed("Invalid principal in policy")
    for kind, names in told.items():
        if kind not in ("AWS", "CanonicalUser", "Service", "Federated"):
            raise Malformed("Invalid principal in policy")
        for name in _texts(names):
            # There are no services and no federation here: they are nobody, whatever they are called.
            if kind in ("AWS", "CanonicalUser"):
                if not _SOMEBODY.fullmatch(name) or (kind == "CanonicalUser" and name == "*"):
                    raise Malformed("Invalid principal in policy")
                yield name


def _action(text: str) -> str:
    lowered = text.lower()
    if not any(matches(lowered, each) for each in KNOWN_ACTIONS):
        raise Malformed("Policy has invalid action")
    return lowered


def _resource(text: str) -> str:
    if not text.startswith(ARN) or len(text) == len(ARN):
        raise Malformed("Policy has invalid resource")
    return text[len(ARN) :]


def _texts(told: Any) -> list[str]:
    listed = told if isinstance(told, list) else [told]
    if not listed or not all(
        isinstance(each, str) and 0 < len(each) <= MOST_VALUE_CHARACTERS for each in listed
    ):
        raise Malformed(_SYNTAX)
    return listed


def _is_about_something(statement: Statement) -> bool:
    """Whether what it is about can be done where it is about."""
    levels = {
        level
        for name, level in KNOWN_ACTIONS.items()
        if any(matches(each, name) for each in statement.actions) != statement.not_actions
    }
    # A wildcard in what names the bucket may stand for a slash too.
    return any(
        ("object" in levels and ("/" in each or "*" in each)) or ("bucket" in levels and "/" not in each)
        for each in statement.resources
    )
