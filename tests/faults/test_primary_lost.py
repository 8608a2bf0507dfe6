"""The primary dies or hangs: what was acknowledged stays, and the next request finds another."""

from __future__ import annotations

from tests import pictures
from tests.faults.ledger import Ledger
from tests.faults.site import Site, kill
from tests.figures import Figures


def test_what_was_acknowledged_survives_the_death_of_the_primary(
    site: Site, bucket: str, ledger: Ledger, figures: Figures
) -> None:
    caller, data = site.caller(), pictures.png(seed=1)
    assert ledger.note(bucket, "before", data, caller.put(bucket, "before", data))
    kill(site.members.primary())
    answer = caller.put(bucket, "after", data)
    figures(status=answer.status, seconds=answer.seconds)
    assert ledger.note(bucket, "after", data, answer) or answer.status == 503
    verdict = ledger.judge(site.service, site.redis.url)
    assert verdict.clean, verdict
