"""`imagestore backup` and `restore`: everything that lasts, to a folder or a stream, and back."""

from __future__ import annotations

import secrets
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from imagestore.access.credentials import Secrets
from imagestore.cache.bulletin import Bulletin
from imagestore.cache.tier import Tier
from imagestore.cli.buckets import as_json
from imagestore.cli.completion import offer_folders
from imagestore.cli.notes import Notes
from imagestore.cli.progress import progress_bar
from imagestore.cli.terminal import Failure, print_json, print_table, printable, size_text
from imagestore.cli.upkeep import open_mongo
from imagestore.core.metrics import SILENT
from imagestore.library.aliases import Aliases
from imagestore.library.archive import BackupUnusable, Source, Target
from imagestore.library.archive_folder import FolderSource, FolderTarget
from imagestore.library.archive_tar import TarSource, TarTarget
from imagestore.library.backup import Backup, BackupReport, prune
from imagestore.library.restore import Restore
from imagestore.library.restore_report import Counts, RestoreReport
from imagestore.services import LONGEST_READ, open_generations, open_hook
from imagestore.settings import Settings

STREAM = "-"
REDIS_TIMEOUT = 5.0
"""Seconds for one call: nobody waits for it as for a picture."""

_KEY_NOTICE = """\
The server key is NOT in the backup: keep a copy of it elsewhere (IMAGESTORE_SECRET_KEY, or server.key and
client.json in the data folder). Under another key, every credential that is restored has another secret."""


@click.command(
    epilog="""\b
    Examples:
      imagestore backup /mnt/backup/imagestore
      imagestore backup /mnt/backup/imagestore --verify --prune
      imagestore backup - | zstd | ssh vault 'cat > imagestore.tar.zst'
    """
)
@click.argument("dest", shell_complete=offer_folders)
@click.option(
    "--verify", is_flag=True, help="Read the blobs that are there already too; copy wrong ones anew."
)
@click.option("--prune", is_flag=True, help="Remove blobs that only earlier backups into DEST named.")
@as_json
def backup(dest: str, verify: bool, prune: bool, as_json: bool) -> None:
    """Back up every bucket, credential, image and version to the folder DEST, or as a tar stream to `-`.

    A folder that has a backup gets what is new. The service may run meanwhile: the backup is of one moment.
    What a run leaves that is cut short, the next one goes on with; until it is complete, the backup that was
    there before is. The server key is not in it. Works on the database itself, as `imagestore fsck` does.
    Exit status: 0 all is in it, 1 something is not, since the store has lost it, or the run failed.
    """
    streamed = dest == STREAM
    if streamed and (verify or prune):
        raise click.UsageError("A stream begins empty: --verify and --prune are for folders.")
    if streamed and sys.stdout.isatty():
        raise click.UsageError("The stream is no text for a terminal: redirect it, or name a folder.")
    with _told(), open_mongo() as mongo, _target(dest) as target:
        with progress_bar("backing up", wanted=not as_json) as bar:
            report = Backup(mongo, target).run(verify=verify, progress=bar)
        if prune and isinstance(target, FolderTarget):
            _prune(target, report)
    if as_json:
        print_json(_backup_facts(report), err=streamed)
    else:
        _print_backup(report, err=streamed)
    click.echo(_KEY_NOTICE, err=True)
    if report.lost.counts:
        raise click.exceptions.Exit(1)


@click.command(
    epilog="""\b
    Examples:
      imagestore restore /mnt/backup/imagestore --dry-run
      imagestore restore /mnt/backup/imagestore
      zstd -dc imagestore.tar.zst | imagestore restore -
    """
)
@click.argument("source", shell_complete=offer_folders)
@click.option("--dry-run", is_flag=True, help="Only check the backup and tell what would come back.")
@click.option(
    "--verify", is_flag=True, help="Read the store's own blobs too; mend damaged ones from the backup."
)
@as_json
def restore(source: str, dry_run: bool, verify: bool, as_json: bool) -> None:
    """Put back what the backup in the folder SOURCE, or in a tar stream from `-`, has and the store lacks.

    Nothing is overwritten or removed: where the store has the same or something newer, that stays. What was
    deleted since the backup, credentials included, comes back. All bytes are checked. The service may run
    meanwhile. Works on the database itself, as `imagestore fsck` does. Exit status: 0 all is back, 1
    something is not; run again, it goes on.
    """
    with _told(), open_mongo() as mongo, _aliases() as aliases, tempfile.TemporaryDirectory() as folder:
        workspace = Path(folder)
        with _source(source, workspace) as opened, progress_bar("restoring", wanted=not as_json) as bar:
            work = Restore(mongo, opened, aliases, workspace, dry_run=dry_run, verify=verify)
            report = work.run(bar)
    if as_json:
        print_json({"dry_run": dry_run} | _restore_facts(report))
    else:
        _print_restore(report, dry_run)
    if not report.aliases_forgotten:
        click.echo(
            "Redis was not told: names may be answered as they were for IMAGESTORE_ALIAS_TTL.", err=True
        )
    click.echo(_KEY_NOTICE, err=True)
    if report.problems.counts:
        raise click.exceptions.Exit(1)


