"""The form that makes an update of unassigned files."""

from collections.abc import Mapping

from django import forms
from django.utils.translation import gettext, gettext_noop
from django.utils.translation import gettext_lazy as _
from django_stubs_ext import StrOrPromise

from devices.identity import MAX_PART_LENGTH, DeviceTypeKey, IdentityError, name_problem
from devices.models import DeviceType
from devices.wording import Wording, wording
from updates.domain import versions
from updates.models import Package, UnassignedFile, Update
from updates.services.packages import Assignment

PARTS = ("family", "brand", "model", "revision", "locale")
# What stands in for the other parts while one is checked, so that its error appears beside its own field.
_SOUND = dict.fromkeys(PARTS, "x")
_USUAL_UPDATE_TYPE = "CPE"
_UPDATE_TYPE = gettext_noop("the update type %(problem)s")


def sentence(words: Wording) -> str:
    """A message of the plain-Python rules, which end other people's sentences, as one of its own."""
    text = words.said(gettext)
    whole = text[:1].upper() + text[1:]
    return whole if whole.endswith((".", "。")) else gettext("%(sentence)s.") % {"sentence": whole}


def _part_field(label: StrOrPromise, name: str) -> forms.CharField:
    widget = forms.TextInput(attrs={"list": f"known-{name}", "autocomplete": "off", "spellcheck": "false"})
    return forms.CharField(label=label, required=False, max_length=MAX_PART_LENGTH, widget=widget)


class AssignmentForm(forms.Form):
    """Chosen files of one package, and what they are an update for.

    The device type is one that exists, or the five written parts.
    """

    members = forms.ModelMultipleChoiceField(
        label=_("Files"),
        queryset=UnassignedFile.objects.none(),
        widget=forms.CheckboxSelectMultiple,
        error_messages={
            "required": _("Choose at least one file."),
            "invalid_choice": _("One of the files was assigned in the meantime. Choose again."),
        },
    )
    device_type = forms.ModelChoiceField(
        label=_("Known device type"),
        queryset=DeviceType.objects.all(),
        required=False,
        empty_label=_("— another, written below —"),
    )
    family = _part_field(_("Device type (family)"), "family")
    brand = _part_field(_("Brand"), "brand")
    model = _part_field(_("Model"), "model")
    revision = _part_field(_("Revision"), "revision")
    locale = _part_field(_("Locale"), "locale")
    update_type = forms.CharField(
        label=_("Update type"),
        max_length=MAX_PART_LENGTH,
        initial=_USUAL_UPDATE_TYPE,
        widget=forms.TextInput(
            attrs={"list": "known-update_type", "autocomplete": "off", "spellcheck": "false"}
        ),
    )
    version = forms.CharField(
        label=_("Version"),
        help_text=_("As devices report it, at most 20 characters, such as 4.0.7577.4066."),
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )

    def __init__(self, package: Package, data: Mapping[str, object] | None = None) -> None:
        super().__init__(data, label_suffix="")
        self.package = package
        members = self.fields["members"]
        if isinstance(members, forms.ModelMultipleChoiceField):
            members.queryset = package.unassigned_files.filter(update__isnull=True)

    def clean_update_type(self) -> str:
        update_type: str = self.cleaned_data["update_type"]
        problem = name_problem(update_type)
        if problem:
            raise forms.ValidationError(sentence(wording(_UPDATE_TYPE, problem=problem)))
        return update_type

    def clean_version(self) -> str:
        try:
            return versions.parse(self.cleaned_data["version"])
        except versions.VersionError as error:
            raise forms.ValidationError(sentence(error.wording)) from error

    def clean(self) -> None:
        written = {part: str(self.cleaned_data.get(part) or "") for part in PARTS}
        known: DeviceType | None = self.cleaned_data.get("device_type")
        if known is None and "device_type" not in self.errors:
            self._clean_written(written)
        elif known is not None and any(written.values()):
            self.add_error("device_type", _("Choose a known device type or write its parts, not both."))
        elif known is not None:
            self.cleaned_data["key"] = known.key

    def assignment(self) -> Assignment:
        """What the valid form asks for."""
        return Assignment(
            package_id=self.package.pk,
            file_ids=[file.pk for file in self.cleaned_data["members"]],
            device_type=self.cleaned_data["key"],
            update_type=self.cleaned_data["update_type"],
            version=self.cleaned_data["version"],
        )

    def chosen(self) -> set[int]:
        """The files whose boxes are ticked."""
        values = self["members"].value() or []
        return {int(value) for value in values if str(value).isdigit()}

    @staticmethod
    def known_values() -> dict[str, list[str]]:
        """What device types and updates are called so far, for each field that suggests names."""
        types = list(DeviceType.objects.all())
        known = {part: sorted({str(getattr(one, part)) for one in types}) for part in PARTS}
        update_types = set(Update.objects.order_by().values_list("update_type", flat=True).distinct())
        return known | {"update_type": sorted(update_types | {_USUAL_UPDATE_TYPE})}

    def _clean_written(self, written: dict[str, str]) -> None:
        if not any(written.values()):
            self.add_error(
                "device_type", _("Choose a known device type, or write the five parts of another.")
            )
            return
        for part, text in written.items():
            try:
                DeviceTypeKey.of(**(_SOUND | {part: text}))
            except IdentityError as error:
                if part not in self.errors:
                    self.add_error(part, sentence(error.wording))
        if self.errors.keys().isdisjoint(PARTS):
            self.cleaned_data["key"] = DeviceTypeKey.of(**written)
