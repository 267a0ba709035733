"""Measure checks: the service under its own web server, beside a view that parses the same body and does nothing else.

Run from the checkout: `python -m bench.check [--quick] [--json]`. SQLite, or with DUS_DATABASE_URL a database of its
own on that server, which is dropped afterwards. /proc tells the cost, so it needs Linux.
"""

import argparse
import json
import os
import statistics
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

if not __package__:
    # Started by its file name: the packages are found from the checkout's root.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from bench.fleet import downloads
from bench.load import Latencies, Load, send
from bench.service import Scratch, Server, scratch, service

WARM_UP = 400
INSIDE_TIMES = 200
ROUND_SECONDS = 20.0


@dataclass(frozen=True)
class Size:
    """How much is measured."""

    devices: int
    requests: int
    rounds: int


@dataclass(frozen=True)
class Round:
    """One round of one server; times in milliseconds."""

    requests: int
    cpu_ms: float
    rate: float
    p50: float
    p99: float


@dataclass(frozen=True)
class Inside:
    """A warm check inside one process: SQL statements by what is answered, processor time of its parts in µs."""

    sql: dict[str, int]
    us: dict[str, float]
    statements: dict[str, list[str]]


def measured(server: Server, load: Load) -> Round:
    """Send a load and say what it cost the server."""
    before = server.cpu_seconds()
    taken: Latencies = send(load)
    cpu = server.cpu_seconds() - before
    count = len(taken.each)
    return Round(count, 1000 * cpu / count, taken.rate, taken.percentile(50), taken.percentile(99))


def rounds(made: Scratch, size: Size) -> tuple[list[Round], list[Round]]:
    """The constant view's and the check's rounds, in turns, after both are warm."""
    with service(made, "bench.constant_settings") as constant, service(made) as real:

        def load(server: Server, requests: int) -> Load:
            return Load(server.port, requests, size.devices, ROUND_SECONDS, constant=server is constant)

        for server in (constant, real):
            send(load(server, min(size.requests, WARM_UP)))
        pairs = [
            (measured(constant, load(constant, size.requests)), measured(real, load(real, size.requests)))
            for _ in range(size.rounds)
        ]
    return [pair[0] for pair in pairs], [pair[1] for pair in pairs]


def median(some: list[Round], value: Callable[[Round], float]) -> float:
    """Of one value over rounds."""
    return statistics.median(map(value, some))


def side(some: list[Round]) -> dict[str, float]:
    """The medians of one server."""
    return {
        "cpu_ms": round(median(some, lambda one: one.cpu_ms), 3),
        "per_second": round(median(some, lambda one: one.rate)),
        "p50_ms": round(median(some, lambda one: one.p50), 1),
        "p99_ms": round(median(some, lambda one: one.p99), 1),
    }


def result(made: Scratch, size: Size) -> dict[str, Any]:
    """Measure everything."""
    made.manage("bench_fill", f"--devices={size.devices}")
    inside = Inside(**json.loads(made.manage("bench_inside", f"--times={min(size.requests, INSIDE_TIMES)}")))
    constant, real = rounds(made, size)
    ratios = [ours.cpu_ms / theirs.cpu_ms for theirs, ours in zip(constant, real, strict=True)]
    # As many of each answer as the load has.
    behind = sum(map(downloads, range(size.devices))) / size.devices
    check, view = side(real), side(constant)
    return {
        "database": made.backing,
        "devices": size.devices,
        "cpu_vs_constant_view": round(statistics.median(ratios), 2),
        "cpu_vs_constant_view_range": [round(min(ratios), 2), round(max(ratios), 2)],
        "sql_per_check": round(behind * inside.sql["offered"] + (1 - behind) * inside.sql["up_to_date"], 2),
        "cpu_ms_per_check": check["cpu_ms"],
        "checks_per_second": check["per_second"],
        "check": check,
        "constant_view": view,
        "inside": asdict(inside),
        "rounds": {
            "check": [asdict(one) for one in real],
            "constant_view": [asdict(one) for one in constant],
        },
    }


def show(found: dict[str, Any]) -> None:
    """The figures as a table."""
    print(
        f"\n{found['database']}, {found['devices']} devices; medians of {len(found['rounds']['check'])} rounds\n"
    )
    print(f"{'':16}{'CPU ms':>8}{'per second':>12}{'p50 ms':>8}{'p99 ms':>8}")
    for name in ("constant_view", "check"):
        one = found[name]
        print(
            f"{name:16}{one['cpu_ms']:8.3f}{one['per_second']:12.0f}{one['p50_ms']:8.1f}{one['p99_ms']:8.1f}"
        )
    low, high = found["cpu_vs_constant_view_range"]
    print(f"\nCPU of a check / of the constant view: {found['cpu_vs_constant_view']} ({low} to {high})")
    inside = found["inside"]
    print(f"SQL per warm check: {found['sql_per_check']} (by answer: {inside['sql']})")
    print(f"Inside one process, µs: {inside['us']}")


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m bench.check", description="Measure checks.")
    parser.add_argument("--quick", action="store_true", help="1,000 devices and short rounds")
    parser.add_argument(
        "--json", action="store_true", help="as the last line, the figures as one JSON object"
    )
    parser.add_argument("--devices", type=int, help="instead of 10,000")
    parser.add_argument("--requests", type=int, help="of each round and server, instead of 4,000")
    parser.add_argument("--rounds", type=int, help="instead of 7")
    options = parser.parse_args()
    usual = Size(1000, 1000, 3) if options.quick else Size(10_000, 4000, 7)
    size = Size(
        options.devices or usual.devices, options.requests or usual.requests, options.rounds or usual.rounds
    )
    with scratch(os.environ.get("DUS_DATABASE_URL", "")) as made:
        found = result(made, size)
    show(found)
    if options.json:
        print(json.dumps(found))


if __name__ == "__main__":
    main()
