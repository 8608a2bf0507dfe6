"""`imagestore serve`: start what is missing, serve, and stop all of it."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import fields, replace
from functools import partial
from types import FrameType
from typing import NoReturn

import click

from imagestore.access.credentials import Secrets, make_access_key
from imagestore.cli.greeting import Greeting
from imagestore.cli.notes import Notes, Service
from imagestore.cli.terminal import Failure
from imagestore.core.logs import passwords_of, set_up_logging
from imagestore.core.metrics_files import MetricsFolder
from imagestore.core.traces import secrets_in
from imagestore.embedded import Embedded, EmbeddedError
from imagestore.embedded.server import prepare_folder
from imagestore.settings import Settings
from imagestore.settings.variables import PREFIX, environment_name, variables
from imagestore.store.mongo import Mongo


@click.command(
    epilog="""\b
    Examples:
      imagestore serve
      imagestore serve --bind 0.0.0.0:80 --workers 4
      IMAGESTORE_MONGO_URL=mongodb://db/?replicaSet=rs0 IMAGESTORE_REDIS_URL=redis://cache imagestore serve
    """
)
@click.option(
    "--bind", metavar="HOST:PORT", help="Where to listen (IMAGESTORE_BIND); port 0 takes a free one."
)
@click.option("--workers", type=click.IntRange(1, 256), help="Worker processes (IMAGESTORE_WORKERS).")
def serve(bind: str | None, workers: int | None) -> None:
    """Run the service until Ctrl-C or SIGTERM.

    Where IMAGESTORE_MONGO_URL or IMAGESTORE_REDIS_URL are not set, a private mongod or redis-server runs
    beside it, with its files in IMAGESTORE_DATA. SIGHUP replaces the workers without losing a request.
    """
    chosen = {PREFIX + "BIND": bind, PREFIX + "WORKERS": str(workers) if workers else None}
    settings = Settings.load(
        os.environ | {name: value for name, value in chosen.items() if value is not None}
    )
    set_up_log(settings)
    signal.signal(signal.SIGTERM, _leave)  # until gunicorn takes the signals over
    _run(settings)


def set_up_log(settings: Settings, *made: str) -> None:
    """With every secret kept out that the settings hold or that was `made`."""
    urls = (settings.mongo_url, settings.redis_url)
    set_up_logging(
        settings.log_level,
        settings.log_format,
        access=settings.access_log == "on",
        audit=settings.audit_log == "on",
        secrets=[
            settings.secret_key,
            settings.admin_secret,
            settings.alert_webhook,
            settings.purge_hook,
            settings.purge_hook_token,
            *(value for _, value in settings.purge_hook_headers.fields),
            *(password for url in urls for password in passwords_of(url)),
            *secrets_in(os.environ),
            *made,
        ],
    )


def _leave(number: int, frame: FrameType | None) -> NoReturn:
    del number, frame
    sys.exit(0)


def _run(settings: Settings) -> NoReturn:
    """Ends in SystemExit, in the workers too."""
    try:
        settings = replace(settings, data=prepare_folder(settings.data))
        listeners = [_listen(settings.bind, "BIND", "choose another address with --bind HOST:PORT")]
        if settings.s3_bind != "off":
            advice = "choose another address for the S3 door, or off"
            listeners.append(_listen(settings.s3_bind, "S3_BIND", advice))
        embedded = Embedded.start(settings, mongo=not settings.mongo_url, redis=not settings.redis_url)
    except EmbeddedError as error:
        raise Failure(str(error)) from error
    owner = os.getpid()
    try:
        _serve(settings, listeners, embedded)
    finally:
        if os.getpid() == owner:  # workers leave by this way too
            embedded.stop()


def _serve(settings: Settings, listeners: Sequence[socket.socket], embedded: Embedded) -> NoReturn:
    # The other commands need not wait for these.
    from imagestore.cli.caretaker import Caretaker
    from imagestore.cli.server import Server, run_beside, url_of

    mongo_url = embedded.mongo.url if embedded.mongo else ""
    redis_url = embedded.redis.url if embedded.redis else ""
    settings = replace(
        settings, mongo_url=settings.mongo_url or mongo_url, redis_url=settings.redis_url or redis_url
    )
    notes = Notes(settings.data)
    notes.write_mongo_url(mongo_url)
    notes.write_redis_url(redis_url)
    settings, secret, made = _with_keys(settings, notes)
    set_up_log(settings, secret)
    _ensure_indexes(settings)
    _hide_secrets(settings)
    greeting = Greeting(
        service=Service(url_of(listeners[0]), settings.admin_key, secret),
        s3_url=url_of(listeners[1]) if len(listeners) > 1 else "",
        notes=notes,
        mongo_url=mongo_url,
        redis_url=redis_url,
        first_start=made,
    )
    with _metrics_folder(settings) as fold, Caretaker(settings, fold) as caretaker:

        def look(workers: Collection[int]) -> None:
            embedded.look()
            if settings.upkeep == "on":
                caretaker.look(workers)

        def end_worker(dead: int, living: Collection[int]) -> None:
            if fold is not None:
                fold(dead, {*living, *caretaker.pids})

        begin = partial(_begin, greeting, settings)
        Server(settings, listeners, lambda: run_beside(begin), end_worker, look).run()
    raise AssertionError("gunicorn ends in SystemExit")


def _begin(greeting: Greeting, settings: Settings) -> None:
    """What is done once, beside the workers, when they serve."""
    from imagestore.cli.warmhot import start_warming

    if greeting.give() and settings.warm_start and settings.metrics != "off":
        start_warming(settings.warm_start)


@contextlib.contextmanager
def _metrics_folder(settings: Settings) -> Iterator[Callable[[int, Collection[int]], None] | None]:
    """The workers' counters lie there as long as the service runs; what to call when one of them ends."""
    if settings.metrics == "off":
        yield None
        return
    folder, owner = MetricsFolder(settings.data / "metrics"), os.getpid()
    try:
        yield folder.fold
    finally:
        if os.getpid() == owner:  # workers leave by this way too
            folder.remove()


