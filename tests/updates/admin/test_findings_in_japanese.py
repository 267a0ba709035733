"""What the examination of a package found, and why something was refused, in the language of whoever reads it."""

import ast
import re
from pathlib import Path

import pytest
from django.conf import settings
from django.test import Client
from django.utils import translation

from devices.wording import places
from tests.builders import make_package, make_user, member_path
from tests.cabs import cab
from tests.updates.extraction.helpers import extracted
from updates.models import Finding, LedgerEntry, Package

pytestmark = pytest.mark.django_db
JAPANESE = re.compile("[ぁ-んァ-ヶ一-龠]")
UPDATE = [(member_path("CPE.nbt"), b"image"), (member_path("CPE.cat"), b"signature")]
DESCRIBED = b'<UpdatePackage schemaVersion="2"/>'
PACKAGES = {
    "no cabinet": b"nothing of the kind",
    "cut short": cab(UPDATE)[:-20],
    "damaged": cab(UPDATE)[:-1] + b"?",
    "bad names": cab([(member_path("CPE.nbt").replace("CX700", "con"), b"image")]),
    "bad version": cab([(member_path("CPE.nbt", version="1.0.0.0.0.0.0.0.0.0.0"), b"image")]),
    "nested and damaged": cab([("inner.cab", cab(UPDATE)[:-1] + b"?")], method="none"),
    "bad description": cab([("package.xml", DESCRIBED), ("CPE.nbt", b"image")]),
    "no XML": cab([("package.xml", b"<UpdatePackage><"), ("CPE.nbt", b"image")]),
    "ready": cab(UPDATE),
    "unassigned": cab([("one.bin", b"1"), ("two.bin", b"2")]),
}


@pytest.fixture
def client() -> Client:
    client = Client()
    client.force_login(make_user(name="olga", groups=("Operators",)))
    return client


def page(client: Client, package: Package, language: str) -> str:
    answer = client.get(f"/admin/updates/package/{package.pk}/change/", headers={"accept-language": language})
    return str(answer.content.decode())


def test_a_failed_package_says_in_japanese_where_why_and_what_to_do(client: Client) -> None:
    package = extracted(PACKAGES["no cabinet"])

    text = page(client, package, "ja")

    assert "ヘッダー" in text
    # On its findings and in its history.
    assert text.count("キャビネットではありません。先頭が MSCF ではありません。") == 2
    assert ".cab ファイルをアップロードしてください。" in text
    assert "MSCF</" not in text
    assert "does not start" not in text


def test_a_ready_package_says_in_japanese_what_was_checked(client: Client) -> None:
    text = page(client, extracted(PACKAGES["ready"]), "ja")

    assert "すべての名前が有効です。" in text
    assert "UCPhone / Polycom / CX700 / A / ENU CPE 1.0.522.101 は保留中です。" in text
    assert "every name is valid" not in text


def test_english_stays_as_it_is_stored(client: Client) -> None:
    package = extracted(PACKAGES["no cabinet"])

    text = page(client, package, "en")

    finding = package.findings.get()
    assert (finding.member, finding.message, finding.remedy) == (
        "header",
        "this is not a cabinet: it does not start with MSCF",
        "Upload a .cab file.",
    )
    assert finding.message in text
    assert finding.remedy in text


@pytest.mark.parametrize("content", PACKAGES.values(), ids=PACKAGES)
def test_whatever_is_found_is_said_in_japanese_too(content: bytes) -> None:
    findings = list(extracted(content).findings.all())

    assert findings
    for finding in findings:
        assert finding.message_shown == finding.message
        assert finding.remedy_shown == finding.remedy
        with translation.override("ja"):
            assert JAPANESE.search(finding.message_shown), finding.message
            assert not finding.remedy or JAPANESE.search(finding.remedy_shown), finding.remedy


def test_names_from_a_package_are_shown_as_text_in_japanese_too(client: Client) -> None:
    package = extracted(cab([("<b>.bin".replace("<", "&lt;").replace(">", "&gt;"), b"1")]))

    assert "&amp;lt;b&amp;gt;.bin" in page(client, package, "ja")


@pytest.mark.parametrize(
    "words",
    [
        {},
        [],
        {"message": "text"},
        {"message": {"template": "every name is valid", "values": {}}},
        {"message": {"template": "%(name)s", "values": {}}},
    ],
    ids=["older row", "list", "text", "another sentence", "gap"],
)
def test_a_finding_without_its_words_is_shown_in_english(client: Client, words: object) -> None:
    package = make_package()
    Finding.objects.create(
        package=package, level="warning", check_name="names", message="100 % <odd>", words=words
    )

    assert "100 % &lt;odd&gt;" in page(client, package, "ja")


def test_what_somebody_wrote_as_a_reason_is_never_translated() -> None:
    with translation.override("ja"):
        assert LedgerEntry(reason="header", reason_words={}).reason_shown == "header"


def test_the_history_names_states_in_the_language_of_the_page(client: Client) -> None:
    update = extracted(PACKAGES["ready"]).updates.get()

    for url in ("/admin/updates/ledgerentry/", f"/admin/updates/update/{update.pk}/change/"):
        text = client.get(url, headers={"accept-language": "ja"}).content.decode()
        assert "保留中" in text
        assert ">pending<" not in text
        assert "→ pending" not in text


def test_the_assignment_form_says_in_japanese_what_is_wrong(client: Client) -> None:
    package = extracted(PACKAGES["unassigned"])
    data = {
        "members": [file.pk for file in package.unassigned_files.all()],
        "family": "UCPhone",
        "brand": "con",
        "update_type": "a/b",
        "version": "1.",
    }

    answer = client.post(
        f"/admin/updates/package/{package.pk}/assign/", data, headers={"accept-language": "ja"}
    )

    errors = answer.context["form"].errors
    assert errors["brand"] == ["ブランド “con” は予約された Windows の名前です。別の名前にしてください。"]
    assert errors["version"][0].startswith("バージョンがドットで終わっています。")
    assert all(JAPANESE.search(text) for texts in errors.values() for text in texts)


def test_every_translation_has_the_places_of_its_sentence() -> None:
    worded = [text for text in marked_wordings() if "%" in text]
    assert len(worded) > 50
    with translation.override("ja"):
        assert [text for text in worded if places(translation.gettext(text)) != places(text)] == []


def test_every_wording_has_a_japanese_translation() -> None:
    with translation.override("ja"):
        missing = [text for text in marked_wordings() if translation.gettext(text) == text]
    assert missing == []


def marked_wordings() -> list[str]:
    """The sentences that plain Python marks for translation."""
    found: list[str] = []
    for folder in ("devices", "updates"):
        for path in sorted((Path(settings.BASE_DIR) / folder).rglob("*.py")):
            source = path.read_text(encoding="utf-8")
            if "from devices.wording import wording as _" in source:
                found += _first_arguments(ast.parse(source))
    return found


def _first_arguments(tree: ast.AST) -> list[str]:
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    named = [call for call in calls if isinstance(call.func, ast.Name) and call.func.id == "_"]
    return [str(ast.literal_eval(call.args[0])) for call in named]
