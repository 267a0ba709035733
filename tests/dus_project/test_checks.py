"""Settings that are wrong together are found before the start, each with a hint."""

from collections.abc import Callable
from pathlib import Path

import pytest
from django.core.checks import run_checks
from pytest_django import Settings

from devices.authentication.networks import Networks
from dus_project import checks

REDIS = "redis://redis.example.org:6379/0"


@pytest.fixture(autouse=True)
def database(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    """The embedded default, whatever the suite itself runs on. No test here asks the database anything."""
    settings.CELERY_BROKER_URL = "filesystem://"
    entry: dict[str, object] = settings.DATABASES["default"]
    monkeypatch.setitem(entry, "ENGINE", "django.db.backends.sqlite3")
    monkeypatch.setitem(entry, "HOST", "")
    return entry


@pytest.mark.parametrize(
    ("number", "check", "changes"),
    [
        ("dus.E001", checks.base_urls, {"DUS_INTERNAL_URL": ""}),
        ("dus.E002", checks.base_urls, {"DUS_EXTERNAL_URL": ""}),
        ("dus.E003", checks.base_urls, {"DUS_EXTERNAL_URL": "http://updates.example.org"}),
        ("dus.W001", checks.base_urls, {"DUS_BIND": "::", "DUS_EXTERNAL_URL": "https://u.example.org"}),
        ("dus.E006", checks.object_store, {"DUS_STORAGE": "s3", "DUS_ACCEL_PREFIX": ""}),
        (
            "dus.E008",
            checks.queue,
            {"CELERY_BROKER_URL": REDIS, "DUS_VISIBILITY_TIMEOUT": 3600, "CELERY_TASK_TIME_LIMIT": 3600},
        ),
        ("dus.E009", checks.limits, {"CELERY_TASK_SOFT_TIME_LIMIT": 300}),
        ("dus.W002", checks.limits, {"DUS_LEASE_SECONDS": 7200}),
        ("dus.W003", checks.machines, {"CELERY_BROKER_URL": REDIS}),
        ("dus.E010", checks.debugging, {"DEBUG": True, "DUS_BIND": "::"}),
        ("dus.W005", checks.production, {"ALLOWED_HOSTS": ["*"]}),
        ("dus.W006", checks.production, {"SECURE_SSL_REDIRECT": True, "DUS_TRUSTED_PROXIES": Networks()}),
    ],
)
def test_what_is_wrong_together_is_found_with_a_hint(
    settings: Settings, number: str, check: Callable[[], checks.Found], changes: dict[str, object]
) -> None:
    assert list(check()) == []
    for name, value in changes.items():
        setattr(settings, name, value)
    (found,) = check()
    assert found.id == number
    assert found.hint


def test_a_queue_in_a_folder_is_not_for_a_database_elsewhere(
    database: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(database, "ENGINE", "django.db.backends.postgresql")
    monkeypatch.setitem(database, "HOST", "database.example.org")
    (found,) = checks.machines()
    assert found.id == "dus.W004"
    assert found.hint


def test_an_accelerated_folder_is_not_for_an_object_store(settings: Settings) -> None:
    settings.DUS_STORAGE = "s3"
    settings.DUS_ACCEL_PREFIX = "/dus-store"
    settings.DUS_S3_BUCKET = "updates"
    (found,) = checks.object_store()
    assert found.id == "dus.E007"


def test_folders_that_cannot_be_written_are_named(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    settings.STATE_DIR = tmp_path / "file"
    settings.DUS_SCRATCH_DIR = tmp_path / "file" / "scratch"
    found = list(checks.folders())
    assert [message.id for message in found] == ["dus.E005", "dus.E004", "dus.E004"]
    assert all(str(tmp_path / "file") in message.msg for message in found)


def test_looking_at_folders_makes_none(settings: Settings, tmp_path: Path) -> None:
    settings.STATE_DIR = tmp_path / "state"
    settings.DUS_SCRATCH_DIR = tmp_path / "state" / "scratch"
    assert list(checks.folders()) == []
    assert list(tmp_path.iterdir()) == []


def test_django_runs_them(settings: Settings) -> None:
    settings.DUS_INTERNAL_URL = ""
    settings.ALLOWED_HOSTS = ["*"]
    assert {"dus.E001"} == {message.id for message in run_checks() if str(message.id).startswith("dus.")}
    deployed = run_checks(include_deployment_checks=True)
    assert {"dus.E001", "dus.W005"} == {
        message.id for message in deployed if str(message.id).startswith("dus.")
    }
