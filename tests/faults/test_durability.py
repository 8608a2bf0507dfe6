"""Many uploads over many losses of the primary: none that was acknowledged is lost, altered or kept twice."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from tests.faults.campaign import Campaign
from tests.faults.site import Site
from tests.faults.upkeep import check_and_sweep
from tests.figures import Figures
from tests.service import running_service

UPLOADS = int(os.environ.get("FAULT_UPLOADS", "20000"))
KILLS = int(os.environ.get("FAULT_KILLS", "50"))

HOUR = 3600


@pytest.mark.parametrize(
    ("uploads", "faults"),
    [
        (200, 2),
        pytest.param(UPLOADS, KILLS, marks=[pytest.mark.long, pytest.mark.timeout(2 * HOUR)], id="long"),
    ],
)
def test_no_acknowledged_upload_is_lost(
    site: Site, bucket: str, figures: Figures, uploads: int, faults: int
) -> None:
    began = time.monotonic()
    campaign = Campaign(site, site.service, bucket, uploads, faults)
    campaign.run()
    seconds = time.monotonic() - began
    verdict = campaign.ledger.judge(site.service, site.redis.url)
    with site.mongo() as client:
        versions = {
            (each["key"], each["number"], each["digest"])
            for each in client["imagestore"]["versions"].find({"bucket": bucket})
        }
    waste = check_and_sweep(site)
    figures(
        acknowledged=len(campaign.ledger.entries),
        faults=faults,
        lost=len(verdict.lost),
        altered=len(verdict.altered),
        versions=len(versions),
        answers=campaign.statuses(),
        longest_wait=campaign.longest,
        waste_swept={str(kind): count for kind, count in waste.items()},
        seconds=seconds,
    )
    assert verdict.clean, verdict
    assert len(campaign.ledger.entries) == uploads + faults
    # As many as were acknowledged: nothing that had failed was kept beside its retry.
    assert versions == {(each.key, each.version, each.digest) for each in campaign.ledger.entries}


@pytest.mark.long
@pytest.mark.timeout(HOUR)
def test_the_same_uploads_are_lost_where_a_majority_is_not_waited_for(
    site: Site, bucket: str, figures: Figures, tmp_path: Path
) -> None:
    """The control, without which the verdict above might be blind."""
    careless = f"{site.members.url}&w=1"
    with running_service(tmp_path, mongo_url=careless, redis_url="none", workers=2) as service:
        campaign = Campaign(site, service, bucket, UPLOADS // 10, max(2, KILLS // 10))
        campaign.run()
    verdict = campaign.ledger.judge(site.service, site.redis.url)
    figures(
        acknowledged=len(campaign.ledger.entries),
        faults=campaign.faults,
        lost=len(verdict.lost),
        altered=len(verdict.altered),
        answers=campaign.statuses(),
    )
    assert verdict.lost
