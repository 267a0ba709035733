"""Takes packages from browsers: one request per file, the file's bytes being the whole body.

A form's encoding would make Django write every upload to disk before anybody asked whether it is allowed;
a plain body is read here, after the questions.
"""

import logging
from collections.abc import Callable, Iterator
from functools import wraps
from urllib.parse import unquote

from django.conf import settings
from django.contrib.admin import AdminSite
from django.contrib.auth.models import User
from django.http import HttpRequest, JsonResponse, UnreadablePostError
from django.template.defaultfilters import filesizeformat
from django.urls import reverse
from django.utils.cache import add_never_cache_headers
from django.utils.translation import gettext as _

from updates import authorisation
from updates.admin.requests import user_of
from updates.authorisation import NotPermittedError
from updates.services import packages
from updates.store import StoreError

logger = logging.getLogger(__name__)

CHUNK = 1 << 20
CONTENT_TYPE = "application/octet-stream"

JsonView = Callable[..., JsonResponse]


class Refusal(Exception):  # noqa: N818 - an answer, as far as the code is concerned
    """A request that is answered with `status` and the text."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


def answers_json(site: AdminSite, *methods: str) -> Callable[[JsonView], JsonView]:
    """Makes a view answer scripts: a refusal is `{"error": text}`, never a page or a redirect to one."""

    def decorate(view: JsonView) -> JsonView:
        @wraps(view)
        def answer(request: HttpRequest, *args: object, **kwargs: object) -> JsonResponse:
            try:
                _require_caller(request, site=site, methods=methods)
                response = view(request, *args, **kwargs)
            except Refusal as refusal:
                response = JsonResponse({"error": str(refusal)}, status=refusal.status)
            except NotPermittedError as error:
                response = JsonResponse({"error": str(error)}, status=403)
            add_never_cache_headers(response)
            return response

        return answer

    return decorate


def _require_caller(request: HttpRequest, *, site: AdminSite, methods: tuple[str, ...]) -> None:
    if request.method not in methods:
        raise Refusal(405, _("This address answers %(methods)s only.") % {"methods": ", ".join(methods)})
    if not site.has_permission(request):
        raise Refusal(401, _("You are not logged in any more. Log in again in another tab, then retry."))


def receive(request: HttpRequest) -> JsonResponse:
    """Takes one file; answers `{"package", "url", "state", "is_new"}`, with 201 when the package is new.

    The name is the percent-encoded header `X-File-Name`. Nothing is read of a body that will not be taken.
    Raises NotPermittedError; Refusal for everything else that stands against the upload.
    """
    user = user_of(request)
    authorisation.require(authorisation.UPLOAD, user)
    submission = _submit(_announced(request), by=user)
    package = submission.package
    return JsonResponse(
        {
            "package": package.pk,
            "url": reverse("admin:updates_package_change", args=[package.pk]),
            "progress": reverse("admin:updates_package_progress", args=[package.pk]),
            "state": package.state,
            "is_new": submission.is_new,
        },
        status=201 if submission.is_new else 200,
    )


def _announced(request: HttpRequest) -> packages.Upload:
    if request.content_type != CONTENT_TYPE:
        raise Refusal(
            415,
            _("Send the file itself as the body, with the content type %(type)s.") % {"type": CONTENT_TYPE},
        )
    length = request.headers.get("Content-Length", "")
    if not length.isascii() or not length.isdigit():
        raise Refusal(411, _("Say how long the file is, in the header Content-Length."))
    name = unquote(request.headers.get("X-File-Name", "")) or "package.cab"
    size, limit = int(length), settings.DUS_UPLOAD_MAX_BYTES
    if size > limit:
        text = _(
            "%(file)s is %(size)s; packages may have up to %(limit)s. Split it, or raise DUS_UPLOAD_MAX_BYTES."
        )
        values = {"file": name, "size": filesizeformat(size), "limit": filesizeformat(limit)}
        raise Refusal(413, text % values)
    if size == 0:
        raise Refusal(
            400, _("%(file)s is empty. Choose a cabinet (.cab) with update files.") % {"file": name}
        )
    return packages.Upload(file_name=name, chunks=_chunks(request), announced_size=size)


def _chunks(request: HttpRequest) -> Iterator[bytes]:
    while chunk := request.read(CHUNK):
        yield chunk


def _submit(upload: packages.Upload, *, by: User) -> packages.Submission:
    try:
        return packages.submit(upload, by=by)
    except packages.UploadError as error:
        raise Refusal(400, str(error)) from error
    except UnreadablePostError as error:
        raise Refusal(400, _("%(file)s broke off. Upload it again.") % {"file": upload.file_name}) from error
    except (OSError, StoreError) as error:
        logger.exception("The storage did not take the upload %r", upload.file_name)
        text = _(
            "The server could not store %(file)s; nothing of it was kept. Try again, or ask who runs the server."
        )
        raise Refusal(503, text % {"file": upload.file_name}) from error
