"""Every message of the protocol, once: the golden files and the examples in docs/protocol.md are made of these.

`python -m tests.updates.protocol.samples` writes both anew.
"""

import json
import re
from datetime import UTC, datetime
from pathlib import Path

from devices.identity import MAX_MAC_PAIRS, MAX_PART_LENGTH, MAX_SERIAL_LENGTH
from updates.domain.offers import Reason
from updates.protocol import (
    JSON,
    MAX_BODY,
    MAX_MODULES,
    MAX_TEXT,
    XML,
    CheckAnswer,
    CheckRequest,
    Download,
    OfferedModule,
    Provisioning,
    ReportedModule,
    render_answer,
    render_check,
    render_error,
    render_provisioning,
    standard_error,
)
from updates.protocol.messages import MAX_DEPTH
from updates.protocol.reading import FIELDS, MODULE_FIELDS

ROOT = Path(__file__).parents[3]
GOLDEN = Path(__file__).parent / "golden"
DOCUMENT = ROOT / "docs" / "protocol.md"
ERROR_STATUSES = (400, 401, 403, 413, 429, 503)
KNOWN_STATUSES = (400, 401, 403, 404, 405, 410, 413, 415, 416, 429, 500, 503)

MINIMAL = CheckRequest("UCPhone", "00-15-5D-0A-0B-0C", "", "Polycom", "CX700", "A", "ENU", None, (), "")
FULL = CheckRequest(
    family="UCPhone",
    mac="00-15-5D-0A-0B-0C",
    serial="PC-0042_A",
    vendor="Polycom",
    model="CX700",
    revision="A",
    locale="ENU",
    version="1.0.199.123",
    modules=(
        ReportedModule("CPE.nbt", "1.0.199.123", "2009-03-02T08:15:00Z"),
        ReportedModule("CPE.cat", "1.0.199.123", "2009-03-02T08:15:00Z"),
    ),
    user="alice@contoso.com",
)
_MODIFIED = datetime(2009, 5, 10, 12, 0, tzinfo=UTC)


def _download(update_type: str, version: str) -> Download:
    folder = f"UCPhone/Polycom/CX700/A/ENU/{version}/{update_type}"
    return Download(
        version=version,
        update_type=update_type,
        base_url=f"http://pool01.contoso.com/DeviceUpdateFiles_Int/{folder}",
        external_base_url=f"https://ocsrp.fabrikam.com/DeviceUpdateFiles_Ext/{folder}",
        modules=(
            OfferedModule(f"{update_type}.nbt", f"{update_type}.cat", version, _MODIFIED, 300_000, "1f" * 32),
            OfferedModule("Settings.xml", "", version, None, 3002, "e0" * 32),
        ),
    )


NOTHING = CheckAnswer((), "up_to_date")
ONE = CheckAnswer((_download("CPE", "1.0.522.101"),), "approved_differs")
TWO = CheckAnswer((*ONE.downloads, _download("DSP", "2.1")), "approved_differs")
VALUES = Provisioning(
    "http://pool01.contoso.com/RequestHandler/ucdevice.upx",
    "https://ocsrp.fabrikam.com/RequestHandlerExt/ucdevice.upx",
    enabled=True,
)


def samples() -> dict[str, bytes]:
    """Give every message by the name of its golden file."""
    found: dict[str, bytes] = {}
    for extension, media_type in (("xml", XML), ("json", JSON)):
        found[f"check-minimal.{extension}"] = render_check(MINIMAL, media_type)
        found[f"check-full.{extension}"] = render_check(FULL, media_type)
        found[f"answer-nothing.{extension}"] = render_answer(NOTHING, media_type)
        found[f"answer-one.{extension}"] = render_answer(ONE, media_type)
        found[f"answer-two.{extension}"] = render_answer(TWO, media_type)
        found[f"provisioning.{extension}"] = render_provisioning(VALUES, media_type)
        for status in ERROR_STATUSES:
            found[f"error-{status}.{extension}"] = render_error(standard_error(status), media_type)
    return found


def _block(name: str, body: bytes) -> str:
    text = body.decode()
    if name.endswith(".json"):
        # On the wire without spaces; set out here for people.
        text = json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    return f"```{name.rpartition('.')[2]}\n{text.rstrip()}\n```"


def _table(*rows: tuple[str, ...]) -> str:
    head, *rest = rows
    return "\n".join("| " + " | ".join(row) + " |" for row in (head, ("---",) * len(head), *rest))


def _names(names: tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in names)


_RULES = {
    "family": "required; `UCPhone`, `RoundTable` or another family",
    "mac": "this or the serial number; six or more pairs of hexadecimal digits, joined or separated by `-` or `:`",
    "serial": "this or the MAC address; letters, digits, `-`, `_`",
    "vendor": "required; the brand of the device type",
    "model": "required",
    "revision": "required",
    "locale": "required",
    "version": "what the device runs",
    "user": "the account last signed in",
}


def tables() -> dict[str, str]:
    """Give every table of the document that the code decides, by its name."""
    errors = [standard_error(status) for status in KNOWN_STATUSES]
    return {
        "fields": _table(
            ("accepted names", "rule"), *((_names(field.names), _RULES[field.key]) for field in FIELDS)
        ),
        "module-fields": _table(
            ("accepted names", "rule"),
            *(
                (_names(field.names), "required" if field.key == "name" else "optional")
                for field in MODULE_FIELDS
            ),
        ),
        "reasons": _table(("reason", "meaning"), *((f"`{reason}`", reason.label) for reason in Reason)),
        "errors": _table(
            ("status", "code", "message, where no more is known"),
            *((str(error.status), f"`{error.code}`", error.message) for error in errors),
        ),
        "limits": _table(
            ("limit", "value"),
            ("bytes of a request", f"{MAX_BODY}"),
            ("modules", f"{MAX_MODULES}"),
            ("characters of one value", f"{MAX_TEXT}"),
            ("depth of elements or objects", f"{MAX_DEPTH}"),
            ("pairs of a MAC address", f"6 to {MAX_MAC_PAIRS}"),
            ("characters of a serial number", f"{MAX_SERIAL_LENGTH}"),
            ("characters of each part of a device type", f"{MAX_PART_LENGTH}"),
        ),
    }


def documented(document: str) -> str:
    """Give the document with what stands between each pair of markers replaced by what the code says."""
    blocks = {f"message: {name}": _block(name, body) for name, body in samples().items()}
    blocks |= {f"table: {name}": text for name, text in tables().items()}

    def replace(match: re.Match[str]) -> str:
        name = match["name"]
        return f"<!-- {name} -->\n{blocks[name]}\n<!-- end -->"

    return re.sub(
        r"<!-- (?P<name>(?:message|table): \S+) -->\n.*?<!-- end -->", replace, document, flags=re.DOTALL
    )


def write(golden: Path = GOLDEN, document: Path = DOCUMENT) -> None:
    """Write the golden files and the examples in the document."""
    for name, body in samples().items():
        (golden / name).write_bytes(body)
    document.write_text(documented(document.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":  # pragma: no cover - the writing itself is tested
    write()
