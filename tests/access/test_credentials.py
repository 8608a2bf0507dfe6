"""Secrets: derived, the same everywhere, and told apart to the last character."""

from __future__ import annotations

import hmac
import re

import pytest

from imagestore.access.credentials import Secrets, make_access_key, make_server_key

pytestmark = pytest.mark.quick

SERVER_KEY = "0123456789abcdef"


def secrets(server_key: str = SERVER_KEY, admin_secret: str = "") -> Secrets:
    return Secrets(server_key, admin_key="ADMIN", admin_secret=admin_secret)


def test_a_secret_is_the_same_on_every_node_and_in_every_release() -> None:
    assert secrets().secret_of("ISKEY") == "QuriklfPYa9zVsv74mZGe696TFAxIQL3q-bcLkFiLTI"
    assert (
        secrets().derive("cache").hex() == "8ed2ab04806e84faa47062a9253dcd7a9f71ed9de517af2be897e42e05a7459f"
    )


@pytest.mark.parametrize("other", [secrets("x" + SERVER_KEY), secrets(SERVER_KEY.upper())])
def test_another_server_key_gives_other_secrets(other: Secrets) -> None:
    assert other.secret_of("ISKEY") != secrets().secret_of("ISKEY")
    assert not other.matches("ISKEY", secrets().secret_of("ISKEY"))


def test_each_access_key_and_each_purpose_has_its_own() -> None:
    made = {secrets().secret_of(key) for key in ("", "A", "B", "AB", "a", "ADMIN", "é", "\ud800")}
    assert len(made) == 8
    assert all(re.fullmatch("[A-Za-z0-9_-]{43}", secret) for secret in made)
    assert secrets().derive("cache") != secrets().derive("credential:cache")


GOOD = secrets().secret_of("ISKEY")


@pytest.mark.parametrize(
    "guess",
    ["", GOOD[:-1], GOOD + "=", GOOD + "\0", GOOD.swapcase(), " " + GOOD, "é" * 43, "\ud800", "\udcff"],
)
def test_only_the_very_secret_matches(guess: str) -> None:
    assert secrets().matches("ISKEY", GOOD)
    assert not secrets().matches("ISKEY", guess)
    assert not secrets().matches("iskey", GOOD)


def test_the_first_credential_may_have_a_secret_of_its_own() -> None:
    given = secrets(admin_secret="chosen")
    assert given.matches("ADMIN", "chosen")
    assert not given.matches("ADMIN", secrets().secret_of("ADMIN"))
    assert not given.matches("ISKEY", "chosen")
    assert not secrets().matches("ADMIN", "")


@pytest.mark.parametrize("short", ["", "hunter2", SERVER_KEY[:-1]])
def test_a_short_server_key_is_refused_by_the_name_of_its_setting(short: str) -> None:
    with pytest.raises(ValueError, match="IMAGESTORE_SECRET_KEY") as caught:
        secrets(short)
    assert not short or short not in str(caught.value)


def test_made_keys_are_random_and_well_formed() -> None:
    made = [make_access_key() for _ in range(1000)]
    assert len(set(made)) == 1000
    assert all(re.fullmatch("IS[A-HJ-NP-Z2-9]{18}", key) for key in made)
    assert len({make_server_key() for _ in range(100)}) == 100
    secrets(make_server_key())


@pytest.mark.parametrize("admin_secret", ["", "chosen by the operator"])
def test_a_secret_is_compared_in_constant_time_and_with_the_same_work_for_every_access_key(
    monkeypatch: pytest.MonkeyPatch, admin_secret: str
) -> None:
    """Shown by what is called, since a measurement would show the machine. Nobody is looked up before."""
    work: list[str] = []

    def note(name: str) -> None:
        original = getattr(hmac, name)
        monkeypatch.setattr(hmac, name, lambda *given: (work.append(name), original(*given))[1])

    given = secrets(admin_secret=admin_secret)
    note("new")
    note("compare_digest")
    seen = {}
    for access_key in ("ADMIN", "ISKEY", "ISNOBODY", "", "é", "A" * 128):
        for secret in ("", "x", "x" * 43, "x" * 5000, "é", GOOD, "chosen by the operator"):
            work.clear()
            given.matches(access_key, secret)
            seen[access_key, secret] = tuple(work)
    assert set(seen.values()) == {("new", "compare_digest")}
