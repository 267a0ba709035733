"""HTTP as a phone speaks it: certificates, credentials on demand, patience, downloads that go on where they broke off."""

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import requests
import urllib3
from urllib3.exceptions import HTTPError, InsecureRequestWarning

from updates import protocol
from updates.simulator.clock import Clock
from updates.simulator.errors import RefusedError, SimulatorError

_TIMEOUTS: Final = (10, 60)
_ATTEMPTS: Final = 5
_RETRY_SECONDS: Final = 1.0
_RETRY_MOST_SECONDS: Final = 60.0
_CHUNK: Final = 64 * 1024
_BUSY: Final = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)
_BROKEN: Final = (
    requests.ConnectionError,
    requests.Timeout,
    requests.exceptions.ChunkedEncodingError,
    requests.exceptions.ContentDecodingError,
    HTTPError,
)
_NO_URL: Final = (
    requests.exceptions.InvalidURL,
    requests.exceptions.InvalidSchema,
    requests.exceptions.MissingSchema,
)
# A message is never longer; what is longer is none.
_MAX_MESSAGE: Final = 1024 * 1024
_SHA256_DIGITS: Final = 64


@dataclass(frozen=True, slots=True)
class Credentials:
    """An account for the outside; the password is never shown."""

    user: str
    password: str

    def __repr__(self) -> str:
        return f"Credentials({self.user!r})"

    @property
    def header(self) -> str:
        """The value of Authorization (RFC 7617, in UTF-8)."""
        return "Basic " + base64.b64encode(f"{self.user}:{self.password}".encode()).decode("ascii")


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """Which certificates are believed: those of the system, of the file `ca`, or, insecurely, all."""

    ca: Path | None = None
    insecure: bool = False


@dataclass(frozen=True, slots=True)
class Reply:
    """A message from the service."""

    status: int
    media_type: str
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A file to fetch. Without `size` and `sha256` at most `limit` bytes are taken, and checked against the ETag."""

    url: str
    size: int | None = None
    sha256: str = ""
    limit: int = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Fetched:
    """A file that was fetched: its size, and whether it was put together from several answers."""

    url: str
    size: int
    resumed: bool


class Channel:
    """One phone's connections. Not for several threads."""

    def __init__(self, *, trust: Trust, credentials: Credentials | None, clock: Clock) -> None:
        self._session = requests.Session()
        # A phone knows no proxies, and no .netrc of whoever simulates it.
        self._session.trust_env = False
        self._session.verify = False if trust.insecure else str(trust.ca) if trust.ca else True
        self._session.headers["User-Agent"] = "SimulatedDevice/1.0"
        if trust.insecure:
            urllib3.disable_warnings(InsecureRequestWarning)
        self._credentials = credentials
        self._clock = clock
        self._signed_in: set[str] = set()

    def close(self) -> None:
        self._session.close()

    def exchange(
        self, method: str, url: str, *, body: bytes | None = None, headers: Mapping[str, str]
    ) -> Reply:
        """Sends a message and gives the answer; repeats it while the service is busy or not reached.

        Raises SimulatorError when it is not reached at all.
        """
        last: Exception | None = None
        for attempt in range(_ATTEMPTS):
            try:
                with self._open(method, url, body=body, headers=headers) as response:
                    reply = Reply(
                        response.status_code,
                        response.headers.get("Content-Type", ""),
                        _message(response),
                    )
            except requests.exceptions.SSLError as error:
                raise SimulatorError(_certificate(url, error)) from error
            except _BROKEN as error:
                last = error
                self._wait(attempt)
                continue
            if reply.status not in _BUSY or attempt == _ATTEMPTS - 1:
                return reply
            self._wait(attempt, response.headers.get("Retry-After"))
        raise SimulatorError(f"{url} is not reached: {last}. Check the address, and that the service runs.")

    def fetch(self, wanted: Wanted, part: Path) -> Fetched:
        """Fetches a file into `part`, going on after what is there already, and verifies it.

        Raises RefusedError when the service does not give it; SimulatorError when the bytes are not those that
        were promised (nothing is left of them then), or the connection keeps breaking (`part` stays).
        """
        download = _Download(wanted, part)
        failures = 0
        while failures < _ATTEMPTS:
            have = download.have
            try:
                if not download.is_whole:
                    self._continue(download)
            except requests.exceptions.SSLError as error:
                raise SimulatorError(_certificate(wanted.url, error)) from error
            except _BROKEN:
                # What arrived stays; only attempts that brought nothing count.
                complete = False
            else:
                complete = download.is_whole or (wanted.size is None and part.exists())
            if complete:
                download.verify()
                return Fetched(wanted.url, part.stat().st_size, resumed=download.resumed)
            failures = 0 if download.have > have else failures + 1
            self._wait(failures)
        raise SimulatorError(
            f"{wanted.url}: the connection broke {_ATTEMPTS} times; {download.have} bytes are kept for the next try"
        )

    def _continue(self, download: "_Download") -> None:
        with self._open("GET", download.wanted.url, headers=download.headers) as response:
            if response.status_code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                download.forget()
                return
            if response.status_code not in (HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT):
                raise refusal(
                    Reply(response.status_code, response.headers.get("Content-Type", ""), _message(response))
                )
            download.take(response)

    def _open(
        self, method: str, url: str, *, body: bytes | None = None, headers: Mapping[str, str]
    ) -> requests.Response:
        origin = _origin(url)
        response = self._send(method, url, body, headers, signed_in=origin in self._signed_in)
        challenged = (
            response.status_code == HTTPStatus.UNAUTHORIZED
            and origin not in self._signed_in
            and response.headers.get("WWW-Authenticate", "").casefold().startswith("basic")
        )
        # Over plain http everybody on the way could read the password.
        if challenged and self._credentials is not None and origin.startswith("https:"):
            response.close()
            self._signed_in.add(origin)
            response = self._send(method, url, body, headers, signed_in=True)
        return response

    def _send(
        self, method: str, url: str, body: bytes | None, headers: Mapping[str, str], *, signed_in: bool
    ) -> requests.Response:
        sent = dict(headers)
        if signed_in and self._credentials is not None:
            sent["Authorization"] = self._credentials.header
        try:
            return self._session.request(
                method,
                url,
                data=body,
                headers=sent,
                timeout=_TIMEOUTS,
                stream=True,
                # Files may be elsewhere, on an object store; messages are answered here.
                allow_redirects=method == "GET",
            )
        except _NO_URL as error:
            raise SimulatorError(f"{url}: {error}. Write a URL that begins with http or https.") from error

    def _wait(self, attempt: int, retry_after: str | None = None) -> None:
        seconds = _RETRY_SECONDS * 2**attempt
        if retry_after and retry_after.isdigit():
            seconds = float(retry_after)
        self._clock.sleep(min(seconds, _RETRY_MOST_SECONDS))


