"""`python -m updates.cabinet list FILE` and `... hash FILE`: what one cabinet contains, as JSON.

Exit codes: 0 with the whole answer on standard output; 1 with one line on standard error and nothing else; 2 for a
wrong call.
"""

import argparse
import hashlib
import json
import os
import stat
import sys
from collections.abc import Sequence
from contextlib import closing
from typing import BinaryIO

from devices.wording import wording as _
from updates.cabinet.decoding import decode
from updates.cabinet.errors import CabinetError
from updates.cabinet.inspection import Inspection, inspect
from updates.cabinet.limits import Limits

# Nobody waits longer than a minute for an answer.
_LIMITS = Limits(wall_seconds=45.0, cpu_seconds=45)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m updates.cabinet", description="Look into a .cab file.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="names, sizes and methods").add_argument("file")
    commands.add_parser("hash", help="the same and the SHA-256 of each member").add_argument("file")
    options = parser.parse_args(arguments)
    try:
        with _open(options.file) as source:
            inspection = inspect(source, limits=_LIMITS)
            # For a list, too: what is listed can be opened.
            hashes = _hashes(source, inspection)
    except CabinetError as error:
        return _fail(f"{error}. {error.remedy}" if error.remedy else str(error))
    except (OSError, ValueError) as error:
        return _fail(f"{options.file!a}: {getattr(error, 'strerror', None) or error}")
    except KeyboardInterrupt:
        return _fail("interrupted")
    return _print(json.dumps({"members": _answer(inspection, hashes if options.command == "hash" else {})}))


def _print(line: str) -> int:
    try:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()
    except OSError as error:
        # The interpreter would try the unwritten rest again on its way out, and complain at length.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _fail(f"standard output: {error.strerror}")
    return 0


def _open(path: str) -> BinaryIO:
    # Without waiting: opening a pipe that nobody writes to would never return.
    source = os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb")
    if stat.S_ISREG(os.fstat(source.fileno()).st_mode):
        return source
    source.close()
    raise CabinetError(_("file"), _("it is not a regular file"))


def _hashes(source: BinaryIO, inspection: Inspection) -> dict[int, str]:
    hashes: dict[int, str] = {}
    with closing(decode(source, inspection, limits=_LIMITS)) as members:
        for member, chunks in members:
            digest = hashlib.sha256()
            for chunk in chunks:
                digest.update(chunk)
            hashes[member.index] = digest.hexdigest()
    return hashes


def _answer(inspection: Inspection, hashes: dict[int, str]) -> list[dict[str, str | int]]:
    answer: list[dict[str, str | int]] = []
    for member in inspection.members:
        entry: dict[str, str | int] = {"name": member.name, "size": member.size, "method": member.method}
        if member.index in hashes:
            entry["sha256"] = hashes[member.index]
        answer.append(entry)
    return answer


def _fail(message: str) -> int:
    sys.stderr.write(message.replace("\n", " ") + "\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
