"""Connections to MongoDB that are cut, and commands that fail, inside uploads and deletions."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from tests.faults import motifs
from tests.faults.caller import Answer
from tests.faults.ledger import Ledger
from tests.faults.site import Site
from tests.faults.upkeep import check_and_sweep
from tests.figures import Figures

CUT: dict[str, Any] = {"closeConnection": True}
REFUSED: dict[str, Any] = {"errorCode": 2}
"""BadValue: an error that no driver tries again. Not for a commit: its transaction would be left open until
its lifetime ends, where a real refusal ends it."""

UPLOAD_COMMANDS = {"findAndModify": 4, "aggregate": 4, "insert": 4, "update": 4}
"""How many of each are refused, one by one. No `find`: the only one of an upload is behind its commit, where
a failure leaves the outcome unknown."""

DELETE_COMMANDS = ("findAndModify", "find", "delete")
COMMIT = "commitTransaction"
DELETE_FAULTS = [
    pytest.param((*DELETE_COMMANDS, COMMIT), CUT, id="cut"),
    pytest.param(DELETE_COMMANDS, REFUSED, id="refused"),
]
SIZES = ["small", pytest.param("large", marks=pytest.mark.long)]
LOOKS = 4
"""As many connections, so that every worker is asked."""


def statuses(site: Site, bucket: str, key: str) -> set[int]:
    site.flush_redis()
    return {site.caller().get(bucket, key).status for _ in range(LOOKS)}


def upload_until_taken(site: Site, bucket: str, ledger: Ledger, key: str, data: bytes, first: Answer) -> None:
    """Send an upload again that was refused, and see that nothing of it was there meanwhile."""
    if not ledger.note(bucket, key, data, first):
        assert first.status == 503, str(first)
        assert statuses(site, bucket, key) == {404}
        assert key not in site.caller().images(bucket)
        assert site.caller().versions(bucket, key) == {}
        assert ledger.note(bucket, key, data, site.caller().put(bucket, key, data))
    assert len(site.caller().versions(bucket, key)) == 1


@pytest.mark.parametrize("size", SIZES)
def test_an_upload_whose_connection_is_cut_is_taken_or_refused(
    site: Site, bucket: str, ledger: Ledger, figures: Figures, size: str
) -> None:
    taken: dict[str, int] = {}
    for command in ("insert", COMMIT):
        for times in (1, 2):
            key, data = f"{command}-{times}", motifs.tiny() if size == "small" else motifs.large()
            site.fail(site.members.primary(), [command], {"times": times}, **CUT)
            answer = site.caller().put(bucket, key, data)
            taken[key] = answer.status
            assert answer.status == 201 or (answer.status, times) == (503, 2), str(answer)
            upload_until_taken(site, bucket, ledger, key, data, answer)
    figures(**{f"{key}_times": status for key, status in taken.items()})
    verdict = ledger.judge(site.service, site.redis.url)
    assert verdict.clean, verdict
    check_and_sweep(site)


@pytest.mark.parametrize("size", SIZES)
def test_an_upload_that_fails_midway_leaves_nothing_to_see(
    site: Site, bucket: str, ledger: Ledger, figures: Figures, size: str
) -> None:
    seen, primary = Counter[int](), site.members.primary()
    for command, count in UPLOAD_COMMANDS.items():
        for skipped in range(count):
            data = motifs.tiny() if size == "small" else motifs.large()
            point = site.fail(primary, [command], {"skip": skipped}, **REFUSED)
            answer = site.caller().put(bucket, f"{command}-{skipped}", data)
            point.lift()
            seen[answer.status] += 1
            upload_until_taken(site, bucket, ledger, f"{command}-{skipped}", data, answer)
            if answer.status == 201:  # it takes fewer such commands than were skipped
                break
    verdict = ledger.judge(site.service, site.redis.url)
    assert verdict.clean, verdict
    waste = check_and_sweep(site)
    figures(failed=seen[503], lost=len(verdict.lost), waste_swept=waste.total())
    assert seen[503] >= len(UPLOAD_COMMANDS) - 1, seen


@pytest.mark.parametrize(("commands", "fault"), DELETE_FAULTS)
def test_a_deletion_that_is_cut_takes_all_or_nothing(
    site: Site, bucket: str, figures: Figures, commands: tuple[str, ...], fault: dict[str, Any]
) -> None:
    caller, primary, seen = site.caller(), site.members.primary(), Counter[int]()
    for command in commands:
        for _ in range(2):
            data = motifs.tiny()
            assert caller.put(bucket, command, data).status == 201
        assert caller.get(bucket, command).body == data
        point = site.fail(primary, [command], {"times": 1}, **fault)
        answer = caller.delete(bucket, command)
        point.lift()
        seen[answer.status] += 1
        left = {site.caller().get(bucket, command).status for _ in range(LOOKS)}
        if answer.status == 204:
            assert left == {404}
        else:
            assert answer.status == 503, str(answer)
            assert left in ({200}, {404})
            assert caller.delete(bucket, command).status == (204 if left == {200} else 404)
        assert statuses(site, bucket, command) == {404}
    with site.mongo() as client:
        found = client["imagestore"]
        named = found["versions"].count_documents({"bucket": bucket})
        check_and_sweep(site)
        chunks = found["blobs.chunks"].count_documents({"data": data})
    figures(deleted=seen[204], refused=seen[503], versions_left=named, chunks_left=chunks)
    assert (named, chunks) == (0, 0)
