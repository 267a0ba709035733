"""Measures checks in the process: SQL statements of a warm check, and where its processor time goes."""

import json
import time
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser
from django.db import connection
from django.http import HttpResponse
from django.test import RequestFactory
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from bench import fleet
from dus_project.middleware import DeviceDoor
from updates import deliveries, protocol
from updates.deliveries import CheckIn

_ROUNDS = 5


class Command(BaseCommand):
    help = "Print the SQL statements per warm check and the processor time of its parts, as JSON."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--times", type=int, default=200)

    def handle(self, *, times: int, **_options: Any) -> None:
        # Longer than this takes: a warm catalogue is what is measured.
        settings.DUS_CATALOGUE_SECONDS = 3600.0
        numbers = {"offered": 0, "up_to_date": 1}
        for number in numbers.values():
            _check(number, fleet.check(number))
        statements = {name: _statements(number) for name, number in numbers.items()}
        current, body = numbers["up_to_date"], fleet.check(numbers["up_to_date"])
        check_in = _check_in(current)
        parts = {
            "check": _microseconds(lambda: _check(current, body), times),
            "parse": _microseconds(lambda: protocol.parse_check(body, protocol.XML), times),
            "record": _microseconds(lambda: deliveries.record([check_in]), times),
        }
        self.stdout.write(
            json.dumps(
                {
                    "sql": {answer: len(some) for answer, some in statements.items()},
                    "us": parts,
                    "statements": statements,
                }
            )
        )


def _check(number: int, body: bytes) -> None:
    request = RequestFactory().generic("POST", fleet.CHECK_PATH, body, content_type=protocol.XML)
    response = DeviceDoor(_nothing)(request)
    assert isinstance(response, HttpResponse)
    assert response.status_code == 200, response.content
    assert b"downloads=%d" % fleet.downloads(number) in response.content


def _nothing(_request: object) -> HttpResponse:
    return HttpResponse(status=404)


def _statements(number: int) -> list[str]:
    with CaptureQueriesContext(connection) as captured:
        _check(number, fleet.check(number))
    return [" ".join(query["sql"].split()[:3]) for query in captured.captured_queries]


def _microseconds(work: Callable[[], object], times: int) -> float:
    """Processor time of this process per call, the best of some rounds."""
    best = float("inf")
    for _ in range(_ROUNDS):
        started = time.process_time()
        for _ in range(times):
            work()
        best = min(best, time.process_time() - started)
    return round(best / times * 1e6, 1)


def _check_in(number: int) -> CheckIn:
    running = fleet.version(number)
    return CheckIn(
        at=timezone.now(),
        mac=fleet.mac(number),
        serial=fleet.serial(number),
        device_type=fleet.device_type(number),
        version=running,
        versions={fleet.UPDATE_TYPE: running},
        address="127.0.0.1",
        account=fleet.user(number),
        reason="up_to_date",
    )
