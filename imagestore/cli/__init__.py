"""The `imagestore` command.

__init__.py     the command and what it is made of
terminal.py     errors, JSON, the connection to the service
statuses.py     exit statuses
completion.py   `completion`, and what a shell is offered
progress.py     a progress bar
pacing.py       batches, no faster than a rate
notes.py        what `serve` keeps in the data folder: keys, and where the service is
serve.py        `serve`: embedded servers, gunicorn
server.py       gunicorn, set up and run in this process
caretaker.py    the process of scheduled upkeep, which `serve` runs beside its workers
greeting.py     what `serve` prints once the service answers
upkeep.py       `fsck` and `gc`, which work on the database itself
stats.py        `stats`, which does so too
backup.py       `backup` and `restore`, which do so too
plan.py         `plan`, which reads an access log
doctor.py       `doctor`; checks/ has what it examines
explain.py      `explain`, which asks what would answer a URL
warm.py, warmlog.py   `warm`, by keys and by an access log
upload.py, images.py, buckets.py, credentials.py, purge.py, settings.py   the other commands
"""

from __future__ import annotations

from importlib import import_module

import click

from imagestore import __version__
from imagestore.cli.terminal import Program

COMMANDS = {
    "backup": "backup",
    "bucket": "buckets",
    "completion": "completion",
    "credential": "credentials",
    "doctor": "doctor",
    "explain": "explain",
    "fsck": "upkeep",
    "gc": "upkeep",
    "get": "images",
    "ls": "images",
    "plan": "plan",
    "purge": "purge",
    "restore": "backup",
    "rm": "images",
    "serve": "serve",
    "settings": "settings",
    "show": "images",
    "sign": "images",
    "stats": "stats",
    "transformation": "transformations",
    "upload": "upload",
    "warm": "warm",
}
"""Command → the module that holds it under the same name."""


class Commands(Program):
    """Imports a command's module when it is wanted: nobody who lists images waits for a database driver."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        module = COMMANDS.get(cmd_name)
        if module is None:
            return None
        command: click.Command = getattr(import_module(f"imagestore.cli.{module}"), cmd_name)
        return command


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog="""\b
    Examples:
      imagestore serve
      imagestore upload holiday/ --bucket default --tags sea,2024
      imagestore ls 2024/ -l
      imagestore get beach.jpg -o copy.jpg
    """,
)
@click.version_option(__version__, prog_name="imagestore")
def main() -> None:
    """A self-hosted image service, and the commands that talk to it.

    The commands find the service by IMAGESTORE_URL, IMAGESTORE_ACCESS_KEY and IMAGESTORE_ACCESS_SECRET, else
    by what `imagestore serve` noted in its data folder. Exit status: 0 all is well, 1 something failed, 2 the
    command line is wrong, 3 not found, 4 refused, 5 it exists or changed, 75 unavailable: try again later,
    130 interrupted.
    """
