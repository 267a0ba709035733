"""Measure the cabinet reader: throughput against floors in the same run, and memory on a large cabinet.

Run from the checkout: `python -m bench.cabinet [--quick] [--json] [--lzx FILE]`. Inputs are made in a temporary folder
(TMPDIR). Common systems have no LZX packer: that input is made of the packed folders of a cabinet that has some
(--lzx, else a sample cabinet beside the checkout), repeated until there is enough.
"""

import argparse
import hashlib
import io
import json
import random
import resource
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO

from updates.cabinet import Limits, Method, decode, inspect
from updates.cabinet.layout import DATA, FILE, FOLDER, HEADER, MAGIC
from updates.cabinet.writer import WritableMethod, write_cabinet

MIB = 1 << 20
ROUNDS = 3
MEMORY_BAR_MIB = 64
RATIO_BAR = 0.6
WIDE = Limits(
    cabinet_bytes=2 << 30, members=65_535, folders=65_535, ratio=10_000, cpu_seconds=600, wall_seconds=600
)
SAMPLE = Path(__file__).resolve().parents[2] / "shared" / "cabs" / "uc" / "UCUpdates-3.5.6907.35.cab"


@dataclass(frozen=True)
class Speed:
    """MiB of unpacked bytes per second, by the clock and by processor time of all processes together."""

    wall: float
    cpu: float


@dataclass(frozen=True)
class Row:
    """One method: the reader, and what it is compared with, all over the same unpacked bytes and with SHA-256."""

    method: Method
    mib: float
    reader: Speed
    inflate: Speed
    cabextract: Speed | None


@dataclass(frozen=True)
class Memory:
    """Peak resident MiB while reading a cabinet of `cabinet_mib`."""

    method: str
    cabinet_mib: float
    parent_mib: float
    child_mib: float


def timed(work: Callable[[], str], size: int) -> tuple[Speed, str]:
    """The best of some rounds, and the digest that `work` gave."""
    walls: list[float] = []
    cpus: list[float] = []
    digest = ""
    for _ in range(ROUNDS):
        before, started = processor_seconds(), time.perf_counter()
        digest = work()
        walls.append(time.perf_counter() - started)
        cpus.append(processor_seconds() - before)
    return Speed(size / MIB / min(walls), size / MIB / min(cpus)), digest


