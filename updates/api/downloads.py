"""Downloads of update files: the application decides, and moves the bytes itself only where nobody else can."""

import logging
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import BinaryIO, Final
from urllib.parse import quote

from django.conf import settings
from django.core.files.storage import FileSystemStorage
from django.db import DatabaseError
from django.http import HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone
from rest_framework.request import Request

from devices.authentication.access import Caller
from updates import deliveries, store
from updates.api.base import DeviceView
from updates.api.errors import ProblemError
from updates.api.ranges import Part, UnsatisfiableError, is_fresh, select
from updates.domain.lifecycle import State
from updates.models import UpdateFile

_log = logging.getLogger(__name__)

_CHUNK: Final = 256 * 1024
_RETRY: Final = {"Retry-After": "60"}
_LONGEST_PATH: Final = UpdateFile._meta.get_field("path").max_length or 0  # noqa: SLF001 - Django documents _meta


@dataclass(frozen=True, slots=True)
class Stored:
    """A file that may be downloaded."""

    update_id: int
    path: str
    size: int
    sha256: str

    @property
    def etag(self) -> str:
        return f'"{self.sha256}"'


class DownloadView(DeviceView):
    """Sends one file of an update, or a part of it."""

    http_method_names = ["get", "head"]

    def get(self, request: Request, path: str) -> HttpResponseBase:
        stored = find(path)
        headers = {
            "ETag": stored.etag,
            "Accept-Ranges": "bytes",
            "X-Content-Type-Options": "nosniff",
            "Cache-Control": _cache_control(self.caller),
        }
        if is_fresh(request.META.get("HTTP_IF_NONE_MATCH"), stored.etag):
            # The type is that of no content at all.
            fresh = HttpResponse(status=304, headers=headers)
            del fresh["Content-Type"]
            return fresh
        try:
            selection = select(
                header=request.META.get("HTTP_RANGE") if request.method == "GET" else None,
                if_range=request.META.get("HTTP_IF_RANGE"),
                etag=stored.etag,
                size=stored.size,
            )
        except UnsatisfiableError as error:
            raise ProblemError(416, headers={"Content-Range": f"bytes */{stored.size}"}) from error
        part = selection.part
        finished = partial(_finished, stored, part, self.caller)
        if not isinstance(store.storage(), FileSystemStorage):
            if request.method == "HEAD":
                # The address would be signed for GET.
                return _described(part, headers)
            return _redirected(stored, finished)
        file = _open(stored)
        if settings.DUS_ACCEL_PREFIX:
            file.close()
            return _accelerated(request, stored, headers, finished)
        if request.method == "HEAD":
            file.close()
            return _described(part, headers)
        headers |= {"Content-Type": "application/octet-stream", "Content-Length": str(part.length)}
        if selection.is_range:
            headers["Content-Range"] = part.content_range
        return StreamingHttpResponse(
            _Sending(file, part, finished), status=206 if selection.is_range else 200, headers=headers
        )


def find(path: str) -> Stored:
    """The file at a path of the update store, in the spelling of the caller if there is one, else in any.

    Raises ProblemError: 410 for a file that was withdrawn, 404 for one that is not there or not yet.
    """
    if not path.isprintable() or len(path) > _LONGEST_PATH:
        # No stored path is such. PostgreSQL takes no NUL in a text, and SQLite no long pattern.
        raise ProblemError(404)
    # Not as models: to make them would take as long as the query, and a device may fetch in many ranges.
    files = UpdateFile.objects.order_by().values_list(
        "update_id", "path", "size", "sha256", "update__state", "update__files_cleared_at"
    )
    found = list(files.filter(path=path)[:2]) or list(files.filter(path__iexact=path)[:2])
    # Two files that differ in case only: neither is meant more than the other.
    if len(found) != 1:
        raise ProblemError(404)
    update_id, stored_path, size, sha256, state, files_cleared_at = found[0]
    if state == State.IMPORTING:
        raise ProblemError(404)
    if state == State.REJECTED or files_cleared_at is not None:
        raise ProblemError(410)
    return Stored(update_id, stored_path, size, sha256)


def _cache_control(caller: Caller) -> str:
    # What an account opened is not for others that share a cache.
    return f"{'private' if caller.is_outside else 'public'}, max-age=31536000, immutable"


def _open(stored: Stored) -> BinaryIO:
    try:
        file = open(store.storage().path(stored.path), "rb")  # noqa: PTH123, SIM115 - `_Sending` closes it
    except OSError as error:
        _log.exception("%s: the update store does not give the file.", stored.path)
        raise ProblemError(503, headers=_RETRY) from error
    size = os.fstat(file.fileno()).st_size
    if size != stored.size:
        file.close()
        _log.error("%s: the update store has %s bytes, not %s.", stored.path, size, stored.size)
        raise ProblemError(503, headers=_RETRY)
    return file


class _Sending:
    """The bytes of a part, in pieces; afterwards `finished` is called, unless the caller went away before."""

    def __init__(self, file: BinaryIO, part: Part, finished: Callable[[], None]) -> None:
        self._file = file
        self._part = part
        self._finished = finished

    def __iter__(self) -> Iterator[bytes]:
        left = self._part.length
        self._file.seek(self._part.start)
        while left:
            chunk = self._file.read(min(_CHUNK, left))
            if not chunk:
                # The headers are gone: breaking off is the one way left to say so.
                raise OSError("a file of the update store became shorter while it was sent")
            left -= len(chunk)
            yield chunk
        self._finished()

    def close(self) -> None:
        """Called by the server when the answer is over, whether it was sent or not."""
        self._file.close()


def _accelerated(
    request: Request, stored: Stored, headers: dict[str, str], finished: Callable[[], None]
) -> HttpResponse:
    """Leave the bytes, and ranges of them, to nginx."""
    if request.method == "GET":
        finished()
    target = f"{settings.DUS_ACCEL_PREFIX}/{quote(stored.path)}"
    return HttpResponse(
        headers=headers | {"Content-Type": "application/octet-stream", "X-Accel-Redirect": target}
    )


def _described(part: Part, headers: dict[str, str]) -> HttpResponse:
    """What a GET would say, and no bytes."""
    return HttpResponse(
        headers=headers | {"Content-Type": "application/octet-stream", "Content-Length": str(part.length)}
    )


def _redirected(stored: Stored, finished: Callable[[], None]) -> HttpResponse:
    """Leave the bytes to the object store, at an address that is good for a short time."""
    finished()
    response = HttpResponseRedirect(store.storage().url(stored.path))
    response["Cache-Control"] = "no-store"
    return response


def _finished(stored: Stored, part: Part, caller: Caller) -> None:
    """Note the delivery when the last byte of the update's largest file was sent."""
    if not part.ends_the_file:
        return
    try:
        largest = (
            UpdateFile.objects.filter(update_id=stored.update_id)
            .order_by("-size", "name")
            .values_list("path", flat=True)
            .first()
        )
        if largest == stored.path:
            deliveries.fetched(
                update_id=stored.update_id,
                address=caller.address,
                account=caller.account,
                now=timezone.now(),
            )
    except DatabaseError:
        _log.exception("A download could not be recorded.")
