"""What `serve` prints once the service answers: where everything is, and two lines that try it out."""

from __future__ import annotations

import json
import os
import shlex
import sys
import time
from dataclasses import dataclass

import click

from imagestore import __version__
from imagestore.cli.notes import Notes, Service
from imagestore.client import NO_RETRIES, Client
from imagestore.core.errors import BucketExists, BucketNotFound, ImagestoreError, Unavailable

READY_SECONDS = 120.0
PAUSE = 0.1
BUCKET = "default"
DRAWING = (
    'from PIL import Image; Image.effect_mandelbrot((1200, 900), (-2.2, -1.3, 1, 1.1), 100).save("photo.jpg")'
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Greeting:
    """`s3_url` is empty where that door is off. `mongo_url` and `redis_url` are of embedded servers, else
    empty: other URLs may hold a password.

    `first_start` tells that the credential was just made, so that it is shown.
    """

    service: Service
    s3_url: str
    notes: Notes
    mongo_url: str
    redis_url: str
    first_start: bool

    def give(self) -> bool:
        """Wait until the service answers, note where it is, and print; whether it did."""
        who = self.service
        with Client(who.url, who.access_key, who.secret, retries=NO_RETRIES) as client:
            if not self._await_ready(client):
                return False
            try:
                access = self._bucket_access(client)
            except ImagestoreError as error:
                click.echo(f"The bucket {BUCKET!r} cannot be seen to: {error.message}", err=True)
                access = None
        self.notes.write_service(self.service)
        click.echo("\n".join([*self._places(), *self._credential(), *self._trial(access)]))
        return True

    def _await_ready(self, client: Client) -> bool:
        deadline, parent = time.monotonic() + READY_SECONDS, os.getppid()
        while os.getppid() == parent:
            try:
                client.check_ready()
                return True
            except Unavailable:
                if time.monotonic() > deadline:
                    click.echo(f"The service is not ready yet: see {self.service.url}/readyz.", err=True)
                    return False
                time.sleep(PAUSE)
        return False

    def _bucket_access(self, client: Client) -> str | None:
        """The access of the bucket that the lines use, None if there is none. Made where MongoDB is ours."""
        try:
            return client.bucket(BUCKET)["access"]
        except BucketNotFound:
            if not self.mongo_url:
                return None
        try:
            return client.create_bucket(BUCKET, "public-read")["access"]
        except BucketExists:
            return client.bucket(BUCKET)["access"]

    def _places(self) -> list[str]:
        url = self.service.url
        lines = [
            f"imagestore {__version__} is ready.",
            "",
            f"  service   {url}",
            f"  API docs  {url}/v1/docs",
        ]
        lines += [f"  S3        {self.s3_url}"] if self.s3_url else []
        lines += [f"  MongoDB   {self.mongo_url}"] if self.mongo_url else []
        lines += [f"  Redis     {self.redis_url}"] if self.redis_url else []
        return [*lines, f"  data      {self.notes.client_file.parent}", ""]

    def _credential(self) -> list[str]:
        if not self.first_start:
            return []
        return [
            f"  access key  {self.service.access_key}",
            f"  secret      {self.service.secret}",
            f"  It may do everything. Shown this once, and kept in {self.notes.client_file}.",
            "",
        ]

    def _trial(self, access: str | None) -> list[str]:
        url, key = self.service.url, f"-K {shlex.quote(str(self.notes.curl_file))}"
        who = f"{key} " if access == "private" else ""
        lines = ["Upload a picture from another terminal, and fetch it:", ""]
        if access is None:
            wanted = json.dumps({"name": BUCKET, "access": "public-read"})
            lines.append(f"  curl {key} --json {shlex.quote(wanted)} {url}/v1/buckets")
        return [
            *lines,
            f"  curl {key} -T photo.jpg {url}/v1/buckets/{BUCKET}/images/photo.jpg",
            f"  curl {who}-o copy.jpg {url}/{BUCKET}/image/upload/photo.jpg",
            "",
            "No photo.jpg at hand? This draws one:",
            "",
            f"  {shlex.quote(sys.executable)} -c {shlex.quote(DRAWING)}",
            "",
            "Ctrl-C stops everything.",
        ]
