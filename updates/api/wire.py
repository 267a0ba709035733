"""Puts the protocol on the web: reads a check from a request, writes answers in the form the caller wants."""

import logging
from collections.abc import Iterable, Mapping
from typing import IO, Any, Final

from django.conf import settings
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request

from updates import protocol
from updates.api.bodies import CrowdedError, Slots
from updates.api.errors import ProblemError

_log = logging.getLogger("devices.refusals")

Message = protocol.CheckAnswer | protocol.ErrorAnswer | protocol.Provisioning


# Under which name the parsed check stands in a request's data; a request without a body has none.
CHECK: Final = "check"

# The rest of a process's threads stays free for downloads and for the console, however slow devices are.
bodies: Final = Slots(settings.DUS_CHECK_BODIES)
_RETRY: Final = {"Retry-After": "30"}


class CheckParser(BaseParser):
    """Reads a check, and not more of the body than a check may have."""

    media_type = "*/*"

    def parse(
        self,
        stream: IO[bytes],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Mapping[str, protocol.CheckRequest]:
        meta = parser_context["request"].META if parser_context else {}
        if int(meta.get("CONTENT_LENGTH") or 0) > protocol.MAX_BODY:
            # Nothing of it is read.
            raise ProblemError(413)
        try:
            with bodies.one():
                body = stream.read(protocol.MAX_BODY)
        except CrowdedError as error:
            _log.warning("503 to a check: %s bodies are being read", bodies.size)
            raise ProblemError(503, headers=_RETRY) from error
        return {CHECK: protocol.parse_check(body, media_type or "")}


class ProtocolRenderer(BaseRenderer):
    """Writes messages in one form."""

    def render(
        self,
        data: Message,
        _accepted_media_type: str | None = None,
        _renderer_context: Mapping[str, Any] | None = None,
    ) -> bytes:
        if isinstance(data, protocol.CheckAnswer):
            return protocol.render_answer(data, self.media_type)
        if isinstance(data, protocol.Provisioning):
            return protocol.render_provisioning(data, self.media_type)
        return protocol.render_error(data, self.media_type)


class TextXmlRenderer(ProtocolRenderer):
    """XML by the name that devices of that time knew."""

    media_type = protocol.XML
    format = "xml"


class ApplicationXmlRenderer(ProtocolRenderer):
    """XML by the name that callers of today ask for."""

    media_type = protocol.MEDIA_TYPES[1]
    format = "xml"


class JsonRenderer(ProtocolRenderer):
    """JSON, which has no other encoding than UTF-8."""

    media_type = protocol.JSON
    format = "json"
    charset = None


RENDERERS: Final = (TextXmlRenderer, ApplicationXmlRenderer, JsonRenderer)


class ProtocolNegotiation(BaseContentNegotiation):
    """Chooses the form by Accept, else by the form of the request, else XML; it never refuses."""

    def select_parser(self, _request: Request, parsers: Iterable[BaseParser]) -> BaseParser:
        return next(iter(parsers))

    def select_renderer(
        self, request: Request, renderers: Iterable[BaseRenderer], _format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        meta = request.META
        media_type = protocol.answer_media_type(meta.get("HTTP_ACCEPT"), meta.get("CONTENT_TYPE"))
        return next((renderer, media_type) for renderer in renderers if renderer.media_type == media_type)
