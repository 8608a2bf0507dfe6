"""Statements of policies: whom, what and where each is about, and when."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from imagestore.access.actions import Action
from imagestore.access.conditions import Condition, network_of
from imagestore.access.owners import is_owner
from imagestore.access.patterns import Values, has_variable, is_match, matches
from imagestore.access.principals import Principal

Effect = Literal["Allow", "Deny"]

ARN = "arn:aws:s3:::"
_IAM = "arn:aws:iam::"

_NARROWING = frozenset({"aws:sourceip", "aws:userid", "aws:principalarn", "aws:principalaccount"})
"""Keys whose fixed values keep a grant to everybody from being public."""

_EXACT = ("StringEquals", "StringLike", "ArnEquals", "ArnLike")

_WIDEST = {4: 8, 6: 32}
"""A range of addresses with a shorter prefix is as good as all of them, by AWS's meaning of public."""


@dataclass(frozen=True, slots=True)
class Statement:
    """`principals` are as written, "*" for everybody; `actions` in lower case. `not_…`: all but these.

    Without `variables`, `${…}` is text like any other.
    """

    effect: Effect
    principals: tuple[str, ...]
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    conditions: tuple[Condition, ...] = ()
    not_principals: bool = False
    not_actions: bool = False
    not_resources: bool = False
    variables: bool = False

    def names(self, principal: Principal) -> bool:
        return any(is_named(told, principal) for told in self.principals) != self.not_principals

    def covers(self, action: Action, resource: str, values: Values) -> bool:
        """Whether it is about doing that to a bucket, or to a key behind it: `bucket/key`."""
        if any(matches(each, action.id.lower()) for each in self.actions) == self.not_actions:
            return False
        return any(self._fits(each, resource, values) for each in self.resources) != self.not_resources

    def may_cover(self, action: Action, resource: str) -> bool:
        """The same for whoever asks: whatever a variable stands for, it fits."""
        if any(matches(each, action.id.lower()) for each in self.actions) == self.not_actions:
            return False
        unknown = self.variables and any(has_variable(each) for each in self.resources)
        return unknown or any(matches(each, resource) for each in self.resources) != self.not_resources

    def holds(self, values: Values) -> bool:
        return all(condition.holds(values) for condition in self.conditions)

    @property
    def is_for_all(self) -> bool:
        """Whether strangers are meant."""
        return ("*" in self.principals) != self.not_principals

    @property
    def is_public(self) -> bool:
        """By AWS's meaning of public: it grants something to everybody, and no fixed value narrows that."""
        return self.effect == "Allow" and self.is_for_all and not any(map(_narrows, self.conditions))

    def _fits(self, pattern: str, resource: str, values: Values) -> bool:
        return is_match(pattern, resource, values) if self.variables else matches(pattern, resource)


def is_named(told: str, principal: Principal) -> bool:
    """Whether a principal as policies write it means this one: everybody, an account, or one credential."""
    if told == "*":
        return True
    if principal.is_stranger:
        return False
    account, _, kind = told.removeprefix(_IAM).partition(":")
    if not told.startswith(_IAM):
        return is_owner(told, principal.owner) or told == principal.access_key
    user = kind.removeprefix("user/").rpartition("/")[2]
    if not account:  # as users without an account have it, whose names are those of owners
        return is_owner(user, principal.owner) or user == principal.access_key
    if not is_owner(account, principal.owner):
        return False
    return kind == "root" or (
        kind.startswith("user/") and (user == principal.access_key or is_owner(user, principal.owner))
    )


def arn_of(principal: Principal) -> str:
    return f"{_IAM}{principal.owner}:user/{principal.access_key}"


def _narrows(condition: Condition) -> bool:
    operators = ("IpAddress",) if condition.key == "aws:sourceip" else _EXACT
    if condition.key not in _NARROWING or condition.operator not in operators:
        return False
    return not condition.quantifier and not condition.if_exists and all(_fixed(condition))


def _fixed(condition: Condition) -> Iterator[bool]:
    for each in condition.wanted:
        network = network_of(each) if condition.operator == "IpAddress" else None
        if network is not None:
            yield network.is_private or network.prefixlen >= _WIDEST[network.version]
        else:
            yield not any(mark in each for mark in ("*", "?", "${"))
