"""Anyone may ask whether the service can serve, and learns no more than that."""

import logging
from http import HTTPStatus

import pytest
from django.db import OperationalError, connection
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory
from pytest_django import DjangoAssertNumQueries

from dus_project.health import HealthDoor


def no_further(_request: HttpRequest) -> HttpResponse:
    raise AssertionError("the request went past the door")


@pytest.mark.django_db
@pytest.mark.parametrize("host", ["localhost", "nobody.example.org", "192.0.2.7"])
@pytest.mark.parametrize("address", ["127.0.0.1", "203.0.113.9"])
def test_it_answers_any_host_and_caller_without_a_session(client: Client, host: str, address: str) -> None:
    response = client.get("/healthz", headers={"host": host}, REMOTE_ADDR=address)
    assert (response.status_code, response.content) == (HTTPStatus.OK, b"ok\n")
    assert response["Cache-Control"] == "no-store"
    assert not response.cookies


@pytest.mark.django_db
def test_it_only_answers_questions(client: Client) -> None:
    response = client.post("/healthz")
    assert (response.status_code, response["Allow"]) == (HTTPStatus.METHOD_NOT_ALLOWED, "GET, HEAD")


@pytest.mark.django_db
def test_a_warm_answer_costs_one_query(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    door = HealthDoor(no_further)
    door(RequestFactory().get("/healthz"))
    with django_assert_num_queries(1):
        door(RequestFactory().get("/healthz"))


@pytest.mark.django_db
def test_missing_migrations_make_it_unavailable(caplog: pytest.LogCaptureFixture) -> None:
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM django_migrations WHERE app = 'updates'")
    response = HealthDoor(no_further)(RequestFactory().get("/healthz"))
    assert response.status_code == HTTPStatus.SERVICE_UNAVAILABLE
    assert "manage.py migrate" in caplog.text


@pytest.mark.django_db
def test_a_database_that_does_not_answer_is_told_to_the_log_only(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    door = HealthDoor(no_further)
    door(RequestFactory().get("/healthz"))

    def refuse() -> None:
        raise OperationalError("connection to database.example.org refused")

    monkeypatch.setattr(connection, "cursor", refuse)
    with caplog.at_level(logging.ERROR):
        response = door(RequestFactory().get("/healthz"))
    assert isinstance(response, HttpResponse)
    assert (response.status_code, response.content) == (HTTPStatus.SERVICE_UNAVAILABLE, b"unavailable\n")
    assert "database.example.org" in caplog.text


def test_other_requests_go_on() -> None:
    answer = HttpResponse("further on")
    assert HealthDoor(lambda _request: answer)(RequestFactory().get("/healthz/x")) is answer
