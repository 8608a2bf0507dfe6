"""Credentials: issued with scopes and buckets, known to every worker, revoked at once; and signed URLs."""

from __future__ import annotations

import time
from collections.abc import Callable
from urllib.parse import parse_qs

import pytest

from imagestore.access.owners import canonical_id
from imagestore.access.policies import SCOPES, Principal
from imagestore.core.errors import (
    CredentialNotFound,
    InvalidBucketName,
    InvalidParameter,
    SignatureExpired,
    SignatureInvalid,
    Unauthenticated,
)
from imagestore.core.urls import sign
from imagestore.library.keyring import MAX_ACCESS_KEY, MAX_SIGNED_SECONDS, Issued, Keyring
from tests.library.conftest import House
from tests.store.commands import Commands

PATH = "/pictures/image/upload/secret.jpg"


@pytest.fixture
def keyring(house: House) -> Keyring:
    return house.services.keyring


@pytest.fixture
def reader(keyring: Keyring) -> Issued:
    return keyring.issue(["read"], ["pictures"], "for the shop")


def test_credentials_share_an_account(keyring: Keyring) -> None:
    first, second = (keyring.issue(["write"], None, owner="shop") for _ in range(2))
    for issued in (first, second):
        for _ in range(2):  # from MongoDB, then as it is remembered
            assert keyring.principal(issued.record.access_key).owner == "shop"
    assert keyring.find_owner("shop") == keyring.find_owner(canonical_id("shop")) == "shop"
    assert keyring.find_owner("ADMIN") == keyring.find_owner(canonical_id("ADMIN")) == "ADMIN"
    assert keyring.find_owner("nobody") is keyring.find_owner(canonical_id("nobody")) is None
    keyring.revoke(first.record.access_key)
    assert keyring.find_owner("shop") == "shop"
    keyring.revoke(second.record.access_key)
    assert keyring.find_owner("shop") is None


@pytest.mark.parametrize("owner", ["", "a b", "x" * 65, "imagestore", "a" * 64, "a:b", "*", "é"])
def test_an_owner_has_a_name_that_policies_can_have(keyring: Keyring, owner: str) -> None:
    with pytest.raises(InvalidParameter, match="cannot name an owner"):
        keyring.issue(["read"], None, owner=owner)


@pytest.mark.parametrize(
    ("scopes", "buckets", "kept"),
    [
        (["read"], None, (("read",), None)),
        (["admin", "read", "read"], None, (("read", "admin"), None)),
        (["write"], ["zoo", "a-b", "zoo"], (("write",), ("a-b", "zoo"))),
    ],
)
def test_a_credential_is_who_it_was_issued_to_be(
    keyring: Keyring, scopes: list[str], buckets: list[str] | None, kept: tuple
) -> None:
    issued = keyring.issue(scopes, buckets, "about")
    record = issued.record
    assert (record.scopes, record.buckets, record.description) == (*kept, "about")
    expected = Principal(
        record.access_key,
        frozenset(kept[0]),
        None if kept[1] is None else frozenset(kept[1]),
        owner=record.access_key,
    )
    for _ in range(2):
        assert keyring.identify(record.access_key, issued.secret) == expected
    assert keyring.list_credentials() == [record]


@pytest.mark.parametrize(
    ("scopes", "buckets", "error"),
    [
        ([], None, InvalidParameter),
        (["root"], None, InvalidParameter),
        (["read", "READ"], None, InvalidParameter),
        (["read"], [], InvalidParameter),
        (["read"], ["ok-name", "Bad"], InvalidBucketName),
        (["read"], ["console"], InvalidBucketName),
    ],
)
def test_a_credential_for_nothing_sensible_is_not_issued(
    keyring: Keyring, scopes: list[str], buckets: list[str] | None, error: type[Exception]
) -> None:
    with pytest.raises(error):
        keyring.issue(scopes, buckets)
    assert keyring.list_credentials() == []


def test_the_first_credential_may_do_everything_and_stays(house: House, keyring: Keyring) -> None:
    secret = keyring._secrets.secret_of("ADMIN")
    root = Principal("ADMIN", frozenset(SCOPES), owner="ADMIN", is_root=True)
    assert keyring.identify("ADMIN", secret) == root
    with pytest.raises(CredentialNotFound):
        keyring.revoke("ADMIN")


def test_a_wrong_secret_is_nobody_and_asks_no_server(
    keyring: Keyring, reader: Issued, commands: Commands, round_trips: list[object]
) -> None:
    keyring.identify(reader.record.access_key, reader.secret)
    commands.clear()
    round_trips.clear()
    guesses = [
        (reader.record.access_key, ""),
        (reader.record.access_key, reader.secret.swapcase()),
        (reader.record.access_key.lower(), reader.secret),
        ("", ""),
        ("nobody", reader.secret),
        ("\ud800", "\ud800"),
    ]
    messages = set()
    for access_key, secret in guesses:
        with pytest.raises(Unauthenticated) as caught:
            keyring.identify(access_key, secret)
        messages.add(caught.value.message)
    assert len(messages) == 1
    assert (commands.sent, round_trips) == ([], [])


