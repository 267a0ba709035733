"""What all views for devices have in common."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import ClassVar, Final

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from devices.authentication.access import Caller, Door, admit
from updates.api.errors import problem_of
from updates.api.wire import RENDERERS, CheckParser, Message, ProtocolNegotiation

# An answer is for one caller at one moment, in the form it asked for.
_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Vary": "Accept",
    "X-Content-Type-Options": "nosniff",
}


class DeviceView(APIView):
    """Admits a caller by the view's door and answers in the protocol, whatever happens."""

    authentication_classes = ()
    permission_classes = ()
    throttle_classes = ()
    parser_classes = (CheckParser,)
    renderer_classes = RENDERERS
    content_negotiation_class = ProtocolNegotiation
    # An attribute of the class, for `as_view(door=...)`.
    door: ClassVar[Door] = Door.INSIDE
    caller: Caller

    @property
    def default_response_headers(self) -> dict[str, str]:
        # `reply` sets headers; these here would replace those of a file.
        return {}

    def perform_authentication(self, request: Request) -> None:
        self.caller = admit(request.META, self.door)

    def reply(
        self, message: Message, *, status: int = 200, headers: Mapping[str, str] | None = None
    ) -> Response:
        """An answer of the protocol."""
        return Response(message, status=status, headers={**_HEADERS, **(headers or {})})

    def handle_exception(self, exc: Exception) -> Response:
        problem = problem_of(exc)
        headers = dict(problem.headers)
        if problem.status == HTTPStatus.METHOD_NOT_ALLOWED:
            headers["Allow"] = ", ".join(self.allowed_methods)
        return self.reply(problem.answer, status=problem.status, headers=headers)
