"""The first start prepares everything, the next one nothing."""

import stat
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from pytest_django import Settings

from dus_project.serving import preparation
from dus_project.serving.preparation import PreparationError
from tests.builders import make_user


def test_the_state_directory_is_its_owners_alone(tmp_path: Path) -> None:
    state = tmp_path / "deep" / "state"
    preparation.make_folders(state)
    preparation.make_folders(state)
    assert stat.S_IMODE(state.stat().st_mode) == 0o700
    assert (state / "queue" / "messages").is_dir()


def test_a_state_directory_that_is_a_file_is_refused_with_a_remedy(tmp_path: Path) -> None:
    (tmp_path / "state").touch()
    with pytest.raises(PreparationError, match="set DUS_STATE_DIR"):
        preparation.make_folders(tmp_path / "state")


@pytest.mark.django_db
def test_the_first_user_is_an_administrator_with_a_password_of_its_own() -> None:
    password = preparation.make_administrator()
    administrator = User.objects.get()
    assert len(password) >= 16
    assert administrator.check_password(password)
    assert administrator.is_superuser


@pytest.mark.django_db
def test_no_administrator_is_made_where_there_are_users() -> None:
    make_user(name="someone")
    assert preparation.make_administrator() == ""
    assert User.objects.count() == 1


def test_static_files_are_collected_when_they_changed_only(settings: Settings, tmp_path: Path) -> None:
    settings.STATIC_ROOT = tmp_path / "static"
    said: list[str] = []
    preparation.collect_static(said.append, tmp_path)
    preparation.collect_static(said.append, tmp_path)
    assert len(said) == 1
    assert (tmp_path / "static" / "admin").is_dir()
    (tmp_path / "static.fingerprint").write_text("another")
    preparation.collect_static(said.append, tmp_path)
    assert len(said) == 2


@pytest.mark.django_db
def test_settings_that_forbid_the_start_are_said_with_their_hints(settings: Settings) -> None:
    settings.DUS_INTERNAL_URL = ""
    said: list[str] = []
    with pytest.raises(PreparationError, match="do not fit together"):
        preparation.check_settings(said.append)
    assert "dus.E001" in said[0]
    assert "\n  Set it to the URL" in said[0]


@pytest.mark.django_db
def test_a_database_that_is_up_to_date_is_left_alone() -> None:
    said: list[str] = []
    preparation.migrate(said.append)
    assert said == []
