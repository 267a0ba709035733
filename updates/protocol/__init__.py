"""The wire: what devices send and are answered, in XML (the default) and JSON. docs/protocol.md shows every message.

Nothing outside this package spells an element, an attribute or a key of the protocol, so that another profile can take
its place.
"""

from typing import Final

from updates.protocol import jsonprofile, xmlprofile
from updates.protocol.messages import (
    MAX_BODY,
    MAX_MODULES,
    MAX_TEXT,
    CheckAnswer,
    CheckRequest,
    Download,
    ErrorAnswer,
    OfferedModule,
    ProtocolError,
    Provisioning,
    ReportedModule,
    standard_error,
)

XML: Final = "text/xml"
JSON: Final = "application/json"
# What is read and written, the default first.
MEDIA_TYPES: Final = (XML, "application/xml", JSON)
__all__ = [
    "JSON",
    "MAX_BODY",
    "MAX_MODULES",
    "MAX_TEXT",
    "MEDIA_TYPES",
    "XML",
    "CheckAnswer",
    "CheckRequest",
    "Download",
    "ErrorAnswer",
    "OfferedModule",
    "ProtocolError",
    "Provisioning",
    "ReportedModule",
    "answer_media_type",
    "content_type",
    "parse_answer",
    "parse_check",
    "parse_error",
    "parse_provisioning",
    "render_answer",
    "render_check",
    "render_error",
    "render_provisioning",
    "standard_error",
]


def _bare(media_type: str) -> str:
    return media_type.partition(";")[0].strip().casefold()


def _is_json(media_type: str) -> bool:
    bare = _bare(media_type)
    return bare == JSON or bare.endswith("+json")


def _is_xml(media_type: str) -> bool:
    bare = _bare(media_type)
    return bare in MEDIA_TYPES[:2] or bare.endswith("+xml")


def _sniffed(body: bytes, media_type: str) -> str:
    """Tell the form of a request. What original handsets declare is not known, so other types are judged by the body."""
    if _is_json(media_type):
        return JSON
    if _is_xml(media_type):
        return XML
    return JSON if body[:64].lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"{" else XML


def answer_media_type(accept: str | None, sent: str | None = None) -> str:
    """Choose the form of an answer from the Accept header, else from the form of the request, else XML.

    Of the forms in the header the one with the highest `q` wins, then the one named first; `q=0` excludes it.
    """
    best, best_quality = "", 0.0
    for entry in (accept or "").split(","):
        form = JSON if _is_json(entry) else _bare(entry) if _bare(entry) in MEDIA_TYPES else ""
        quality = _quality(entry)
        if form and quality > best_quality:
            best, best_quality = form, quality
    if best:
        return best
    return JSON if sent and _is_json(sent) else XML


def _quality(entry: str) -> float:
    for parameter in entry.split(";")[1:]:
        name, _, value = parameter.partition("=")
        if name.strip().casefold() == "q":
            try:
                return min(float(value), 1.0)
            except ValueError:
                return 0.0
    return 1.0


def content_type(media_type: str) -> str:
    """Give the Content-Type header for an answer in this form."""
    return (
        JSON
        if _is_json(media_type)
        else f"{_bare(media_type) if _is_xml(media_type) else XML}; charset=utf-8"
    )


def parse_check(body: bytes, media_type: str) -> CheckRequest:
    """Read a check request. Raises ProtocolError, and nothing else, for whatever bytes."""
    return jsonprofile.read_check(body) if _sniffed(body, media_type) == JSON else xmlprofile.read_check(body)


def render_answer(answer: CheckAnswer, media_type: str) -> bytes:
    """Write the answer to a check; it contains `downloads=N`, N being the number of downloads, as text."""
    return jsonprofile.render_answer(answer) if _is_json(media_type) else xmlprofile.render_answer(answer)


def render_error(error: ErrorAnswer, media_type: str) -> bytes:
    """Write a refusal."""
    return jsonprofile.render_error(error) if _is_json(media_type) else xmlprofile.render_error(error)


def render_provisioning(values: Provisioning, media_type: str) -> bytes:
    """Write the provisioning values."""
    return (
        jsonprofile.render_provisioning(values)
        if _is_json(media_type)
        else xmlprofile.render_provisioning(values)
    )


def render_check(request: CheckRequest, media_type: str) -> bytes:
    """Write a check request, as a device does."""
    return jsonprofile.render_check(request) if _is_json(media_type) else xmlprofile.render_check(request)


def parse_answer(body: bytes, media_type: str) -> CheckAnswer:
    """Read the answer to a check, as a device does. Raises ProtocolError."""
    return jsonprofile.read_answer(body) if _is_json(media_type) else xmlprofile.read_answer(body)


def parse_error(body: bytes, media_type: str) -> ErrorAnswer:
    """Read a refusal, as a device does. Raises ProtocolError."""
    return jsonprofile.read_error(body) if _is_json(media_type) else xmlprofile.read_error(body)


def parse_provisioning(body: bytes, media_type: str) -> Provisioning:
    """Read the provisioning values, as a device does. Raises ProtocolError."""
    return jsonprofile.read_provisioning(body) if _is_json(media_type) else xmlprofile.read_provisioning(body)
