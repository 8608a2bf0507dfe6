"""The rights that docs/operations.md gives to the service's own user of Redis are all that it needs."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

from redis import Redis

from imagestore.cache.answers import Answers
from imagestore.cache.bulletin import CHANNEL, Bulletin
from imagestore.cache.generations import Generations
from imagestore.cache.values import Alias
from imagestore.core.replay import Source
from imagestore.embedded import Server
from tests.cache.conftest import MakeTier
from tests.service import REPOSITORY

PAGE = REPOSITORY / "docs" / "operations.md"


def test_a_user_with_these_rights_can_do_all(
    make_tier: MakeTier, own_server: Server, own_redis: Redis, tmp_path: Path
) -> None:
    [rights] = re.findall(r"^ACL SETUSER imagestore (on >PASSWORD .+)$", PAGE.read_text(), re.MULTILINE)
    own_redis.execute_command("ACL", "SETUSER", "imagestore", *rights.split())
    url = own_server.url.replace("redis://", "redis://imagestore:PASSWORD@")
    tier = make_tier(url)

    assert tier.ping()
    assert tier.write_alias("bucket", 1, b"policy", 60)
    assert tier.write_brief_alias("missing", 0, b"absent", 60)
    assert tier.read_aliases(["bucket"]) == [Alias(1, b"policy")]
    assert tier.write_blob("blob", b"data", 1)
    assert tier.read_blob("blob", 1) == tier.read_blob("blob", 1) == b"data"
    assert tier.has_blobs(["blob"]) == [True]
    lease = tier.try_lease("blob", 60)
    tier.renew_lease(lease, 60)
    tier.release_lease(lease)
    assert tier.try_lease("blob", 60).state == "held"
    assert tier.count_within("address", 60) is not None

    async def main() -> None:
        answers = Answers(tier, url, timeout=5.0, stamp="1")
        bulletin = Bulletin(tier, Generations(tmp_path / "generations"), url)
        listening = asyncio.create_task(bulletin.listen())
        while not dict(own_redis.pubsub_numsub(CHANNEL))[CHANNEL]:
            await asyncio.sleep(0.01)
        answers.write(b"/target", None, b"head", Source(("bucket",), (1,), "blob"))
        answer = await answers.read(b"/target", "")
        assert answer is not None and answer.body == b"data"
        bulletin.touch_all()
        listening.cancel()
        answers.close()

    asyncio.run(main())
    assert tier.forget_many([("bucket", 2)])
    assert tier.forget_all()
    assert tier.stats().errors == 0
