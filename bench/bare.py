"""What the downloads are compared with: a bare WSGI application that streams one file, or a range of it, from disk."""

import os
from collections.abc import Iterator
from pathlib import Path
from wsgiref.types import StartResponse, WSGIEnvironment

_FILE = Path(os.environ["DUS_BENCH_FILE"])
_SIZE = _FILE.stat().st_size
# As large as the service's.
_CHUNK = 256 * 1024


def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterator[bytes]:
    """Nothing is looked up, admitted or recorded."""
    start, end, status = 0, _SIZE - 1, "200 OK"
    headers = [("Content-Type", "application/octet-stream")]
    if asked := environ.get("HTTP_RANGE", ""):
        first, _, last = asked.removeprefix("bytes=").partition("-")
        start, end, status = int(first), min(int(last), _SIZE - 1), "206 Partial Content"
        headers.append(("Content-Range", f"bytes {start}-{end}/{_SIZE}"))
    start_response(status, [*headers, ("Content-Length", str(end - start + 1))])
    return _part(start, end - start + 1)


def _part(start: int, left: int) -> Iterator[bytes]:
    with _FILE.open("rb") as file:
        file.seek(start)
        while left:
            chunk = file.read(min(_CHUNK, left))
            left -= len(chunk)
            yield chunk
