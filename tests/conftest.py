"""What every test gets: files of its own."""

import copy
from pathlib import Path

import pytest
from pytest_django import Settings


@pytest.fixture(autouse=True)
def files_of_its_own(settings: Settings, tmp_path: Path) -> Path:
    """A package storage, an update store and a scratch folder that no other test writes to."""
    storages = copy.deepcopy(settings.STORAGES)
    storages["default"]["OPTIONS"]["location"] = tmp_path / "packages"
    storages["updates"]["OPTIONS"]["location"] = tmp_path / "store"
    settings.STORAGES = storages
    settings.DUS_SCRATCH_DIR = tmp_path / "scratch"
    return tmp_path
