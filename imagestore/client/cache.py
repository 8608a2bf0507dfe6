"""Client: the calls about the caches: warm-up, purge, what they hold, what would answer."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, cast
from urllib.parse import urlsplit

from imagestore.client.answers import CacheStats, Explanation, Purged, Warmed
from imagestore.client.wire import Wire
from imagestore.core.errors import InvalidParameter


class CacheCalls:
    """A part of Client."""

    _call: Callable[..., Any]
    _wire: Wire

    def visit(self, path: str) -> str:
        """Have a delivery URL answered as to a stranger, so that the caches keep what they would keep of it.

        Returns where the answer came from, as Cache-Status tells (RFC 9211).
        """
        return self._wire.cache_status(path)

    def explain(self, url: str, *, accept: str = "*/*") -> Explanation:
        """What would answer a delivery URL, and why; of a whole URL the path and the query count. Nothing is
        rendered for it. `accept` is what the client would say that it takes."""
        parts = urlsplit(url)
        if "/image/upload/" not in parts.path:
            raise InvalidParameter(f"{url!r} is no delivery URL, such as /BUCKET/image/upload/KEY.")
        query = "&".join(filter(None, [parts.query, "explain"]))
        headers = {"Accept": accept}
        found = self._call("GET", f"{parts.path}?{query}", again=True, headers=headers)
        return cast(Explanation, found)

    def warm(
        self,
        bucket: str,
        keys: Iterable[str],
        transformations: Iterable[str] | None = None,
        *,
        accept: str = "",
    ) -> Warmed:
        """Load the originals of up to 100 keys into Redis; with transformations, as in URLs, their renditions
        instead, up to 100 in all. `accept` is what clients will say that they accept, for `f_auto`."""
        asked: dict[str, object] = {"bucket": bucket, "keys": list(keys)}
        if transformations is not None:
            asked |= {"transformations": list(transformations), "accept": accept}
        return cast(Warmed, self._call("POST", "/v1/cache/warm", again=True, json=asked))

    def purge(
        self,
        bucket: str,
        keys: Iterable[str] | None = None,
        *,
        tag: str | None = None,
        prefix: str | None = None,
        after: str = "",
    ) -> Purged:
        """Drop all that is kept of images' answers, and what was made of them: of up to 100 keys, of those
        with a tag, of those whose key begins so, or else of all. Of many images one call does a part: go on
        with `after` set to the answer's `next`."""
        asked: dict[str, object] = {"bucket": bucket, "after": after}
        if keys is not None:
            asked["keys"] = list(keys)
        elif tag is not None:
            asked["tag"] = tag
        else:
            asked |= {"prefix": prefix} if prefix else {"everything": True}
        return cast(Purged, self._call("POST", "/v1/cache/purge", again=True, json=asked))

    def cache_stats(self, hottest: int = 20) -> CacheStats:
        """What memory and Redis answered, and spared, on the node that answers, with so many of the paths
        that are asked for most."""
        asked = {"hottest": hottest}
        return cast(CacheStats, self._call("GET", "/v1/cache/stats", again=True, params=asked))
