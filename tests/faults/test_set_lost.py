"""The whole replica set is lost: what Redis has is still served, the rest refused soon, nothing is lost."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.faults import motifs
from tests.faults.ledger import Ledger
from tests.faults.site import BUSY_MACHINE, Site, kill
from tests.figures import Figures
from tests.service import running_service


def test_cached_images_outlive_the_whole_replica_set(
    site: Site, bucket: str, ledger: Ledger, figures: Figures, tmp_path: Path
) -> None:
    small, caller = motifs.tiny(), site.caller()
    for key, data in {"cached": small, "other": motifs.tiny(), "large": motifs.large()}.items():
        assert ledger.note(bucket, key, data, caller.put(bucket, key, data))
    # The second service believes an alias for a second only. It has another server key, so its own database
    # in Redis: to each, what the other left there would be forged.
    settings = {"mongo_url": site.members.url, "redis_url": f"{site.redis.url.removesuffix('0')}1"}
    settings |= {"edge_bytes": 0}
    with running_service(tmp_path, alias_ttl=1, workers=1, **settings) as forgetful:
        warm = [
            site.caller(each).get(bucket, "cached") for each in (site.service, forgetful) for _ in range(2)
        ]
        assert [(answer.status, answer.body) for answer in warm] == [(200, small)] * 4
        for server in site.members.servers:
            kill(server)
        time.sleep(1.5)
        for each in [site.service, forgetful] * 8:
            answer = site.caller(each).get(bucket, "cached")
            assert (answer.status, answer.body) == (200, small), str(answer)
        with ThreadPoolExecutor() as threads:
            begun = [
                *(threads.submit(site.caller().get, bucket, key) for key in ("other", "large", "absent")),
                threads.submit(site.caller().put, bucket, "new", small),
                threads.submit(site.caller(forgetful).get, bucket, "other"),
            ]
            refused = [each.result() for each in begun]
    figures(statuses=[answer.status for answer in refused], slowest=max(each.seconds for each in refused))
    for answer in refused:
        assert answer.status == 503, str(answer)
        assert int(answer.headers["retry-after"]) > 0
        assert answer.seconds <= 2.0 + BUSY_MACHINE / 2
    site.mend()
    verdict = ledger.judge(site.service, site.redis.url)
    assert verdict.clean, verdict
    assert ledger.note(bucket, "new", small, site.caller().put(bucket, "new", small))
