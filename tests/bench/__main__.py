"""`python -m tests.bench`: start the service, measure it beside a bare GridFS, print a table of medians.

Nothing is asserted: figures depend on the machine, and so they are printed with it. Ratios say most.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import tempfile
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

from pymongo import MongoClient
from redis import Redis

from imagestore.embedded.replica_set import start_replica_set
from tests.bench.measures import Row, Target, measure_all
from tests.service import running_service


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--seconds", type=float, default=3.0, help="length of one round of a throughput")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    options = parser.parse_args()
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="imagestore-bench-") as name:
        folders = [Path(name, each) for each in ("hot", "cold", "three", "members")]
        for each in folders:
            each.mkdir()
        with running_service(folders[0]) as hot:
            machine = facts_of_machine(hot.mongo_url, hot.redis_url)
            print("\n".join(f"{name:12}{value}" for name, value in machine.items()))
            print(f"\n{'':64}{'ours':>10}{'GridFS':>10}{'ratio':>8}")
            with (
                running_service(folders[1], mongo_url=hot.mongo_url, redis_url="none") as cold,
                start_replica_set(folders[3]) as members,
                running_service(folders[2], mongo_url=members.url) as three,
            ):
                with three.client() as client:
                    client.create_bucket("default", "public-read")
                targets = (
                    Target(hot, hot.mongo_url),
                    Target(cold, hot.mongo_url),
                    Target(three, members.url),
                )
                for row in measure_all(*targets, options.seconds):
                    rows.append(row)
                    print(line_of(row), flush=True)
    print("\nGridFS: pymongo's GridFSBucket in this process, with a thread for each client, and no HTTP.")
    if options.json:
        figures = [asdict(row) | {"ratio": row.ratio} for row in rows]
        options.json.write_text(json.dumps({"machine": machine, "rows": figures}, indent=2) + "\n")


def line_of(row: Row) -> str:
    bare = f"{row.bare:10.4g}" if row.bare is not None else " " * 10
    ratio = f"{row.ratio:8.2f}" if row.ratio is not None else " " * 8
    return f"{row.what + ', ' + row.unit:64}{row.ours:10.4g}{bare}{ratio}  {row.better} is better"


def facts_of_machine(mongo_url: str, redis_url: str) -> dict[str, str]:
    with MongoClient[dict[str, object]](mongo_url) as mongo, Redis.from_url(redis_url) as redis:
        mongod, server = str(mongo.server_info()["version"]), str(redis.info("server")["redis_version"])
    models = [
        line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")
    ]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "processor": f"{os.cpu_count()} x {models[0].partition(':')[2].strip() if models else 'unknown'}",
        "memory": f"{memory:.0f} GiB",
        "system": f"{platform.system()} {platform.release()}",
        "load": f"{os.getloadavg()[0]:.1f}, before it began",
        "software": f"Python {platform.python_version()}, mongod {mongod}, Redis {server}, "
        f"pymongo {version('pymongo')}, gunicorn {version('gunicorn')}",
    }


if __name__ == "__main__":
    main()
