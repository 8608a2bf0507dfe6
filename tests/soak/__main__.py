"""`python -m tests.soak`: uploads, hits, renders and deletions for minutes, and every body is checked.

Exit status 1 when a rule breaks: an answer of the server class, other bytes than were stored, a lost answer,
a process whose memory is not flat, a Redis beyond its bound. Next to the results lies the access log, which
`imagestore plan` and `imagestore warm --plan` read.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

from tests.bench import machine
from tests.soak.run import Plan, as_json, plot, soak, table


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    seconds = float(os.environ.get("SOAK_SECONDS", "600"))
    parser.add_argument("--seconds", type=float, default=seconds, help="default: SOAK_SECONDS, else 600")
    parser.add_argument("--images", type=int, default=2000, help="how many different ones (2000)")
    parser.add_argument("--rate", type=float, default=400.0, help="requests a second of all clients (400)")
    parser.add_argument(
        "--folder", type=Path, default=Path("build/soak"), help="for the results (build/soak)"
    )
    options = parser.parse_args()
    plan = Plan(options.seconds, options.images, options.rate)
    options.folder.mkdir(parents=True, exist_ok=True)
    print("\n".join(f"{name:12}{value}" for name, value in machine.facts().items()))
    print(f"load        {machine.load()}")
    print(f"\n{plan.seconds:g} s, at most {plan.rate:g} requests a second", flush=True)
    with tempfile.TemporaryDirectory(prefix="imagestore-soak-") as name:
        outcome = soak(plan, Path(name), options.folder / "access.log")
    (options.folder / "memory.svg").write_text(plot(outcome))
    (options.folder / "results.json").write_text(as_json(outcome, plan))
    print("\n".join(table(outcome)))
    print(f"\n{options.folder}: access.log, memory.svg, results.json")
    for breach in outcome.breaches:
        print(f"BROKEN: {breach}")
    return 1 if outcome.breaches else 0


if __name__ == "__main__":
    sys.exit(main())
