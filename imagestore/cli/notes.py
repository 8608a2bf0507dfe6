"""What `serve` keeps in its data folder: the server key, and how the other commands reach the service."""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path

from imagestore.access.credentials import make_server_key


@dataclass(frozen=True, slots=True)
class Service:
    """Where the service is, and its first credential."""

    url: str
    access_key: str
    secret: str


class Notes:
    """Files in the data folder that only this user may read, each replaced as a whole."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self.client_file = data / "client.json"
        self.curl_file = data / "curlrc"
        self._mongo_file = data / "mongo.url"
        self._redis_file = data / "redis.url"

    def server_key(self) -> str:
        """The server key that is kept here, made at the first call. Raises OSError."""
        kept = self._data / "server.key"
        if not kept.exists():
            fresh = self._write_aside(kept, make_server_key() + "\n")
            try:
                os.link(fresh, kept)  # unlike a rename, it leaves a key that another process has just made
            except FileExistsError:
                pass
            finally:
                fresh.unlink()
        return kept.read_text().strip()

    def kept_server_key(self) -> str:
        """The server key if one is kept here, else empty: for those who must not make one."""
        kept = self._data / "server.key"
        return kept.read_text().strip() if kept.exists() else ""

    def service(self) -> Service | None:
        """What was noted last; None where nothing was, or nothing that can be read."""
        try:
            noted = json.loads(self.client_file.read_text())
            return Service(noted["url"], noted["access_key"], noted["secret"])
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def write_service(self, service: Service) -> None:
        """Note the service, and the credential for curl. Raises OSError."""
        self._replace(self.client_file, json.dumps(asdict(service), indent=2) + "\n")
        user = f"{service.access_key}:{service.secret}".replace("\\", "\\\\").replace('"', '\\"')
        self._replace(self.curl_file, f'user = "{user}"\n')

    def mongo_url(self) -> str:
        """The embedded mongod of the service that was noted last; empty where there is none."""
        return self._mongo_file.read_text().strip() if self._mongo_file.exists() else ""

    def write_mongo_url(self, url: str) -> None:
        """Note the embedded mongod; an empty url says that there is none. Raises OSError."""
        self._replace(self._mongo_file, f"{url}\n")

    def redis_url(self) -> str:
        """As `mongo_url`, of the embedded Redis."""
        return self._redis_file.read_text().strip() if self._redis_file.exists() else ""

    def write_redis_url(self, url: str) -> None:
        """As `write_mongo_url`, of the embedded Redis."""
        self._replace(self._redis_file, f"{url}\n")

    def _replace(self, path: Path, text: str) -> None:
        self._write_aside(path, text).replace(path)

    def _write_aside(self, path: Path, text: str) -> Path:
        aside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        with open(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        return aside
