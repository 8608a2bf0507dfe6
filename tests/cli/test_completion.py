"""Completion in real shells: what a line is completed to, with a service and without one."""

from __future__ import annotations

import os
import pty
import re
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import pytest
from click.shell_completion import ShellComplete

from imagestore.cli import main
from imagestore.cli.completion import SHELLS
from imagestore.client import Client
from tests import pictures
from tests.cli.conftest import run_alone
from tests.service import PATIENCE, Service, environment

PICTURE = pictures.png()
SAFE = ["2024/beach.png", "2024/beech.png", "2024/ä.png"]
UNSAFE = ["2024/$(touch x).png", "2024/a b.png", "2024/*.png", "2024/a,b.png", "2024/a;b.png"]
NOWHERE = {"url": "http://127.0.0.1:1", "access_key": "KEY", "access_secret": "secret"}

BASH = """
source <(imagestore completion bash)
function_name=$(complete -p imagestore | sed 's/.*-F \\([^ ]*\\) .*/\\1/')
compopt() { COMPREPLY+=("$1 $2"); }
while IFS= read -r line; do
    read -ra COMP_WORDS <<< "$line"
    COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
    COMPREPLY=()
    $function_name imagestore
    echo "${COMPREPLY[*]}"
done
"""
"""`compopt` works only where a completion is under way: what is told to it is shown instead."""


def shell_environment(settings: Mapping[str, object]) -> dict[str, str]:
    paths = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return environment(settings) | {"PATH": paths, "TERM": "dumb", "LC_ALL": "C.UTF-8"}


def run_shell(command: list[str], settings: Mapping[str, object], lines: str = "") -> str:
    done = subprocess.run(
        command,
        input=lines,
        env=shell_environment(settings),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert done.stderr == ""
    return done.stdout


def offered(monkeypatch: pytest.MonkeyPatch, settings: Mapping[str, object], *line: str) -> list[str]:
    """What a shell is offered for the last word of the line; `<kind>` stands for paths."""
    for name, value in settings.items():
        monkeypatch.setenv(f"IMAGESTORE_{name.upper()}", str(value))
    asked = ShellComplete(main, {}, "imagestore", "_IMAGESTORE_COMPLETE")
    found = asked.get_completions(list(line[:-1]), line[-1])
    return [each.value if each.type == "plain" else f"<{each.type}>" for each in found]


def type_into(command: list[str], lines: str, awaited: str, settings: Mapping[str, object]) -> str:
    """What a terminal shows when these keys are pressed, up to what is awaited."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execvpe(command[0], command, shell_environment(settings))
    shown = ""
    try:
        os.write(terminal, lines.encode())
        deadline = time.monotonic() + PATIENCE
        while not re.search(awaited, shown):
            assert time.monotonic() < deadline, shown
            if select.select([terminal], [], [], 1)[0]:
                shown += os.read(terminal, 4096).decode(errors="replace")
        return shown
    finally:
        os.close(terminal)
        os.waitpid(pid, 0)


@pytest.fixture
def keys(client: Client, bucket: str) -> list[str]:
    for key in (*SAFE, *UNSAFE, "2023/x.png"):
        client.upload(bucket, PICTURE, key)
    return SAFE


@pytest.mark.quick
@pytest.mark.parametrize("shell", SHELLS)
def test_the_script_is_printed_for_each_shell(shell: str) -> None:
    told = run_alone("completion", shell)
    assert (told.exit_code, "_IMAGESTORE_COMPLETE" in told.stdout) == (0, True)
    assert run_alone("completion", "powershell").exit_code == 2


@pytest.mark.quick
def test_commands_options_choices_and_paths_are_offered(monkeypatch: pytest.MonkeyPatch) -> None:
    def ask(*line: str) -> list[str]:
        return offered(monkeypatch, NOWHERE, *line)

    assert ask("up") == ["upload"]
    assert ask("bucket", "c") == ["create"]
    assert ask("upload", "--j") == ["--jobs", "--json"]
    assert ask("bucket", "create", "x", "--access", "p") == ["public-read", "private"]
    assert ask("upload", "") == ask("get", "-o", "") == ["<file>"]
    assert ask("restore", "") == ask("backup", "") == ["<dir>"]


@pytest.mark.quick
@pytest.mark.parametrize("line", [("get", ""), ("ls", "--bucket", ""), ("credential", "revoke", "")])
def test_without_a_service_nothing_is_offered_and_nothing_said(
    line: tuple[str, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    assert offered(monkeypatch, {"data": tmp_path}, *line) == []
    assert offered(monkeypatch, NOWHERE, *line) == []
    assert offered(monkeypatch, {"workers": "many"}, *line) == []
    assert capfd.readouterr() == ("", "")


def test_names_are_offered_that_a_shell_leaves_as_they_are(
    client: Client, service: Service, bucket: str, keys: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def ask(*line: str) -> list[str]:
        return offered(monkeypatch, {"data": service.data}, *line)

    assert ask("get", "--bucket", bucket, "2024/") == keys
    assert ask("get", "--bucket", bucket, "2024/be") == keys[:2]
    assert ask("get", "--bucket", "nowhere", "2024/") == []
    assert ask("ls", "--bucket", bucket[:-1]) == ask("bucket", "show", bucket[:-1]) == [bucket]
    made = client.create_credential(["read"])["access_key"]
    assert ask("credential", "revoke", made[:-1]) == [made]
    monkeypatch.setattr(sys.modules["imagestore.cli.completion"], "MOST", 2)
    assert ask("get", "--bucket", bucket, "2024/be") == keys[:2]
    assert ask("get", "--bucket", bucket, "2024/") == []


def test_bash_completes(service: Service, bucket: str, keys: list[str]) -> None:
    lines = f"imagestore up\nimagestore upload x\nimagestore show --bucket {bucket} 2024/\n"
    told = run_shell(["bash", "--norc", "-c", BASH], {"data": service.data}, lines)
    assert told.splitlines() == ["upload", "-o default", " ".join(keys)]


def test_a_tab_in_bash_completes_the_line(service: Service, bucket: str, keys: list[str]) -> None:
    lines = f"source <(imagestore completion bash)\nimagestore show --bucket {bucket} 2024/bea\t\n"
    told = type_into(["bash", "--norc", "-i"], lines, r"digest\s+[0-9a-f]{64}", {"data": service.data})
    assert "2024/beach.png" in told


@pytest.mark.skipif(not shutil.which("fish"), reason="there is no fish here")
def test_fish_completes(service: Service, bucket: str, keys: list[str]) -> None:
    lines = ("imagestore up", f"imagestore get --bucket {bucket} 2024/")
    script = "imagestore completion fish | source\n" + "".join(f"complete -C '{line}'\n" for line in lines)
    told = run_shell(["fish", "-N", "-c", script], {"data": service.data})
    assert sorted(line.partition("\t")[0] for line in told.splitlines()) == [*keys, "upload"]


@pytest.mark.skipif(not shutil.which("zsh"), reason="there is no zsh here")
def test_a_tab_in_zsh_completes_the_line(service: Service, bucket: str, keys: list[str]) -> None:
    lines = "autoload -Uz compinit && compinit -u -D; source <(imagestore completion zsh)\n"
    lines += f"imagestore show --bucket {bucket} 2024/bea\t\n"
    told = type_into(["zsh", "-f", "-i"], lines, r"digest\s+[0-9a-f]{64}", {"data": service.data})
    assert "2024/beach.png" in told