@contextmanager
def _told() -> Iterator[None]:
    """What is wrong with a backup or its disk, as one line."""
    try:
        yield
    except BackupUnusable as error:
        raise Failure(str(error)) from error
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        raise Failure(f"The backup cannot be read or written: {where}{error.strerror}.") from error


@contextmanager
def _target(dest: str) -> Iterator[Target]:
    if dest != STREAM:
        with FolderTarget(Path(dest)) as folder:
            yield folder
        return
    with tempfile.TemporaryDirectory() as workspace:
        with TarTarget(sys.stdout.buffer, Path(workspace)) as stream:
            yield stream
        sys.stdout.buffer.flush()


@contextmanager
def _source(source: str, workspace: Path) -> Iterator[Source]:
    if source != STREAM:
        with FolderSource(Path(source), workspace) as folder:
            yield folder
        return
    with TarSource(sys.stdin.buffer, workspace) as stream:
        yield stream


@contextmanager
def _aliases() -> Iterator[Aliases]:
    """What the service's Redis remembers. Without the server key, what is written there is a miss for all."""
    settings = Settings.load()
    notes = Notes(settings.data)
    key = settings.secret_key or notes.kept_server_key() or secrets.token_hex()
    redis_url = settings.redis_url or notes.redis_url() or "none"
    tier = Tier(
        redis_url,
        timeout=REDIS_TIMEOUT,
        value_bytes=0,
        integrity_key=Secrets(key, admin_key=settings.admin_key).derive("cache"),
        fence_seconds=settings.alias_ttl + LONGEST_READ,
    )
    hook = open_hook(settings, SILENT)
    try:
        bulletin = Bulletin(tier, open_generations(settings), redis_url)
        yield Aliases(tier, bulletin, settings.alias_ttl, hook=hook)
    finally:
        if hook is not None:
            hook.close()
        tier.close()


def _prune(target: FolderTarget, report: BackupReport) -> None:
    if report.lost.counts:
        click.echo("Nothing was pruned, since something is lost: an earlier backup may have it.", err=True)
    else:
        prune(target, report)


def _backup_facts(report: BackupReport) -> dict[str, Any]:
    facts = asdict(report)
    facts["lost"] = _tally_facts(report.lost.counts, facts["lost"])
    return facts | {"complete": not report.lost.counts}


def _restore_facts(report: RestoreReport) -> dict[str, Any]:
    facts = asdict(report)
    del facts["absent"], facts["absent_blobs"]
    facts["problems"] = _tally_facts(report.problems.counts, facts["problems"])
    return facts


def _tally_facts(counts: dict[str, int], tally: dict[str, Any]) -> dict[str, Any]:
    return {"counts": dict(counts), "listed": tally["listed"], "omitted": tally["omitted"]}


def _print_backup(report: BackupReport, *, err: bool) -> None:
    for each in report.lost.listed:
        click.echo(printable(f"{each.kind} in the store: {each.what}: blob {each.digest}"), err=True)
    if report.lost.omitted:
        click.echo(f"... and {report.lost.omitted} more", err=True)
    rows: list[tuple[str, str]] = [(name, str(count)) for name, count in report.counts.items()]
    rows.append(("blobs copied", f"{report.copied} ({size_text(report.copied_bytes)})"))
    rows.append(("blobs there", f"{report.kept} ({size_text(report.kept_bytes)})"))
    if report.pruned:
        rows.append(("blobs pruned", f"{report.pruned} ({size_text(report.pruned_bytes)})"))
    if report.gone:
        rows.append(("deleted meanwhile", str(report.gone)))
    print_table(rows, err=err)


def _print_restore(report: RestoreReport, dry_run: bool) -> None:
    for each in report.problems.listed:
        kind = each.kind.replace("_", " ")
        click.echo(printable(f"{kind}: {each.what}: {each.detail}"), err=True)
    if report.problems.omitted:
        click.echo(f"... and {report.problems.omitted} more", err=True)
    added = "would come back" if dry_run else "came back"
    rows = []
    for name in ("buckets", "credentials", "transformations", "images", "versions", "blobs"):
        counts: Counts = getattr(report, name)
        parts = [f"{counts.added} {added}", f"{counts.kept} there"]
        parts += [f"{counts.changed} {'mended' if name == 'blobs' else 'renewed'}"] if counts.changed else []
        parts += [size_text(report.bytes)] if name == "blobs" and report.bytes else []
        rows.append((name, ", ".join(parts)))
    if report.passed:
        rows.append(("not in the backup", f"{report.passed} versions that were deleted while it was made"))
    print_table(rows)
    if report.credentials_added:
        click.echo(
            f"Credentials that {added}; revoke again those that were revoked since the backup: "
            f"{', '.join(map(printable, report.credentials_added))}"
        )
