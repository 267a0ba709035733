"""What the doors let in: nobody unknown makes the console read, and slow bodies leave threads for others."""

import io
import logging
from collections.abc import Iterator
from http import HTTPStatus

import pytest
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.test import Client, RequestFactory

from dus_project.logs import without_traceback
from dus_project.middleware import ANONYMOUS_FORM_BYTES, ConsoleDoor, forms
from tests.builders import make_user
from updates.api import bodies, wire

FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data; boundary=x"


class Unread:
    """A body of which not a byte may be asked for."""

    def read(self, *_sizes: int) -> bytes:
        raise AssertionError("the body was read")

    readline = read


def reader(request: HttpRequest) -> HttpResponse:
    return HttpResponse(str(len(request.body)))


def at_the_door(path: str, content_type: str, length: str | None, *, cookie: str = "") -> HttpResponseBase:
    """The answer to a POST whose body never comes; the console behind the door reads it."""
    environ: dict[str, object] = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": path,
        "REMOTE_ADDR": "127.0.0.1",
        "CONTENT_TYPE": content_type,
        "wsgi.input": Unread(),
    }
    if length is not None:
        environ["CONTENT_LENGTH"] = length
    request = RequestFactory().request(**environ)
    if cookie:
        request.COOKIES[settings.SESSION_COOKIE_NAME] = cookie
    return ConsoleDoor(reader)(request)


@pytest.mark.parametrize("content_type", [FORM, MULTIPART])
@pytest.mark.parametrize("path", ["/admin/", "/admin/updates/package/upload/", "/nowhere"])
def test_a_form_of_a_stranger_is_not_read_but_sent_to_the_sign_in(path: str, content_type: str) -> None:
    response = at_the_door(path, content_type, "500")
    assert response.status_code == HTTPStatus.FOUND
    assert response["Location"] == f"/admin/login/?next={path}"


@pytest.mark.parametrize("path", ["/admin/login/", "/i18n/setlang/"])
@pytest.mark.parametrize(
    ("length", "status"),
    [(None, 411), ("", 411), ("many", 411), ("-1", 411), (str(ANONYMOUS_FORM_BYTES + 1), 413)],
)
def test_a_form_of_the_sign_in_page_says_that_it_is_short_or_is_not_read(
    path: str, length: str | None, status: int
) -> None:
    assert at_the_door(path, FORM, length).status_code == status


@pytest.mark.parametrize(("path", "cookie"), [("/admin/login/", ""), ("/admin/", "a session")])
def test_when_too_many_forms_are_being_read_no_further_one_is(
    monkeypatch: pytest.MonkeyPatch, path: str, cookie: str
) -> None:
    monkeypatch.setattr(bodies, "PATIENCE", 0.01)
    for _ in range(forms.size):
        forms._free.acquire()
    try:
        response = at_the_door(path, FORM, "500", cookie=cookie)
    finally:
        forms._free.release(forms.size)
    assert (response.status_code, response["Retry-After"]) == (503, "30")
    with pytest.raises(AssertionError, match="the body was read"):
        at_the_door(path, FORM, "500", cookie=cookie)
    assert forms._free._value == forms.size


@pytest.mark.django_db
def test_whoever_signed_in_may_send_forms() -> None:
    client = Client()
    make_user(groups=("Viewers",), name="hana")
    response = client.post("/admin/login/?next=/admin/", {"username": "hana", "password": "correct horse"})
    assert response["Location"] == "/admin/"
    assert client.post("/i18n/setlang/", {"language": "ja", "next": "/admin/"})["Location"] == "/admin/"


def test_slow_bodies_can_never_take_all_threads() -> None:
    assert settings.DUS_CHECK_BODIES + settings.DUS_FORM_BODIES < settings.DUS_WEB_THREADS


@pytest.fixture
def said() -> Iterator[io.StringIO]:
    """What the service's own handler writes."""
    (handler,) = [one for one in logging.getLogger().handlers if without_traceback in one.filters]
    assert isinstance(handler, logging.StreamHandler)
    written = io.StringIO()
    before = handler.setStream(written)
    yield written
    handler.setStream(before)


def test_a_strange_host_costs_one_line_of_the_log(said: io.StringIO) -> None:
    response = Client().get("/admin/", headers={"host": "strange.example.org"})
    assert response.status_code == HTTPStatus.BAD_REQUEST
    (line,) = said.getvalue().splitlines()
    assert "django.security.DisallowedHost" in line
    assert "strange.example.org" in line


def test_a_form_without_a_slot_leaves_one_line_and_no_path(
    said: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bodies, "PATIENCE", 0.01)
    for _ in range(forms.size):
        forms._free.acquire()
    try:
        response = Client().post("/admin/login/", {"username": "hana"})
    finally:
        forms._free.release(forms.size)
    assert response.status_code == 503
    (line,) = said.getvalue().splitlines()
    assert "503 to a form" in line
    assert "login" not in line


@pytest.mark.django_db
def test_a_refusal_to_a_device_leaves_no_path_in_the_log(
    said: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bodies, "PATIENCE", 0.01)
    for _ in range(wire.bodies.size):
        wire.bodies._free.acquire()
    try:
        response = Client().post("/requesthandler/UCDevice.upx", b"<r/>", content_type="text/xml")
    finally:
        wire.bodies._free.release(wire.bodies.size)
    assert (response.status_code, response["Retry-After"]) == (503, "30")
    assert b"<Code>unavailable</Code>" in response.content
    (line,) = said.getvalue().splitlines()
    assert "devices.refusals 503 to a check" in line
    assert "handler" not in line
    assert Client().post("/requesthandler/UCDevice.upx", b"<r/>", content_type="text/xml").status_code == 400
