import pytest

from tests.updates.commands.shell import Shell


@pytest.fixture
def shell() -> Shell:
    return Shell()
