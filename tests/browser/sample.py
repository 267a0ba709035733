"""Fills a service with something of everything, so that no page of the console is empty.

Run in a process of its own, with the environment of the service: `python -m tests.browser.sample`.
"""

import django

django.setup()

from django.contrib.auth.models import User  # noqa: E402
from django.utils import timezone  # noqa: E402 - models can be imported after Django's setup only

from devices.identity import DeviceTypeKey  # noqa: E402
from devices.models import TestDevice  # noqa: E402
from tests.builders import UpdateShape, make_device, make_package, make_update, make_user  # noqa: E402
from updates.models import Delivery, Finding, Package, Update  # noqa: E402
from updates.services import decisions  # noqa: E402

MODELS = ("CX500", "CX600", "CX700", "CX3000")


def _fill() -> None:
    hana = make_user(name="hana", groups=("Administrators",))
    for model in MODELS:
        key = DeviceTypeKey("UCPhone", "Polycom", model, "A", "ENU")
        _approve("1.0.199.123", key, by=hana)
        update = _approve("1.0.522.101", key, by=hana)
        make_update(shape=UpdateShape(version="0.9.0.1", key=key))
        for version in ("1.0.199.123", "1.0.522.101", "custom", ""):
            _deliver(update, make_device(version=version, key=key).pk)
    withdrawn = make_update(shape=UpdateShape(update_type="LOADER"))
    decisions.reject([withdrawn.pk], by=hana, reason="Breaks the hook switch")
    _packages()
    TestDevice.objects.create(kind="mac", identifier="00-15-5D-00-00-01", name="Bench", added_by=hana)


def _approve(version: str, key: DeviceTypeKey, *, by: User) -> Update:
    update = make_update(shape=UpdateShape(version=version, key=key))
    decisions.approve([update.pk], by=by, reason="Ran on the bench for a week")
    return update


def _deliver(update: Update, device_id: int) -> None:
    now = timezone.now()
    Delivery.objects.create(
        device_id=device_id,
        update=update,
        from_version="1.0.199.123",
        offered_at=now,
        last_offered_at=now,
        fetched_at=now,
        installed_at=now,
    )


def _packages() -> None:
    failed = make_package(state=Package.State.FAILED, file_name="broken.cab")
    Finding.objects.create(
        package=failed,
        level="failure",
        check_name="cabinet",
        member="CPE.nbt",
        message="The member is cut short.",
        remedy="Fetch the package again.",
    )


if __name__ == "__main__":
    _fill()
