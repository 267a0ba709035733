"""What every test gets: files of its own, and a process that has just started."""

import copy
from pathlib import Path

import pytest
from pytest_django import Settings

from devices.authentication.basic import sign_ins
from updates import catalogue


@pytest.fixture(autouse=True)
def files_of_its_own(settings: Settings, tmp_path: Path) -> Path:
    """A package storage, an update store and a scratch folder that no other test writes to."""
    storages = copy.deepcopy(settings.STORAGES)
    storages["default"]["OPTIONS"]["location"] = tmp_path / "packages"
    storages["updates"]["OPTIONS"]["location"] = tmp_path / "store"
    settings.STORAGES = storages
    settings.DUS_SCRATCH_DIR = tmp_path / "scratch"
    return tmp_path


@pytest.fixture(autouse=True)
def a_process_of_its_own() -> None:
    """No approvals and no sign-ins that another test left in the process are remembered."""
    catalogue.reset()
    sign_ins.forget()
