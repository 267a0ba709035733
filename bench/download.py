"""Measure downloads as the embedded default serves them: speed and cost beside a bare application, slow clients.

Run from the checkout: `python -m bench.download [--quick] [--json]`. SQLite; /proc tells the cost, so it needs Linux.
"""

import argparse
import json
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

if not __package__:
    # Started by its file name: the packages are found from the checkout's root.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from bench import fleet
from bench.fetch import CLIENTS, Client, Span, Target, drain_all, slow_clients, spans
from bench.load import Latencies, Load, send
from bench.service import Scratch, Server, bare, scratch, service

MIB = 1 << 20
DEVICES = 200
CHECK_SECONDS = 30.0
SLOW_CLIENTS = 50
FILE = f"{fleet.TYPES[0].path}/{fleet.APPROVED}/{fleet.UPDATE_TYPE}/{fleet.UPDATE_TYPE}.nbt"


@dataclass(frozen=True)
class Size:
    """How much is measured: MiB of the file, how often each client fetches it per round, checks beside slow clients."""

    mib: int
    times: int
    rounds: int
    checks: int
    slow: int = SLOW_CLIENTS


@dataclass(frozen=True)
class Speed:
    """MB (10^6 bytes) per second by the clock, and the server's processor seconds per GB."""

    mb_per_s: float
    cpu_s_per_gb: float


def fetched(server: Server, target: Target, work: Sequence[Span | None]) -> Speed:
    """Fetch with all clients and say what it cost the server."""
    before = server.cpu_seconds()
    count, seconds = drain_all(target, work)
    return Speed(count / seconds / 1e6, (server.cpu_seconds() - before) / count * 1e9)


def speeds(made: Scratch, size: Size, content: bytes) -> dict[str, dict[str, Any]]:
    """By what is fetched: the service and the bare application in turns, and their ratios."""
    whole: list[Span | None] = [None] * size.times
    ranges: list[Span | None] = [*spans(len(content), MIB)] * size.times
    found = {}
    with service(made) as ours, bare(made, made.state / "store" / FILE) as theirs:
        service_target = Target(ours.port, f"{fleet.FILES_PATH}/{FILE}", content)
        bare_target = Target(theirs.port, "/", content)
        for target in (service_target, bare_target):
            client = Client(target)
            for span in (None, (MIB, 2 * MIB - 1)):
                client.check(span)
            client.socket.close()
        for name, work in (("whole", whole), ("ranges_1_mib", ranges)):
            pairs = [
                (fetched(ours, service_target, work), fetched(theirs, bare_target, work))
                for _ in range(size.rounds)
            ]
            found[name] = compared(pairs)
    return found


def compared(pairs: Sequence[tuple[Speed, Speed]]) -> dict[str, Any]:
    """Medians of the service and of the bare application, and of the ratios round by round."""
    middle = statistics.median
    return {
        "mb_per_s": round(middle(ours.mb_per_s for ours, _ in pairs), 1),
        "cpu_s_per_gb": round(middle(ours.cpu_s_per_gb for ours, _ in pairs), 2),
        "bare_mb_per_s": round(middle(bare.mb_per_s for _, bare in pairs), 1),
        "bare_cpu_s_per_gb": round(middle(bare.cpu_s_per_gb for _, bare in pairs), 2),
        "speed_vs_bare": round(middle(ours.mb_per_s / bare.mb_per_s for ours, bare in pairs), 2),
        "cpu_vs_bare": round(middle(ours.cpu_s_per_gb / bare.cpu_s_per_gb for ours, bare in pairs), 2),
    }


def beside_slow_clients(made: Scratch, size: Size, content: bytes) -> dict[str, Any]:
    """Memory of a fresh server's largest process, and how long checks take, without and with slow clients."""
    with service(made) as server:
        load = Load(server.port, size.checks, DEVICES, CHECK_SECONDS)
        target = Target(server.port, f"{fleet.FILES_PATH}/{FILE}", content)
        send(load)
        alone: Latencies = send(load)
        before = server.resident_mib()
        with slow_clients(target, size.slow):
            meanwhile = send(load)
            peak = server.peak_mib()
    return {
        "clients": size.slow,
        "rss_before_mib": round(before, 1),
        "peak_rss_mib": round(peak, 1),
        "checks": len(meanwhile.each),
        "p50_ms_alone": round(alone.percentile(50), 1),
        "p99_ms_alone": round(alone.percentile(99), 1),
        "p50_ms_meanwhile": round(meanwhile.percentile(50), 1),
        "p99_ms_meanwhile": round(meanwhile.percentile(99), 1),
    }


def show(found: dict[str, Any]) -> None:
    """The figures as tables."""
    print(f"\n{found['file_mib']} MiB, {CLIENTS} clients; CPU in s per GB\n")
    print(
        f"{'':14}{'MB/s':>8}{'CPU':>7}{'bare MB/s':>11}{'bare CPU':>10}{'speed ratio':>13}{'CPU ratio':>11}"
    )
    for name in ("whole", "ranges_1_mib"):
        one = found[name]
        print(
            f"{name:14}{one['mb_per_s']:8.0f}{one['cpu_s_per_gb']:7.2f}{one['bare_mb_per_s']:11.0f}"
            f"{one['bare_cpu_s_per_gb']:10.2f}{one['speed_vs_bare']:13.2f}{one['cpu_vs_bare']:11.2f}"
        )
    slow = found["slow"]
    print(
        f"\n{slow['clients']} slow clients: peak memory {slow['peak_rss_mib']} MiB ({slow['rss_before_mib']} before); "
        f"checks meanwhile p50 {slow['p50_ms_meanwhile']} ms, p99 {slow['p99_ms_meanwhile']} ms "
        f"(alone {slow['p50_ms_alone']} and {slow['p99_ms_alone']} ms)"
    )


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m bench.download", description="Measure downloads.")
    parser.add_argument("--quick", action="store_true", help="16 MiB instead of 100, and short rounds")
    parser.add_argument(
        "--json", action="store_true", help="as the last line, the figures as one JSON object"
    )
    parser.add_argument("--mib", type=int, help="of the file")
    parser.add_argument("--rounds", type=int, help="instead of 5")
    parser.add_argument("--checks", type=int, help="beside slow clients, instead of 2,000")
    options = parser.parse_args()
    mib, times, rounds, checks = (16, 4, 3, 500) if options.quick else (100, 2, 5, 2000)
    size = Size(options.mib or mib, times, options.rounds or rounds, options.checks or checks)
    content = fleet.image(size.mib * MIB)
    with scratch("") as made:
        made.manage("bench_fill", f"--devices={DEVICES}", f"--image-bytes={len(content)}")
        slow = beside_slow_clients(made, size, content)
        found = {"file_mib": size.mib, "slow": slow, **speeds(made, size, content)}
    show(found)
    if options.json:
        print(json.dumps(found))


if __name__ == "__main__":
    main()
