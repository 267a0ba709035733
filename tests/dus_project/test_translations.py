"""The console speaks Japanese throughout: nothing untranslated, nothing doubtful, nothing that was left uncompiled."""

import ast
import gettext
import re
from collections.abc import Iterator
from pathlib import Path

from django.conf import settings

ROOT = Path(settings.BASE_DIR)
CATALOGUE = ROOT / "locale" / "ja" / "LC_MESSAGES" / "django.po"
CALLS = {"_", "gettext", "gettext_lazy", "ngettext", "ngettext_lazy"}
ENTRY = re.compile(r'^(msgid|msgid_plural|msgstr(?:\[0\])?) ((?:"(?:[^"\\]|\\.)*"\n?)+)', re.MULTILINE)
TAG = re.compile(r"""\{%\s*translate\s+"([^"]+)""")
UPDATE = "run `make messages`, translate what is new, and run it again"


def entries() -> dict[str, str]:
    """Each message and its translation; comments and obsolete entries are left out."""
    found: dict[str, str] = {}
    msgid = ""
    for keyword, quoted in ENTRY.findall(CATALOGUE.read_text(encoding="utf-8")):
        text = "".join(ast.literal_eval(line) for line in quoted.strip().splitlines())
        if keyword == "msgid":
            msgid = text
        elif keyword != "msgid_plural":
            found[msgid] = text
    found.pop("")
    return found


def compiled() -> gettext.GNUTranslations:
    with CATALOGUE.with_suffix(".mo").open("rb") as file:
        return gettext.GNUTranslations(file)


def marked() -> Iterator[str]:
    """Messages that code and templates mark for translation, but for those of blocks and of Django's own words."""
    for package in ("dus_project", "updates", "devices"):
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in CALLS:
                    first = node.args[0]
                    if isinstance(first, ast.Constant) and isinstance(first.value, str):
                        yield first.value
    for path in (ROOT / "templates").rglob("*.html"):
        yield from TAG.findall(path.read_text(encoding="utf-8"))


def test_every_message_is_translated() -> None:
    assert [msgid for msgid, text in entries().items() if not text] == [], UPDATE


def test_no_translation_is_doubtful() -> None:
    assert "fuzzy" not in CATALOGUE.read_text(encoding="utf-8"), UPDATE


def test_the_compiled_catalogue_is_that_of_the_source() -> None:
    translations = compiled()
    stale = [
        msgid
        for msgid, text in entries().items()
        if text not in {translations.gettext(msgid), translations.ngettext(msgid, msgid, 1)}
    ]
    assert stale == [], UPDATE


def test_every_marked_message_is_in_the_catalogue() -> None:
    known = entries()
    assert sorted({message for message in marked() if message not in known}) == [], UPDATE


def test_placeholders_survive_translation() -> None:
    pattern = re.compile(r"%\(\w+\)[sd]|\{\w+\}")
    wrong = [
        msgid
        for msgid, text in entries().items()
        if not set(pattern.findall(text)).issuperset(pattern.findall(msgid))
    ]
    assert wrong == []


def test_the_seeds_words_are_used() -> None:
    words = entries()
    assert words["Pending Updates"] == "保留中の更新"
    assert words["Deployed Updates"] == "展開済みの更新"
    assert words["Approve"] == "承認"
    assert words["Reject"] == "拒否"
    assert words["Roll back"] == "ロールバック"
    assert words["Test Devices"] == "テスト デバイス"
    assert words["Device Update Service"] == "デバイス更新サービス"