def test_a_key_that_was_never_issued_is_nobody_even_with_its_secret(keyring: Keyring) -> None:
    for access_key in ("ISNEVER", "", "A" * (MAX_ACCESS_KEY + 1)):
        with pytest.raises(Unauthenticated):
            keyring.identify(access_key, keyring._secrets.secret_of(access_key))


def test_a_revoked_credential_is_nobody_to_every_worker(
    open_house: Callable[..., House], keyring: Keyring, reader: Issued
) -> None:
    key, secret = reader.record.access_key, reader.secret
    other = open_house().services.keyring
    other.identify(key, secret)
    keyring.identify(key, secret)
    keyring.revoke(key)
    expires = int(time.time()) + 100
    for each in (keyring, other):
        with pytest.raises(Unauthenticated):
            each.identify(key, secret)
        with pytest.raises(SignatureInvalid):
            each.identify_signed(key, PATH, expires, sign(secret, PATH, expires))
    with pytest.raises(CredentialNotFound):
        keyring.revoke(key)


def test_a_slow_reader_does_not_bring_a_revoked_credential_back(
    open_house: Callable[..., House], keyring: Keyring, reader: Issued, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = open_house().services.keyring
    find = slow._registry.find_credential

    def read_then_dawdle(access_key: str) -> object:
        found = find(access_key)
        keyring.revoke(access_key)
        return found

    monkeypatch.setattr(slow._registry, "find_credential", read_then_dawdle)
    slow.identify(reader.record.access_key, reader.secret)
    with pytest.raises(Unauthenticated):
        keyring.identify(reader.record.access_key, reader.secret)


def test_a_known_credential_costs_no_look_into_mongod(
    keyring: Keyring, reader: Issued, commands: Commands, round_trips: list[object]
) -> None:
    keyring.identify(reader.record.access_key, reader.secret)
    commands.clear()
    round_trips.clear()
    keyring.identify(reader.record.access_key, reader.secret)
    assert (commands.sent, len(round_trips)) == ([], 1)


# Signed URLs


def test_a_signed_url_opens_its_path_in_the_name_of_the_credential(keyring: Keyring, reader: Issued) -> None:
    key = reader.record.access_key
    query, expires = keyring.sign(key, PATH, 60)
    given = {name: values[0] for name, values in parse_qs(query, strict_parsing=True).items()}
    assert (given["access_key"], given["expires"]) == (key, str(expires))
    assert 0 < expires - time.time() <= 60
    who = keyring.identify_signed(key, PATH, expires, given["signature"])
    assert who == keyring.identify(key, reader.secret)


def test_a_signed_url_opens_nothing_else(keyring: Keyring, reader: Issued) -> None:
    key = reader.record.access_key
    other = keyring.issue(["admin"], None).record.access_key
    expires = int(time.time()) + 1000
    signature = sign(reader.secret, PATH, expires)
    altered = [
        (other, PATH, expires, signature),
        ("ADMIN", PATH, expires, signature),
        ("A" * (MAX_ACCESS_KEY + 1), PATH, expires, signature),
        (key, PATH + "x", expires, signature),
        (key, PATH.upper(), expires, signature),
        (key, PATH, expires + 1, signature),
        (key, PATH, expires, signature[:-1] + ("A" if signature[-1] != "A" else "B")),
        (key, PATH, expires, ""),
    ]
    assert keyring.identify_signed(key, PATH, expires, signature).access_key == key
    for case in altered:
        with pytest.raises(SignatureInvalid):
            keyring.identify_signed(*case)


def test_a_signed_url_ends(keyring: Keyring, reader: Issued) -> None:
    for expires in (0, int(time.time()) - 1):
        with pytest.raises(SignatureExpired):
            keyring.identify_signed(
                reader.record.access_key, PATH, expires, sign(reader.secret, PATH, expires)
            )


@pytest.mark.parametrize("beyond", [60, 10**12])
def test_nobody_signs_for_longer_than_a_week(keyring: Keyring, reader: Issued, beyond: int) -> None:
    expires = int(time.time()) + MAX_SIGNED_SECONDS + beyond
    with pytest.raises(SignatureInvalid, match="at most"):
        keyring.identify_signed(reader.record.access_key, PATH, expires, sign(reader.secret, PATH, expires))


@pytest.mark.parametrize("lifetime", [0, -1, MAX_SIGNED_SECONDS + 1])
def test_a_lifetime_out_of_bounds_is_not_signed(keyring: Keyring, reader: Issued, lifetime: int) -> None:
    with pytest.raises(InvalidParameter):
        keyring.sign(reader.record.access_key, PATH, lifetime)
