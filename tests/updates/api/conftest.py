"""What every test of the device URLs gets: a process that has just started."""

from collections.abc import Iterator

import pytest

from devices.authentication.basic import sign_ins
from updates import catalogue


@pytest.fixture(autouse=True)
def a_process_of_its_own() -> Iterator[None]:
    """No approvals and no sign-ins of other tests are remembered."""
    catalogue.reset()
    sign_ins.forget()
    yield
    catalogue.reset()
    sign_ins.forget()
