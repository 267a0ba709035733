"""What the documents say is so."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_the_readme_names_every_setting_and_no_other() -> None:
    declared = set(
        re.findall(r'env\.[a-z_]+\(\s*"(DUS_\w+)"', (ROOT / "dus_project/settings/base.py").read_text())
    )
    table = (ROOT / "README.md").read_text(encoding="utf-8").partition("## Settings")[2]
    rows = [line for line in table.splitlines() if line.startswith("| `")]
    named = {name for row in rows for name in re.findall(r"`(DUS_\w+)`", row.split("|")[1])}
    # The one that names a file of the others.
    assert declared | {"DUS_ENV_FILE"} == named


def test_links_between_documents_lead_somewhere() -> None:
    documents = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "bench").glob("*.md")]
    broken = [
        f"{document.relative_to(ROOT)}: {target}"
        for document in documents
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", document.read_text(encoding="utf-8"))
        if "://" not in target and not (document.parent / target).exists()
    ]
    assert broken == []