def processor_seconds() -> float:
    """Of this process and of those it has waited for."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def read(path: Path) -> str:
    """Inspect, decode and hash a cabinet with the reader."""
    digest = hashlib.sha256()
    with path.open("rb") as source:
        inspection = inspect(source, limits=WIDE)
        with closing(decode(source, inspection, limits=WIDE)) as members:
            for _, chunks in members:
                for chunk in chunks:
                    digest.update(chunk)
    return digest.hexdigest()


def inflate(path: Path) -> str:
    """The floor: one zlib stream inflated and hashed, in this process."""
    digest = hashlib.sha256()
    stream = zlib.decompressobj()
    with path.open("rb") as source:
        while packed := source.read(MIB // 8):
            while packed:
                digest.update(stream.decompress(packed, MIB // 4))
                packed = stream.unconsumed_tail
    digest.update(stream.flush())
    return digest.hexdigest()


def cabextract(path: Path) -> str:
    """`cabextract -p`, its output hashed here."""
    digest = hashlib.sha256()
    with subprocess.Popen(["cabextract", "-q", "-p", str(path)], stdout=subprocess.PIPE) as process:
        while process.stdout and (data := process.stdout.read(MIB // 4)):
            digest.update(data)
    return digest.hexdigest()


def firmware(size: int) -> bytes:
    """Bytes like a firmware image: half machine code, four tenths noise, one tenth 0xFF, in stripes of 1 MiB."""
    code = machine_code(size // 2)
    noise = random.Random(1)
    pieces = [
        code[at // 2 : (at + MIB) // 2] + noise.randbytes(MIB * 4 // 10) + b"\xff" * (MIB // 10)
        for at in range(0, size, MIB)
    ]
    return b"".join(pieces)[:size]


def machine_code(size: int) -> bytes:
    """The interpreter and the libraries of this system, over and over if they are not enough."""
    folders = [
        Path(sys.executable).resolve().parent,
        Path(sysconfig.get_path("platstdlib")) / "lib-dynload",
        Path("/usr/bin"),
    ]
    found = bytearray()
    for file in (file for folder in folders for file in sorted(folder.glob("*")) if file.is_file()):
        with file.open("rb") as source:
            if source.read(4) == b"\x7fELF":
                found += source.read()
        if len(found) >= size:
            break
    while 0 < len(found) < size:
        found += found[: size - len(found)]
    return bytes(found[:size])


def repeat(source: Path, target: BinaryIO, times: int) -> None:
    """A cabinet of the packed folders of another one, `times` over; no block is touched."""
    data = source.read_bytes()
    inspection = inspect(io.BytesIO(data), limits=WIDE)
    areas = [
        area(data, folder.data_at, folder.blocks, inspection.data_reserve) for folder in inspection.folders
    ]
    folders = [*enumerate(inspection.folders)] * times
    files = b""
    for number, (_, folder) in enumerate(folders):
        offset = 0
        for index in folder.members:
            size = inspection.members[index].size
            files += FILE.pack(size, offset, number, 0x2821, 0, 0x20) + b"%d-%d\0" % (number, index)
            offset += size
    position = HEADER.size + FOLDER.size * len(folders) + len(files)
    end = position + times * sum(map(len, areas))
    count = times * len(inspection.members)
    target.write(HEADER.pack(MAGIC, end, position - len(files), 3, 1, len(folders), count, 0, 0, 0))
    for which, folder in folders:
        target.write(FOLDER.pack(position, folder.blocks, folder.kind))
        position += len(areas[which])
    target.write(files)
    for _ in range(times):
        target.writelines(areas)


def area(data: bytes, start: int, blocks: int, reserve: int) -> bytes:
    """The blocks of one folder, without their reserved areas and, where there are any, without checksums."""
    area = bytearray()
    for _ in range(blocks):
        total, packed, unpacked = DATA.unpack_from(data, start)
        start += DATA.size + reserve
        area += DATA.pack(0 if reserve else total, packed, unpacked) + data[start : start + packed]
        start += packed
    return bytes(area)


def speeds(folder: Path, size: int, lzx: Path | None) -> Iterator[Row]:
    """One row per method that can be measured here."""
    data = firmware(size)
    quarter = size // 4
    members = [(f"{part}.nbt", data[part * quarter : (part + 1) * quarter]) for part in range(4)]
    methods: tuple[WritableMethod, ...] = ("none", "mszip")
    for method in methods:
        path = folder / f"{method}.cab"
        with path.open("wb") as target:
            write_cabinet(target, members, method=method)
        yield row(method, path, data)
    if lzx:
        once = sum(member.size for member in inspect(io.BytesIO(lzx.read_bytes())).members)
        path = folder / "lzx.cab"
        with path.open("wb") as target:
            repeat(lzx, target, max(1, size // once))
        with path.open("rb") as source:
            members_of = decode(source, inspect(source, limits=WIDE), limits=WIDE)
            plain = b"".join(chunk for _, chunks in members_of for chunk in chunks)
        yield row("lzx", path, plain)


def row(method: Method, path: Path, plain: bytes) -> Row:
    """Measure one cabinet whose members are, one after the other, `plain`."""
    packed = path.with_suffix(".z")
    packed.write_bytes(zlib.compress(plain))
    reader, digest = timed(lambda: read(path), len(plain))
    floor, other = timed(lambda: inflate(packed), len(plain))
    assert digest == other == hashlib.sha256(plain).hexdigest()
    theirs = None
    if shutil.which("cabextract"):
        theirs, other = timed(lambda: cabextract(path), len(plain))
        assert other == digest
    return Row(method, len(plain) / MIB, reader, floor, theirs)


def memories(folder: Path, size: int, lzx: Path | None) -> Iterator[Memory]:
    """Peak memory on a cabinet of `size` bytes per method. Each is read by a fresh process, which is what counts."""
    piece = size // 16
    noise = random.Random(2).randbytes(piece)
    sources: dict[str, Path] = {}
    methods: tuple[WritableMethod, ...] = ("none", "mszip")
    for method in methods:
        sources[method] = folder / f"piece-{method}.cab"
        with sources[method].open("wb") as target:
            write_cabinet(target, [("piece", noise)], method=method)
    if lzx:
        sources["lzx"] = lzx
    for name, source in sources.items():
        path = folder / "large.cab"
        with path.open("wb") as target:
            # Few samples are LZX, and they are small: the format's 65,535 folders may end before the size is reached.
            repeat(source, target, min(size // source.stat().st_size + 1, 2000))
        done = subprocess.run(
            [sys.executable, "-m", "bench.cabinet", "--measure", str(path)], check=True, capture_output=True
        )
        parent, child = map(int, done.stdout.split())
        yield Memory(name, path.stat().st_size / MIB, parent / 1024, child / 1024)
        path.unlink()


def measure(path: Path) -> None:
    """Read a cabinet and print the peak KiB of this process and of its child."""
    read(path)
    # ru_maxrss of this process would start at the size of the one that started it.
    peak = Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]
    print(peak, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)


def show(rows: list[Row], peaks: list[Memory]) -> None:
    """The figures as tables, with the bars they are held to."""
    print(f"{'method':8}{'MiB':>6}{'MiB/s':>8}{'of inflate + SHA-256':>24}{'of cabextract -p':>22}")
    for one in rows:
        theirs = ratios(one.reader, one.cabextract) if one.cabextract else "not installed"
        print(
            f"{one.method:8}{one.mib:6.0f}{one.reader.wall:8.0f}{ratios(one.reader, one.inflate):>24}{theirs:>22}"
        )
    print(f"(wall / CPU; bars: mszip {RATIO_BAR} of inflate, lzx {RATIO_BAR} of cabextract)")
    print(
        f"\n{'method':8}{'cabinet MiB':>12}{'parent MiB':>12}{'child MiB':>12}   (bar {MEMORY_BAR_MIB} each)"
    )
    for peak in peaks:
        print(f"{peak.method:8}{peak.cabinet_mib:12.0f}{peak.parent_mib:12.1f}{peak.child_mib:12.1f}")


def ratios(ours: Speed, other: Speed) -> str:
    """Ours as a part of the other's, by the clock and by processor time."""
    return f"{ours.wall / other.wall:.2f} / {ours.cpu / other.cpu:.2f}"


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.cabinet", description="Measure the cabinet reader."
    )
    parser.add_argument(
        "--quick", action="store_true", help="32 MiB and a 128 MiB cabinet instead of 200 MiB and 1 GiB"
    )
    parser.add_argument("--json", action="store_true", help="figures as JSON")
    parser.add_argument("--lzx", type=Path, default=SAMPLE, help="a cabinet with LZX folders")
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        measure(options.measure)
        return
    lzx = options.lzx if options.lzx.is_file() else None
    with tempfile.TemporaryDirectory() as scratch:
        peaks = list(memories(Path(scratch), (128 if options.quick else 1024) * MIB, lzx))
        rows = list(speeds(Path(scratch), (32 if options.quick else 200) * MIB, lzx))
    if options.json:
        print(
            json.dumps(
                {"speed": [asdict(one) for one in rows], "memory": [asdict(one) for one in peaks]}, indent=1
            )
        )
    else:
        show(rows, peaks)


if __name__ == "__main__":
    main()
