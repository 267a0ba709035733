"""The forms of test devices: one, and many at once."""

from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from devices.identity import IdentifierKind, IdentityError, guess, normalise
from devices.models import TestDevice
from updates.admin import test_device_csv
from updates.admin.assignments import sentence
from updates.services.test_devices import NewTestDevice

ACCEPTED = gettext_lazy(
    "A MAC address: six or more pairs of hexadecimal digits, joined or separated by - or :, such as "
    "00-15-5D-0A-0B-0C, 00:15:5D:0A:0B:0C or 00155D0A0B0C. Or a serial number: letters, digits, - and _."
)


class TestDeviceForm(forms.ModelForm[TestDevice]):
    """One test device. The identifier is kept in its normal form, however it was written."""

    # pytest takes a class of this name for a test.
    __test__ = False

    kind = forms.ChoiceField(
        label=gettext_lazy("Identifier type"),
        choices=[("", gettext_lazy("Recognise it")), *TestDevice.Kind.choices],
        required=False,
        help_text=gettext_lazy("Choose “Serial number” for a serial number that reads as a MAC address."),
    )

    class Meta:
        model = TestDevice
        fields = ("identifier", "kind", "name", "note")
        widgets = {
            "identifier": forms.TextInput(attrs={"class": "vTextField", "spellcheck": "false"}),
            "note": forms.Textarea(attrs={"class": "vLargeTextField", "rows": 3}),
        }
        help_texts = {"identifier": ACCEPTED}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "kind" in self.fields and kwargs.get("instance") is None:
            self.initial["kind"] = ""

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        written = cleaned.get("identifier")
        if not written or "kind" in self.errors:
            return cleaned
        try:
            kind, identifier = _identify(cleaned.get("kind", ""), written)
        except IdentityError as error:
            self.add_error("identifier", sentence(error.wording))
            return cleaned
        cleaned["kind"], cleaned["identifier"] = kind.value, identifier
        others = TestDevice.objects.filter(kind=kind.value, identifier=identifier).exclude(
            pk=self.instance.pk
        )
        other = others.first()
        if other is not None:
            text = _("%(identifier)s is a test device already, called %(name)s.")
            self.add_error("identifier", text % {"identifier": identifier, "name": other.name})
        return cleaned

    def new(self) -> NewTestDevice:
        """What the valid form asks for."""
        return NewTestDevice(
            identifier=self.cleaned_data["identifier"],
            name=self.cleaned_data["name"],
            note=self.cleaned_data["note"],
            kind=IdentifierKind(self.cleaned_data["kind"]),
        )


class ImportForm(forms.Form):
    """Many test devices: a CSV file, or its text."""

    file = forms.FileField(label=gettext_lazy("CSV file"), required=False, allow_empty_file=True)
    text = forms.CharField(
        label=gettext_lazy("Or paste the lines"),
        required=False,
        strip=False,
        widget=forms.Textarea(attrs={"rows": 10, "spellcheck": "false"}),
        help_text=gettext_lazy(
            "identifier,name,note – one test device a line; cells copied from a spreadsheet will do."
        ),
    )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        file, text = cleaned.get("file"), cleaned.get("text") or ""
        if file is not None and text.strip():
            raise forms.ValidationError(_("Choose a file or paste lines, not both."))
        try:
            if file is not None:
                text = test_device_csv.decode(file.read(test_device_csv.MAX_BYTES + 1))
            cleaned["devices"] = test_device_csv.parse(text)
        except test_device_csv.CsvError as error:
            self.add_error("text" if file is None else "file", list(error.problems))
        return cleaned


def _identify(kind: str, text: str) -> tuple[IdentifierKind, str]:
    if not kind:
        return guess(text)
    known = IdentifierKind(kind)
    return known, normalise(known, text)
