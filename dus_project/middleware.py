"""The two doors: devices come in by one, people by the other."""

import logging
from http import HTTPStatus
from typing import Final

from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import resolve, reverse
from django.utils.translation import gettext as _

from devices.authentication.networks import resolve_peer
from dus_project.addresses import canonical
from dus_project.health import GetResponse
from dus_project.logs import TOLD
from updates import protocol
from updates.api.bodies import CrowdedError, Slots

_log = logging.getLogger(__name__)

# Of forms that nobody signed in for: room for a name, a password and an address to go on to.
ANONYMOUS_FORM_BYTES: Final = 16 * 1024
# What Django reads as a form, whoever sends it, before any view is asked.
_FORMS: Final = {"application/x-www-form-urlencoded", "multipart/form-data"}

forms: Final = Slots(settings.DUS_FORM_BODIES)


class DeviceDoor:
    """Answers device URLs at once, past every middleware of the console.

    A device has no session, no language and often only an IP literal to call us by; what the console's
    middleware would add to the answer, it could not read.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        path = canonical(request.path_info)
        if path is None:
            return self.get_response(request)
        request.META[TOLD] = True
        try:
            return self._answer(request, path)
        except Exception:  # noqa: BLE001 - the last door: whatever it is, a device gets an answer it can read
            _log.exception("A device's request failed outside of its view.")
            error = protocol.render_error(protocol.standard_error(503), protocol.XML)
            return HttpResponse(
                error,
                status=503,
                content_type=protocol.content_type(protocol.XML),
                headers={"Retry-After": "60", "Cache-Control": "no-store"},
            )

    def _answer(self, request: HttpRequest, path: str) -> HttpResponseBase:
        match = resolve(path, "updates.api.urls")
        request.resolver_match = match
        response: HttpResponseBase = match.func(request, *match.args, **match.kwargs)
        render = getattr(response, "render", None)
        if callable(render):
            render()
        if isinstance(response, HttpResponse) and response.status_code != HTTPStatus.NOT_MODIFIED:
            # As the console's CommonMiddleware does; a device may not read chunks.
            response.headers.setdefault("Content-Length", str(len(response.content)))
        return response


class ConsoleDoor:
    """Keeps the console off plain http, but for the machine itself, and its cookies on https.

    The embedded default serves http for devices on the network; a password typed into the console would
    travel there in the clear.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        peer = resolve_peer(
            remote_addr=request.META.get("REMOTE_ADDR", ""),
            scheme_is_https=request.scheme == "https",
            forwarded_for=request.META.get("HTTP_X_FORWARDED_FOR"),
            forwarded_proto=request.META.get("HTTP_X_FORWARDED_PROTO"),
            trusted=settings.DUS_TRUSTED_PROXIES,
        )
        if peer.secure:
            # Django's own idea of a secure request, for its cookies and its CSRF check.
            request.META["wsgi.url_scheme"] = "https"
        elif not peer.address.is_loopback:
            text = _("The console is served over https only. Open %(url)s instead.")
            return _plain(text % {"url": settings.DUS_EXTERNAL_URL}, 403)
        response = self._answer(request)
        if peer.secure and isinstance(response, HttpResponseBase):
            for morsel in response.cookies.values():
                morsel["secure"] = True
        return response

    def _answer(self, request: HttpRequest) -> HttpResponseBase:
        # A form is read by the check against forged ones; what has another type, a view reads or nobody.
        if request.method != "POST" or request.content_type not in _FORMS:
            return self.get_response(request)
        refusal = None if settings.SESSION_COOKIE_NAME in request.COOKIES else _refusal_of_stranger(request)
        if refusal is not None:
            return refusal
        try:
            with forms.one():
                return self.get_response(request)
        except CrowdedError:
            _log.warning("503 to a form of the console: %s are being read", forms.size)
            request.META[TOLD] = True
            text = _("Too many forms are being sent at this moment. Send yours again in half a minute.")
            return _plain(text, 503, {"Retry-After": "30"})


def _refusal_of_stranger(request: HttpRequest) -> HttpResponseBase | None:
    """The answer to a form that nobody signed in for and that is not read; None for the short ones of the sign-in page."""
    if request.path_info not in {reverse("admin:login"), reverse("set_language")}:
        return redirect_to_login(request.get_full_path(), reverse("admin:login"))
    length = request.META.get("CONTENT_LENGTH") or ""
    if not (length.isascii() and length.isdigit()):
        return _plain(_("Say how long the form is, in the header Content-Length."), 411)
    if int(length) > ANONYMOUS_FORM_BYTES:
        return _plain(_("The form is too long."), 413)
    return None


def _plain(text: str, status: int, headers: dict[str, str] | None = None) -> HttpResponse:
    return HttpResponse(text, status=status, headers=headers, content_type="text/plain; charset=utf-8")
