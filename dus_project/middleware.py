"""The two doors: devices come in by one, people by the other."""

import logging
from collections.abc import Callable
from http import HTTPStatus

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import resolve
from django.utils.translation import gettext as _

from devices.authentication.networks import resolve_peer
from updates import protocol

_log = logging.getLogger(__name__)

GetResponse = Callable[[HttpRequest], HttpResponseBase]

DEVICE_PREFIXES = (
    "/RequestHandler/",
    "/RequestHandlerExt/",
    "/DeviceUpdateFiles_Int/",
    "/DeviceUpdateFiles_Ext/",
    "/provisioning/",
)


class DeviceDoor:
    """Answers device URLs at once, past every middleware of the console.

    A device has no session, no language and often only an IP literal to call us by; what the console's
    middleware would add to the answer, it could not read.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        # With the slash that may be missing at the end: /provisioning is for devices, too.
        if not f"{request.path_info}/".startswith(DEVICE_PREFIXES):
            return self.get_response(request)
        try:
            return self._answer(request)
        except Exception:  # noqa: BLE001 - the last door: whatever it is, a device gets an answer it can read
            _log.exception("A device's request failed outside of its view.")
            error = protocol.render_error(protocol.standard_error(503), protocol.XML)
            return HttpResponse(
                error,
                status=503,
                content_type=protocol.content_type(protocol.XML),
                headers={"Retry-After": "60", "Cache-Control": "no-store"},
            )

    def _answer(self, request: HttpRequest) -> HttpResponseBase:
        match = resolve(request.path_info, "updates.api.urls")
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
            return HttpResponse(
                text % {"url": settings.DUS_EXTERNAL_URL},
                status=403,
                content_type="text/plain; charset=utf-8",
            )
        response = self.get_response(request)
        if peer.secure and isinstance(response, HttpResponseBase):
            for morsel in response.cookies.values():
                morsel["secure"] = True
        return response
