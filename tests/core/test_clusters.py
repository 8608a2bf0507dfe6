"""The URLs of Redis Clusters and of what sentinels watch."""

import pytest

from imagestore.core.clusters import Address, ClusterUrl, SentinelUrl, is_cluster, is_sentinel
from imagestore.settings import Settings

pytestmark = pytest.mark.quick


@pytest.mark.parametrize(
    ("url", "seeds", "first"),
    [
        ("redis+cluster://a:7000,b,c:1", [("a", 7000), ("b", 6379), ("c", 1)], "redis://a:7000/0"),
        ("redis+cluster://a/0", [("a", 6379)], "redis://a:6379/0"),
        ("redis+cluster://a/", [("a", 6379)], "redis://a:6379/0"),
        ("redis+cluster://:p%40ss@a:7,b:8", [("a", 7), ("b", 8)], "redis://:p%40ss@a:7/0"),
        ("rediss+cluster://me:pass@a:7", [("a", 7)], "rediss://me:pass@a:7/0"),
        ("redis+cluster://[::1]:7,[fd00::2]:8", [("::1", 7), ("fd00::2", 8)], "redis://[::1]:7/0"),
        ("rediss+cluster://a?ssl_cert_reqs=none", [("a", 6379)], "rediss://a:6379/0?ssl_cert_reqs=none"),
    ],
)
def test_a_url_names_servers_to_begin_with(url: str, seeds: list[tuple[str, int]], first: str) -> None:
    parsed = ClusterUrl.parse(url)
    assert is_cluster(url)
    assert list(parsed.seeds) == seeds
    assert parsed.of(parsed.seeds[0]) == first
    assert Settings.load({"IMAGESTORE_REDIS_URL": url}).redis_url == url


@pytest.mark.parametrize(
    "url",
    [
        "redis+cluster://",
        "redis+cluster://a,,b",
        "redis+cluster://a,",
        "redis+cluster://a:port",
        "redis+cluster://a:99999",
        "redis+cluster://hush@me:hush@a",
        "redis+cluster://me:hush:hush@a",
        "redis+cluster://:hush@a/3",
        "redis+cluster://:hush@[::1",
        "redis+sentinel://:hush@a",
        "redis+sentinel://:hush@a/",
        "redis+sentinel://:hush@/m",
        "redis+sentinel://:hush@a,,b/m",
        "redis+sentinel://:hush@a:port/m",
        "redis+sentinel://:hush@a/m/first",
        "redis+sentinel://:hush@a/m/0/1",
        "redis+sentinel://hush@me:hush@a/m",
        "redis+sentinel://a/m?sentinel_token=hush",
    ],
)
def test_a_bad_url_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(ValueError, match=r"^wants ") as refused:
        (SentinelUrl if is_sentinel(url) else ClusterUrl).parse(url)
    assert "hush" not in str(refused.value)
    with pytest.raises(ValueError, match="IMAGESTORE_REDIS_URL") as refused:
        Settings.load({"IMAGESTORE_REDIS_URL": url})
    assert "hush" not in str(refused.value)


def test_every_server_is_reached_in_the_same_way() -> None:
    parsed = ClusterUrl.parse("rediss+cluster://me:pass@a:7?ssl_cert_reqs=none")
    assert parsed.of(Address("10.0.0.7", 6379)) == "rediss://me:pass@10.0.0.7:6379/0?ssl_cert_reqs=none"
    assert not is_cluster("redis://a,b")


@pytest.mark.parametrize(
    ("url", "sentinels", "name", "primary", "sentinel"),
    [
        ("redis+sentinel://a:7,b/m", [("a", 7), ("b", 26379)], "m", "redis://db:6379/0", "redis://a:7/0"),
        ("redis+sentinel://a/my%20m/3", [("a", 26379)], "my m", "redis://db:6379/3", "redis://a:26379/0"),
        (
            "redis+sentinel://u:p%40@a/m?sentinel_password=o%2Fwn:",
            [("a", 26379)],
            "m",
            "redis://u:p%40@db:6379/0",
            "redis://:o%2Fwn%3A@a:26379/0",
        ),
        (
            "rediss+sentinel://:p@[::1]:7,[fd00::2]/m?ssl_ca_certs=/c&sentinel_username=me&sentinel_password=x&db=1",
            [("::1", 7), ("fd00::2", 26379)],
            "m",
            "rediss://:p@db:6379/0?ssl_ca_certs=/c&db=1",
            "rediss://me:x@[::1]:7/0?ssl_ca_certs=/c",
        ),
    ],
)
def test_a_url_names_sentinels_and_what_they_watch(
    url: str, sentinels: list[tuple[str, int]], name: str, primary: str, sentinel: str
) -> None:
    parsed = SentinelUrl.parse(url)
    assert is_sentinel(url) and not is_cluster(url)
    assert (list(parsed.sentinels), parsed.name) == (sentinels, name)
    assert parsed.of(Address("db", 6379)) == primary
    assert parsed.of_sentinel(parsed.sentinels[0]) == sentinel
    assert Settings.load({"IMAGESTORE_REDIS_URL": url}).redis_url == url
