"""A caller of the device URLs, inside or outside, with or without an account."""

import base64
from dataclasses import dataclass, replace

from django.core.files.base import ContentFile
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.test import Client

from tests.builders import CX700
from updates import protocol, store
from updates.models import Update
from updates.protocol import CheckAnswer, CheckRequest, ErrorAnswer

INSIDE = "/RequestHandler/ucdevice.upx"
OUTSIDE = "/RequestHandlerExt/ucdevice.upx"
PASSWORD = "correct horse"

_CHECK = CheckRequest(
    family=CX700.family,
    mac="00-15-5D-0A-0B-0C",
    serial="",
    vendor=CX700.brand,
    model=CX700.model,
    revision=CX700.revision,
    locale=CX700.locale,
    version="1.0.199.123",
    modules=(),
    user="",
)


def a_check(
    *,
    version: str | None = "1.0.199.123",
    mac: str = "00-15-5D-0A-0B-0C",
    user: str = "",
    model: str = "CX700",
) -> CheckRequest:
    return replace(_CHECK, version=version, mac=mac, user=user, model=model)


@dataclass(frozen=True)
class Phone:
    """`account` signs in with the password of `make_user`."""

    address: str = "10.1.2.3"
    https: bool = False
    account: str = ""
    password: str = PASSWORD

    def headers(self) -> dict[str, str]:
        if not self.account:
            return {}
        return {"Authorization": basic(self.account, self.password)}

    def post(self, url: str, body: bytes, media_type: str = protocol.XML, **more: str) -> HttpResponse:
        response = Client().generic(
            "POST",
            url,
            body,
            content_type=media_type,
            secure=self.https,
            REMOTE_ADDR=self.address,
            headers=self.headers() | more,
        )
        assert isinstance(response, HttpResponse)
        return response

    def get(self, url: str, method: str = "GET", **more: str) -> HttpResponseBase:
        return Client().generic(
            method, url, secure=self.https, REMOTE_ADDR=self.address, headers=self.headers() | more
        )

    def check(self, check: CheckRequest | None = None, *, url: str = INSIDE) -> CheckAnswer:
        response = self.post(url, protocol.render_check(check or a_check(), protocol.XML))
        assert response.status_code == 200, response.content
        return protocol.parse_answer(response.content, protocol.XML)


OUTSIDER = Phone(address="198.51.100.7", https=True)


def basic(account: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{account}:{password}".encode()).decode()


def body_of(response: HttpResponseBase) -> bytes:
    """The whole body, as a device that reads to the end gets it."""
    return b"".join(response)


def error_of(response: HttpResponseBase) -> ErrorAnswer:
    """The refusal, which must be one of the protocol and have the status of the answer."""
    content = body_of(response)
    assert response["Content-Type"] == "text/xml; charset=utf-8"
    error = protocol.parse_error(content, protocol.XML)
    assert error.status == response.status_code
    return error


def put_in_store(update: Update, content: dict[str, bytes]) -> None:
    """Puts the bytes of an update's files where devices download them."""
    for name, data in content.items():
        store.storage().save(f"{update.folder}/{name}", ContentFile(data))