def _listen(address: str, setting: str, advice: str) -> socket.socket:
    from imagestore.cli.server import listen

    try:
        return listen(address)
    except OSError as error:
        raise Failure(
            f"Cannot listen on {address} ({error.strerror}): {advice} ({PREFIX}{setting})."
        ) from error


def _with_keys(settings: Settings, notes: Notes) -> tuple[Settings, str, bool]:
    """Settings with a server key and an admin key, the admin's secret, and whether its key was just made."""
    server_key = settings.secret_key or notes.server_key()
    noted = notes.service()
    admin_key = settings.admin_key or (noted.access_key if noted else make_access_key())
    try:
        secrets = Secrets(server_key, admin_key=admin_key, admin_secret=settings.admin_secret)
    except ValueError as error:
        raise Failure(str(error)) from error
    made = noted is None and not settings.admin_key
    kept = replace(settings, secret_key=server_key, admin_key=admin_key)
    return kept, secrets.secret_of(admin_key), made


def _ensure_indexes(settings: Settings) -> None:
    """Build what the database lacks. Raises StoreUnavailable."""
    mongo = Mongo(
        settings.mongo_url,
        settings.mongo_database,
        write_timeout=settings.store_timeout,
        read_timeout=settings.read_timeout,
    )
    try:
        mongo.ensure_indexes()
    finally:
        mongo.close()


def _hide_secrets(settings: Settings) -> None:
    """Leave in the environment what the workers read there, and no secret for the decoders to inherit."""
    shown = settings.environment()
    for each in fields(settings):
        name = environment_name(each)
        for variable in variables(each):
            os.environ.pop(variable, None)
        if name in shown and not each.metadata["secret"]:
            os.environ[name] = shown[name]
