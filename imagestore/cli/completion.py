"""`imagestore completion`: the script by which a shell completes our command lines, and what it offers."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator

import click
from click.shell_completion import CompletionItem, get_completion_class

from imagestore.cli.terminal import connect
from imagestore.client import NO_RETRIES, Client
from imagestore.core.errors import ImagestoreError
from imagestore.settings.variables import InvalidSetting

SHELLS = ("bash", "zsh", "fish")
SECONDS = 1.0
"""Longest wait for a piece of the service's answer: somebody sits before a terminal that stands still."""

MOST = 200
"""Keys that are offered. Of more, a shell would take what the first of them share for what all do."""

_PLAIN = re.compile(r"[\w./+@%][\w./+@%-]*")
"""What every shell leaves as it is. Nothing else is offered, since names come from whoever may upload."""

Offer = Callable[[click.Context, click.Parameter, str], list[CompletionItem[str]]]


@click.command(
    epilog="""\b
    Examples:
      imagestore completion bash > ~/.local/share/bash-completion/completions/imagestore
      imagestore completion zsh > ~/.zfunc/_imagestore
      imagestore completion fish > ~/.config/fish/completions/imagestore.fish
    """
)
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the script that lets SHELL complete commands, options, buckets, keys and access keys.

    Names are asked of the service, which has a second to answer; without one, or with a name that a shell
    would read otherwise, none is offered.
    """
    kind = get_completion_class(shell)
    assert kind is not None
    program = context.find_root().command
    click.echo(kind(program, {}, "imagestore", "_IMAGESTORE_COMPLETE").source())


def _asked(find: Callable[[Client, click.Context, str], Iterable[str]]) -> Offer:
    """What `find` finds at the service for what was typed so far; nothing where anything is in the way."""

    def offer(
        context: click.Context, parameter: click.Parameter, incomplete: str
    ) -> list[CompletionItem[str]]:
        del parameter
        try:
            with connect(timeout=SECONDS, retries=NO_RETRIES) as client:
                found = list(find(client, context, incomplete))
        except (ImagestoreError, InvalidSetting, click.ClickException, OSError):
            return []
        return [
            CompletionItem(name) for name in found if name.startswith(incomplete) and _PLAIN.fullmatch(name)
        ]

    return offer


def _find_buckets(client: Client, context: click.Context, incomplete: str) -> Iterator[str]:
    return (bucket["name"] for bucket in client.buckets())


def _find_keys(client: Client, context: click.Context, incomplete: str) -> list[str]:
    bucket = context.params.get("bucket") or "default"
    found = [image["key"] for image in client.images(bucket, incomplete, limit=MOST + 1)]
    return found if len(found) <= MOST else []


def _find_access_keys(client: Client, context: click.Context, incomplete: str) -> Iterator[str]:
    return (credential["access_key"] for credential in client.credentials())


def _path(kind: str) -> Offer:
    """The shell's own completion of paths."""
    return lambda context, parameter, incomplete: [CompletionItem(incomplete, type=kind)]


offer_buckets = _asked(_find_buckets)
offer_keys = _asked(_find_keys)
offer_access_keys = _asked(_find_access_keys)
offer_files = _path("file")
offer_folders = _path("dir")
