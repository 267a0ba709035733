"""Packages in the console: the list, the upload page, and the page of each package."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypedDict

from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Model, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseNotAllowed,
    HttpResponseRedirect,
    JsonResponse,
)
from django.template.defaultfilters import filesizeformat
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django_stubs_ext import StrOrPromise

from updates import authorisation
from updates.admin.assignments import AssignmentForm
from updates.admin.common import FactsOnly, badge
from updates.admin.requests import user_of
from updates.admin.uploads import Refusal, answers_json, receive
from updates.domain.lifecycle import State
from updates.models import Finding, LedgerEntry, Package, UnassignedFile, Update
from updates.services import packages
from updates.store import StoreError

if TYPE_CHECKING:
    from django_stubs_ext import WithAnnotations

# A form may send a thousand fields (DATA_UPLOAD_MAX_NUMBER_FIELDS); more boxes than that could not be sent.
SHOWN_FILES = 500


class Counts(TypedDict):
    """How many findings of each level a package has, and how many published updates it brought."""

    passes: int
    warnings: int
    failures: int
    update_count: int


@dataclass(frozen=True, slots=True)
class Choice:
    """An unassigned file and whether its box is ticked."""

    file: UnassignedFile
    chosen: bool


def _number_of(model: type[Model], condition: Q) -> Coalesce:
    """How many rows of `model` a package has under `condition`: a subquery each, so that none multiplies another."""
    counted = (
        model._default_manager.filter(condition, package=OuterRef("pk"))  # noqa: SLF001 - Django documents it for such code
        .order_by()
        .values("package")
        .annotate(number=Count("pk"))
        .values("number")
    )
    return Coalesce(Subquery(counted), 0)


@admin.register(Package)
class PackageAdmin(FactsOnly, admin.ModelAdmin[Package]):
    """What was uploaded, what became of it, and what its examination found. Facts: nothing is changed by hand."""

    list_display = (
        "file_name",
        "state_badge",
        "size_shown",
        "who",
        "uploaded_at",
        "findings_shown",
        "updates_shown",
    )
    list_filter = ("state", ("uploaded_by", admin.RelatedOnlyFieldListFilter), "uploaded_at")
    search_fields = ("file_name", "sha256")
    search_help_text = gettext_lazy("File name or SHA-256")
    list_per_page = 50
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    actions = None

    def has_add_permission(self, request: HttpRequest, *_args: Any) -> bool:
        return request.user.has_perm(authorisation.UPLOAD)

    def has_view_permission(self, request: HttpRequest, obj: Package | None = None) -> bool:
        del obj
        return request.user.has_perm("updates.view_package")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Package]:
        return self._counted(request)

    def _counted(self, request: HttpRequest) -> QuerySet["WithAnnotations[Package, Counts]"]:
        return (
            super()
            .get_queryset(request)
            .select_related("uploaded_by")
            .annotate(
                passes=_number_of(Finding, Q(level=Finding.Level.PASS)),
                warnings=_number_of(Finding, Q(level=Finding.Level.WARNING)),
                failures=_number_of(Finding, Q(level=Finding.Level.FAILURE)),
                update_count=_number_of(Update, ~Q(state=State.IMPORTING)),
            )
        )

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        context = {"title": _("Packages"), "empty_text": _("No package has been uploaded yet.")}
        return super().changelist_view(request, context | (extra_context or {}))

    @admin.display(description=gettext_lazy("state"), ordering="state")
    def state_badge(self, package: Package) -> SafeString:
        return badge(package.state, package.get_state_display())

    @admin.display(description=gettext_lazy("size"), ordering="size")
    def size_shown(self, package: Package) -> str:
        return filesizeformat(package.size)

    @admin.display(description=gettext_lazy("uploaded by"), ordering="uploaded_by__username", empty_value="—")
    def who(self, package: Package) -> str | None:
        return package.uploaded_by.get_username() if package.uploaded_by else None

    @admin.display(description=gettext_lazy("findings"), ordering="failures")
    def findings_shown(self, package: "WithAnnotations[Package, Counts]") -> StrOrPromise:
        counted = (
            (package.failures, ngettext("%d failure", "%d failures", package.failures)),
            (package.warnings, ngettext("%d warning", "%d warnings", package.warnings)),
            (package.passes, _("%d passed")),
        )
        return ", ".join(text % number for number, text in counted if number) or "—"

    @admin.display(description=gettext_lazy("updates"), ordering="update_count")
    def updates_shown(self, package: "WithAnnotations[Package, Counts]") -> int:
        return package.update_count

    def get_urls(self) -> list[URLPattern]:
        site = self.admin_site
        own = [
            path("upload/", answers_json(site, "POST")(receive), name="updates_package_upload"),
            path(
                "<int:package_id>/progress/",
                answers_json(site, "GET")(self.progress_view),
                name="updates_package_progress",
            ),
            path(
                "<int:package_id>/assign/", site.admin_view(self.assign_view), name="updates_package_assign"
            ),
            path(
                "<int:package_id>/examine/",
                site.admin_view(self.examine_view),
                name="updates_package_examine",
            ),
        ]
        return own + super().get_urls()

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The upload page; the files themselves go to `receive`."""
        del form_url
        authorisation.require(authorisation.UPLOAD, user_of(request))
        if request.method != "GET":
            return HttpResponseNotAllowed(["GET"])
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": _("Upload packages"),
            "limit_bytes": settings.DUS_UPLOAD_MAX_BYTES,
            **(extra_context or {}),
        }
        return TemplateResponse(request, "admin/updates/package/upload.html", context)

    def progress_view(self, request: HttpRequest, package_id: int) -> JsonResponse:
        """How far a package is: what the upload page and the package's page ask for while a worker has it."""
        if not self.has_view_permission(request):
            raise Refusal(403, _("You may not see packages; ask for the permission to view them."))
        package = self._counted(request).filter(pk=package_id).first()
        if package is None:
            raise Refusal(404, _("There is no such package."))
        return JsonResponse(
            {
                "state": package.state,
                "state_label": package.get_state_display(),
                "done": package.done_bytes,
                "total": package.total_bytes,
                "findings": {
                    "pass": package.passes,
                    "warning": package.warnings,
                    "failure": package.failures,
                },
                "updates": package.update_count,
            }
        )

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """The page of a package: what is known of it, and what can be done."""
        del form_url, extra_context
        if request.method not in {"GET", "HEAD"}:
            return HttpResponseNotAllowed(["GET"])
        package = self._package(request, object_id)
        return self._page(request, package, AssignmentForm(package))

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The ledger is a package's history; it stands on its page."""
        del extra_context
        return HttpResponseRedirect(self._url(self._package(request, object_id)) + "#ledger")

    def assign_view(self, request: HttpRequest, package_id: int) -> HttpResponse:
        """Makes an update of chosen unassigned files."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        user = user_of(request)
        authorisation.require(authorisation.UPLOAD, user)
        package = self._package(request, str(package_id))
        form = AssignmentForm(package, request.POST)
        if package.state != Package.State.READY:
            form.add_error(None, _("The package is being examined again. Wait until it is ready."))
        if form.is_valid():
            try:
                update = packages.assign(form.assignment(), by=user)
            except packages.AssignmentError as error:
                form.add_error(None, str(error))
            except (OSError, StoreError):
                form.add_error(
                    None, _("The update store did not take the files; nothing was changed. Try again.")
                )
            else:
                messages.success(request, _("%(update)s is a pending update now.") % {"update": update})
                return HttpResponseRedirect(self._url(package) + "#updates")
        return self._page(request, package, form)

    def examine_view(self, request: HttpRequest, package_id: int) -> HttpResponse:
        """Hands a ready or failed package to the workers once more."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        user = user_of(request)
        authorisation.require(authorisation.UPLOAD, user)
        package = self._package(request, str(package_id))
        if packages.examine_again(package, by=user):
            messages.success(request, _("%(package)s is examined again.") % {"package": package})
        else:
            messages.warning(
                request, _("%(package)s is waiting or being extracted already.") % {"package": package}
            )
        return HttpResponseRedirect(self._url(package))

    def _package(self, request: HttpRequest, object_id: str) -> "WithAnnotations[Package, Counts]":
        if not self.has_view_permission(request):
            raise PermissionDenied
        package = (
            self._counted(request).filter(pk=int(object_id)).first()
            if object_id.isascii() and object_id.isdigit()
            else None
        )
        if package is None:
            raise Http404(_("There is no such package."))
        return package

    def _url(self, package: Package) -> str:
        return reverse("admin:updates_package_change", args=[package.pk])

    def _page(
        self, request: HttpRequest, package: "WithAnnotations[Package, Counts]", form: AssignmentForm
    ) -> HttpResponse:
        may_upload = user_of(request).has_perm(authorisation.UPLOAD)
        is_done = package.state in {Package.State.READY, Package.State.FAILED}
        files = list(package.unassigned_files.select_related("update__device_type"))
        open_files = [file for file in files if file.update is None]
        chosen = form.chosen()
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": package.file_name,
            "package": package,
            "is_done": is_done,
            "may_see_updates": request.user.has_perm("updates.view_update"),
            "can_examine": may_upload and is_done,
            "can_assign": may_upload and package.state == Package.State.READY,
            "findings": package.findings.all(),
            "updates": package.updates.exclude(state=State.IMPORTING).select_related("device_type"),
            "choices": [Choice(file, file.pk in chosen) for file in open_files[:SHOWN_FILES]],
            "hidden_files": max(len(open_files) - SHOWN_FILES, 0),
            "assigned": [file for file in files if file.update is not None],
            "form": form,
            "known": form.known_values() if open_files else {},
            "entries": LedgerEntry.objects.filter(package_number=package.pk),
        }
        return TemplateResponse(request, "admin/updates/package/page.html", context)
