"""`/healthz`: whether this process can serve, for load balancers and for `make serve`.

200 and `ok`, or 503 and `unavailable`; the cause stands in the log only, because anyone may ask.
"""

import logging
from collections.abc import Callable

from django.db import Error, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

_log = logging.getLogger(__name__)

GetResponse = Callable[[HttpRequest], HttpResponseBase]

PATH = "/healthz"


class HealthDoor:
    """Answers `/healthz` before any other middleware: under any host name, over http and https, without a session."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response
        self._migrated = False

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if request.path_info != PATH:
            return self.get_response(request)
        if request.method not in {"GET", "HEAD"}:
            return _answer("GET or HEAD only", 405, {"Allow": "GET, HEAD"})
        return _answer("ok", 200) if self._can_serve() else _answer("unavailable", 503, {"Retry-After": "5"})

    def _can_serve(self) -> bool:
        try:
            if not self._migrated:
                # Once is enough: migrations that were applied stay so for as long as this code runs.
                self._migrated = not missing_migrations()
                if not self._migrated:
                    _log.warning("Migrations are missing; run: python manage.py migrate")
                return self._migrated
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1")
        except Error:
            _log.exception("The database does not answer.")
            return False
        return True


def missing_migrations() -> list[str]:
    """Names of the migrations that the database does not have yet. Raises `django.db.Error` when it does not answer."""
    executor = MigrationExecutor(connection)
    targets = executor.loader.graph.leaf_nodes()
    return [f"{step.app_label}.{step.name}" for step, _backwards in executor.migration_plan(targets)]


def _answer(text: str, status: int, headers: dict[str, str] | None = None) -> HttpResponse:
    return HttpResponse(
        f"{text}\n",
        status=status,
        content_type="text/plain; charset=utf-8",
        headers={"Cache-Control": "no-store"} | (headers or {}),
    )