class _Download:
    """A file on its way into `part`; beside it stands the ETag of the answers it is made of."""

    def __init__(self, wanted: Wanted, part: Path) -> None:
        self.wanted = wanted
        self.resumed = False
        self._part = part
        self._etag_file = part.with_suffix(".etag")
        self._limit = wanted.limit if wanted.size is None else wanted.size
        part.parent.mkdir(parents=True, exist_ok=True)
        if not self._etag:
            self.forget()

    @property
    def have(self) -> int:
        return self._part.stat().st_size if self._part.exists() else 0

    @property
    def is_whole(self) -> bool:
        return self._part.exists() and self.have == self.wanted.size

    @property
    def headers(self) -> dict[str, str]:
        # What is packed on the way has other bytes, and other ranges.
        headers = {"Accept-Encoding": "identity"}
        if self.have and self._etag:
            headers |= {"Range": f"bytes={self.have}-", "If-Range": self._etag}
        return headers

    def take(self, response: requests.Response) -> None:
        """Writes the bytes of an answer, after those that are there if it goes on from them.

        Raises SimulatorError when there are more than were promised.
        """
        have = self.have
        goes_on = response.status_code == HTTPStatus.PARTIAL_CONTENT
        if goes_on and not response.headers.get("Content-Range", "").startswith(f"bytes {have}-"):
            self.forget()
            raise SimulatorError(f"{self.wanted.url}: the service sent another range than was asked for")
        if not goes_on:
            self.forget()
            have = 0
            self._etag_file.write_text(response.headers.get("ETag", ""), encoding="utf-8")
        self.resumed = self.resumed or (goes_on and have > 0)
        with self._part.open("ab") as file:
            # Not iter_content(): it would keep a piece back until it is whole, and lose it with the connection.
            while chunk := response.raw.read1(_CHUNK):
                have += len(chunk)
                if have > self._limit:
                    self.forget()
                    raise SimulatorError(
                        f"{self.wanted.url}: the file has more than the {self._limit} bytes that were promised"
                    )
                file.write(chunk)

    def verify(self) -> None:
        """Raises SimulatorError, and forgets the bytes, when they are not those that were promised."""
        digest = hashlib.sha256()
        with self._part.open("rb") as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
        promised = self.wanted.sha256.casefold() or self._etag.strip('"').casefold()
        if len(promised) == _SHA256_DIGITS and digest.hexdigest() != promised:
            self.forget()
            raise SimulatorError(
                f"{self.wanted.url}: the SHA-256 is {digest.hexdigest()}, not {promised} as promised; nothing is installed"
            )
        self._etag_file.unlink(missing_ok=True)

    def forget(self) -> None:
        self._part.unlink(missing_ok=True)
        self._etag_file.unlink(missing_ok=True)

    @property
    def _etag(self) -> str:
        return self._etag_file.read_text(encoding="utf-8") if self._etag_file.exists() else ""


def refusal(reply: Reply) -> RefusedError:
    """The service's refusal in its own words, as far as it has any."""
    try:
        error = protocol.parse_error(reply.body, reply.media_type)
    except protocol.ProtocolError:
        return RefusedError(reply.status, "unexpected", "the answer is not one of the service's")
    return RefusedError(reply.status, error.code, error.message)


def _message(response: requests.Response) -> bytes:
    body = b""
    for chunk in response.iter_content(_CHUNK):
        body += chunk
        if len(body) > _MAX_MESSAGE:
            raise SimulatorError(f"{response.url}: the answer has more than {_MAX_MESSAGE} bytes")
    return body


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}".casefold()


def _certificate(url: str, error: Exception) -> str:
    return (
        f"{url}: the certificate is not accepted: {error}. Name its issuer with --ca FILE, or use --insecure."
    )
