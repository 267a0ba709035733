"""A view of Django REST framework that reads the body of a check as the service does and always answers the same."""

from collections.abc import Mapping
from typing import IO, Any

from django.urls import URLPattern, path
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from bench.fleet import CHECK_PATH
from updates import protocol

_ANSWER = protocol.CheckAnswer(downloads=(), reason="up_to_date")


class Parser(BaseParser):
    """Reads a check."""

    media_type = "*/*"

    def parse(
        self,
        stream: IO[bytes],
        media_type: str | None = None,
        _parser_context: Mapping[str, Any] | None = None,
    ) -> Mapping[str, protocol.CheckRequest]:
        return {"check": protocol.parse_check(stream.read(protocol.MAX_BODY), media_type or "")}


class Renderer(BaseRenderer):
    """Writes the bytes that it is given."""

    media_type = protocol.XML
    format = "xml"

    def render(
        self,
        data: bytes,
        _accepted_media_type: str | None = None,
        _renderer_context: Mapping[str, Any] | None = None,
    ) -> bytes:
        return data


class ConstantView(APIView):
    """Nothing is authenticated, decided or recorded."""

    authentication_classes = ()
    permission_classes = ()
    throttle_classes = ()
    parser_classes = (Parser,)
    renderer_classes = (Renderer,)
    content = protocol.render_answer(_ANSWER, protocol.XML)

    def post(self, request: Request) -> Response:
        assert request.data
        return Response(self.content, headers={"Content-Length": str(len(self.content))})


urlpatterns: list[URLPattern] = [path(CHECK_PATH.lstrip("/"), ConstantView.as_view())]
