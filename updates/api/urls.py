"""URLs that devices ask. The names are those of the original's virtual directories."""

from django.urls import URLPattern, path, re_path

from devices.authentication.access import Door
from updates.api.downloads import DownloadView
from updates.api.views import (
    EXTERNAL_HANDLER,
    INTERNAL_HANDLER,
    CheckView,
    NothingView,
    ProvisioningView,
)
from updates.catalogue import EXTERNAL_FOLDER, INTERNAL_FOLDER

_inside = DownloadView.as_view(door=Door.INSIDE)
_outside = DownloadView.as_view(door=Door.OUTSIDE)

urlpatterns: list[URLPattern] = [
    path(INTERNAL_HANDLER, CheckView.as_view(door=Door.INSIDE)),
    path(EXTERNAL_HANDLER, CheckView.as_view(door=Door.OUTSIDE)),
    path("provisioning", ProvisioningView.as_view()),
    path("provisioning/", ProvisioningView.as_view()),
    path(f"{INTERNAL_FOLDER}/<path:path>", _inside),
    path(f"{EXTERNAL_FOLDER}/<path:path>", _outside),
    path("RequestHandler/Files/<path:path>", _inside),
    path("RequestHandlerExt/Files/<path:path>", _outside),
    re_path(
        rf"^(?:RequestHandler|RequestHandlerExt|{INTERNAL_FOLDER}|{EXTERNAL_FOLDER}|provisioning)(?:/|$)",
        NothingView.as_view(),
    ),
]
