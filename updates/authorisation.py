"""Who may do what. The services ask here, so that every door asks the same."""

from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.utils.translation import gettext as _

VIEW = "updates.view_update"
UPLOAD = "updates.add_package"
APPROVE = "updates.approve_update"
REJECT = "updates.reject_update"
ROLL_BACK = "updates.roll_back_update"
REMOVE = "updates.delete_update"
CLEAR_FILES = "updates.clear_files"
SWITCH_OFFERS = "updates.switch_offers"
VIEW_TEST_DEVICES = "devices.view_testdevice"
ADD_TEST_DEVICE = "devices.add_testdevice"
CHANGE_TEST_DEVICE = "devices.change_testdevice"
REMOVE_TEST_DEVICE = "devices.delete_testdevice"


class NotPermittedError(PermissionDenied):
    """The account lacks the permission; nothing was changed."""


def require(permission: str, by: User | None) -> None:
    """Does nothing when `by` has `permission`; without `by` the service itself, or its operator, acts.

    Raises NotPermittedError, which names the account and the permission.
    """
    if by is not None and not by.has_perm(permission):
        raise NotPermittedError(
            _("%(user)s may not do this; it needs the permission %(permission)s.")
            % {"user": by.get_username(), "permission": permission}
        )
