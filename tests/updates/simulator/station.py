"""A service of our own making, for what the real one never does: it breaks off, lies, is busy."""

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from updates import protocol
from updates.protocol import CheckAnswer, Download, OfferedModule


@dataclass
class Station:
    """What the service answers, and what it was asked; change it between requests as the test wants."""

    files: dict[str, bytes] = field(default_factory=dict)
    answers: list[CheckAnswer] = field(default_factory=list)
    # How many bytes of each answer to a GET are sent before the connection breaks; used up one by one.
    break_after: list[int] = field(default_factory=list)
    refusals: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    ranges: bool = True
    etag: str = '"v1"'
    provisioning: protocol.Provisioning | None = None
    checks: list[protocol.CheckRequest] = field(default_factory=list)
    gets: list[tuple[str, str, str]] = field(default_factory=list)
    url: str = ""

    def offer(self, version: str, files: dict[str, bytes], *, lie: str = "", grown: int = 0) -> CheckAnswer:
        """An answer that offers `files`; `lie` stands in the place of their SHA-256."""
        folder = f"/files/{version}"
        self.files |= {f"{folder}/{name}": content for name, content in files.items()}
        modules = tuple(
            OfferedModule(
                file=name,
                signature="",
                version=version,
                timestamp=None,
                size=len(content) - grown,
                sha256=lie or hashlib.sha256(content).hexdigest(),
            )
            for name, content in files.items()
        )
        download = Download(
            version=version,
            update_type="CPE",
            base_url=f"{self.url}{folder}",
            external_base_url=f"{self.url}{folder}",
            modules=modules,
        )
        answer = CheckAnswer((download,), "approved_differs")
        self.answers.append(answer)
        return answer


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    station: Station

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self._refused():
            return
        media_type = self.headers["Content-Type"]
        self.station.checks.append(protocol.parse_check(body, media_type))
        answer = self.station.answers.pop(0) if self.station.answers else CheckAnswer((), "up_to_date")
        self._send(200, protocol.render_answer(answer, media_type), {"Content-Type": media_type})

    def do_GET(self) -> None:
        station = self.station
        wanted = self.headers.get("Range", "")
        station.gets.append((self.path, wanted, self.headers.get("If-Range", "")))
        if self._refused():
            return
        if station.provisioning is not None and self.path == "/provisioning/":
            body = protocol.render_provisioning(station.provisioning, protocol.XML)
            self._send(200, body, {"Content-Type": protocol.XML})
            return
        content = station.files[self.path]
        headers = {"ETag": station.etag}
        if wanted and station.ranges and self.headers.get("If-Range") == station.etag:
            start = int(wanted.removeprefix("bytes=").rstrip("-"))
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
            self._send(206, content[start:], headers)
        else:
            self._send(200, content, headers)

    def _refused(self) -> bool:
        if not self.station.refusals:
            return False
        status, headers = self.station.refusals.pop(0)
        body = protocol.render_error(protocol.standard_error(status), protocol.XML)
        self._send(status, body, headers | {"Content-Type": protocol.XML})
        return True

    def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET" and self.station.break_after and status in {200, 206}:
            self.wfile.write(body[: self.station.break_after.pop(0)])
            self.close_connection = True
        else:
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it
        """Says nothing."""


@contextmanager
def running_station() -> Iterator[Station]:
    """A station on a free port of the loopback address."""
    station = Station()
    handler = type("Handler", (_Handler,), {"station": station})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    station.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield station
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
