"""What the console's views ask of a request."""

from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest


def user_of(request: HttpRequest) -> User:
    """The account that asks. Raises PermissionDenied when nobody is logged in."""
    if not isinstance(request.user, User):
        raise PermissionDenied
    return request.user
