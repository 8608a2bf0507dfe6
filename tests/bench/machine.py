"""The facts of the machine that figures depend on: processor, memory, load, versions."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from imagestore.embedded import executables

PACKAGES = ("gunicorn", "gunicorn_h1c", "uvloop", "flask", "redis", "hiredis", "pymongo", "pillow")
PROGRAMS = {
    "mongod": (["mongod"], "--version"),
    "Redis": (["redis-server"], "--version"),
    "nginx": (["nginx"], "-v"),
    "wrk": (["wrk"], "-v"),
}


def facts() -> dict[str, str]:
    processors = re.findall(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "processor": f"{os.cpu_count()} x {processors[0] if processors else 'unknown'}",
        "memory": f"{memory:.0f} GiB",
        "system": f"{platform.system()} {platform.release()}",
        "Python": f"{platform.python_version()}, with {', '.join(_packages())}",
        "programs": ", ".join(f"{name} {_version_of(name)}" for name in PROGRAMS),
    }


def load() -> str:
    """The load of the last minute: above the number of processors others measure along."""
    return f"{os.getloadavg()[0]:.1f}"


def _packages() -> list[str]:
    found = []
    for name in PACKAGES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            found.append(f"no {name}")
    return found


def _version_of(name: str) -> str:
    command, option = PROGRAMS[name]
    if name == "mongod":
        command = [str(executables.find(executables.MONGOD))]
    elif name == "Redis":
        command = [str(executables.find(executables.REDIS_SERVER))]
    try:
        told = subprocess.run([*command, option], capture_output=True, text=True, timeout=10)
    except OSError:
        return "is missing"
    found = re.search(r"\d+\.\d+(\.\d+)?", told.stdout + told.stderr)
    return found[0] if found else "unknown"
