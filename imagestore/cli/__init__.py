"""The `imagestore` command.

__init__.py     the command and what it is made of
terminal.py     errors, JSON, the connection to the service
statuses.py     exit statuses
completion.py   `completion`, and what a shell is offered
progress.py     a progress bar
notes.py        what `serve` keeps in the data folder: keys, and where the service is
serve.py        `serve`: embedded servers, gunicorn
server.py       gunicorn, set up and run in this process
caretaker.py    the process of scheduled upkeep, which `serve` runs beside its workers
greeting.py     what `serve` prints once the service answers
upkeep.py       `fsck` and `gc`, which work on the database itself
stats.py        `stats`, which does so too
backup.py       `backup` and `restore`, which do so too
doctor.py       `doctor`; checks/ has what it examines
upload.py, images.py, buckets.py, credentials.py, warm.py, settings.py   the other commands
"""

from __future__ import annotations

import click

from imagestore import __version__
from imagestore.cli.backup import backup, restore
from imagestore.cli.buckets import bucket
from imagestore.cli.completion import completion
from imagestore.cli.credentials import credential
from imagestore.cli.doctor import doctor
from imagestore.cli.images import get, ls, rm, show, sign
from imagestore.cli.serve import serve
from imagestore.cli.settings import settings
from imagestore.cli.stats import stats
from imagestore.cli.terminal import Program
from imagestore.cli.upkeep import fsck, gc
from imagestore.cli.upload import upload
from imagestore.cli.warm import warm


@click.group(
    cls=Program,
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


for _command in (serve, upload, ls, show, get, rm, sign, warm, bucket, credential, settings, completion):
    main.add_command(_command)
for _command in (fsck, gc, stats, backup, restore, doctor):
    main.add_command(_command)
