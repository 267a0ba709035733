"""The XML form of every message. The names the service writes are spelled here."""

from typing import Final

from updates.protocol.messages import (
    MAX_ANSWER,
    MAX_BODY,
    MAX_DEPTH,
    CheckAnswer,
    CheckRequest,
    Download,
    ErrorAnswer,
    OfferedModule,
    ProtocolError,
    Provisioning,
)
from updates.protocol.moments import read_instant, write_instant
from updates.protocol.reading import MODULE_LIST_NAMES, MODULE_NAMES, Collector, Values, plain
from updates.strictxml import Element, XmlError, XmlLimits, parse

_REQUEST: Final = XmlLimits(size=MAX_BODY, depth=MAX_DEPTH, nodes=2000, text=4096)
_ANSWER: Final = XmlLimits(size=MAX_ANSWER, depth=MAX_DEPTH, nodes=20_000, text=4096)
_HEAD: Final = '<?xml version="1.0" encoding="utf-8"?>\n'
# Characters that XML 1.0 cannot carry become the replacement character: an answer must always be readable.
_ESCAPES: Final = (
    {
        code: "\ufffd"
        for code in (*range(0x20), *range(0xD800, 0xE000), 0xFFFE, 0xFFFF)
        if code not in (0x09, 0x0A, 0x0D)
    }
    | {0x0D: "&#13;"}
    | {ord("&"): "&amp;", ord("<"): "&lt;", ord(">"): "&gt;", ord('"'): "&quot;", ord("'"): "&#39;"}
)


def escape(text: str) -> str:
    """Make any text fit to stand in XML."""
    return text.translate(_ESCAPES)


def read_check(body: bytes) -> CheckRequest:
    """Read a check request. Raises ProtocolError."""
    root = _document(body, _REQUEST)
    collector = Collector()
    _walk(root, 0, collector)
    return collector.request()


def _document(body: bytes, limits: XmlLimits) -> Element:
    try:
        return parse(body, limits=limits)
    except XmlError as error:
        raise ProtocolError(f"the XML is not acceptable: {error}") from error


def _walk(element: Element, depth: int, collector: Collector) -> None:
    name = plain(element.name)
    if name in MODULE_LIST_NAMES:
        for child in element.children:
            _walk_module(child, 0, collector.module())
        return
    if name in MODULE_NAMES:
        _walk_module(element, 0, collector.module())
        return
    if element.text:
        collector.add(depth, element.name, element.text)
    for key, value in element.attributes.items():
        collector.add(depth + 1, key, value)
    for child in element.children:
        _walk(child, depth + 1, collector)


def _walk_module(element: Element, depth: int, values: Values) -> None:
    if depth and element.text:
        values.add(depth, element.name, element.text)
    for key, value in element.attributes.items():
        values.add(depth + 1, key, value)
    for child in element.children:
        _walk_module(child, depth + 1, values)


def render_check(request: CheckRequest) -> bytes:
    """Write a check request, as a device does. Values that are blank are left out."""
    lines = [_HEAD, "<DeviceUpdateRequest>\n"]
    for name, value in (
        ("DeviceType", request.family),
        ("MacAddress", request.mac),
        ("SerialNumber", request.serial),
        ("Vendor", request.vendor),
        ("Model", request.model),
        ("Revision", request.revision),
        ("Locale", request.locale),
        ("Version", request.version),
    ):
        if value:
            lines.append(f"  <{name}>{escape(value)}</{name}>\n")
    if request.modules:
        lines.append("  <Modules>\n")
        lines.extend(
            f"    <Module>\n      <Filename>{escape(module.name)}</Filename>\n"
            f"      <Version>{escape(module.version)}</Version>\n"
            f"      <Timestamp>{escape(module.timestamp)}</Timestamp>\n    </Module>\n"
            for module in request.modules
        )
        lines.append("  </Modules>\n")
    if request.user:
        lines.append(f"  <UserId>{escape(request.user)}</UserId>\n")
    lines.append("</DeviceUpdateRequest>\n")
    return _encode("".join(lines))


def render_answer(answer: CheckAnswer) -> bytes:
    """Write the answer to a check; it contains `downloads=N` as text."""
    downloads = "".join(map(_download, answer.downloads))
    reason = f"  <Reason>{escape(answer.reason)}</Reason>\n" if answer.reason else ""
    return _encode(
        f"{_HEAD}<DeviceUpdateResponse>\n  <Result>downloads={len(answer.downloads)}</Result>\n{reason}"
        f"{downloads}</DeviceUpdateResponse>\n"
    )


def _download(download: Download) -> str:
    return (
        f"  <Download>\n    <UpdateType>{escape(download.update_type)}</UpdateType>\n"
        f"    <Version>{escape(download.version)}</Version>\n"
        f"    <BaseURL>{escape(download.base_url)}</BaseURL>\n"
        f"    <ExternalBaseURL>{escape(download.external_base_url)}</ExternalBaseURL>\n"
        f"    <Modules>\n{''.join(map(_module, download.modules))}    </Modules>\n  </Download>\n"
    )


def _module(module: OfferedModule) -> str:
    return (
        f"      <Module>\n        <Filename>{escape(module.file)}</Filename>\n"
        f"        <SignatureFilename>{escape(module.signature)}</SignatureFilename>\n"
        f"        <Version>{escape(module.version)}</Version>\n"
        f"        <Timestamp>{write_instant(module.timestamp)}</Timestamp>\n"
        f"        <Size>{module.size}</Size>\n        <Sha256>{escape(module.sha256)}</Sha256>\n      </Module>\n"
    )


def render_error(error: ErrorAnswer) -> bytes:
    """Write a refusal."""
    return _encode(
        f"{_HEAD}<DeviceUpdateError>\n  <Status>{error.status}</Status>\n  <Code>{escape(error.code)}</Code>\n"
        f"  <Message>{escape(error.message)}</Message>\n</DeviceUpdateError>\n"
    )


def render_provisioning(values: Provisioning) -> bytes:
    """Write the provisioning values, under the names of the original's in-band provisioning."""
    return _encode(
        f"{_HEAD}<Provisioning>\n"
        f"  <updatesServerInternalUrl>{escape(values.internal_url)}</updatesServerInternalUrl>\n"
        f"  <updatesServerExternalUrl>{escape(values.external_url)}</updatesServerExternalUrl>\n"
        f"  <updatesServerEnabled>{'true' if values.enabled else 'false'}</updatesServerEnabled>\n</Provisioning>\n"
    )


def read_answer(body: bytes) -> CheckAnswer:
    """Read the answer to a check, as a device does. Raises ProtocolError."""
    root = _document(body, _ANSWER)
    try:
        downloads = tuple(_read_download(child) for child in root.children if child.name == "Download")
    except ValueError as error:
        raise ProtocolError(f"the answer has a value that cannot be read: {error}") from error
    return CheckAnswer(downloads=downloads, reason=_text(root, "Reason"))


def _read_download(element: Element) -> Download:
    modules = next((child for child in element.children if child.name == "Modules"), None)
    return Download(
        version=_text(element, "Version"),
        update_type=_text(element, "UpdateType"),
        base_url=_text(element, "BaseURL"),
        external_base_url=_text(element, "ExternalBaseURL"),
        modules=tuple(_read_module(child) for child in modules.children) if modules else (),
    )


def _read_module(element: Element) -> OfferedModule:
    return OfferedModule(
        file=_text(element, "Filename"),
        signature=_text(element, "SignatureFilename"),
        version=_text(element, "Version"),
        timestamp=read_instant(_text(element, "Timestamp")),
        size=int(_text(element, "Size")),
        sha256=_text(element, "Sha256"),
    )


def read_error(body: bytes) -> ErrorAnswer:
    """Read a refusal, as a device does. Raises ProtocolError."""
    root = _document(body, _ANSWER)
    try:
        status = int(_text(root, "Status"))
    except ValueError as error:
        raise ProtocolError("the answer has no status that is a number") from error
    return ErrorAnswer(status, _text(root, "Code"), _text(root, "Message"))


def read_provisioning(body: bytes) -> Provisioning:
    """Read the provisioning values, as a device does. Raises ProtocolError."""
    root = _document(body, _ANSWER)
    return Provisioning(
        internal_url=_text(root, "updatesServerInternalUrl"),
        external_url=_text(root, "updatesServerExternalUrl"),
        enabled=_text(root, "updatesServerEnabled") == "true",
    )


def _text(element: Element, name: str) -> str:
    return next((child.text for child in element.children if child.name == name), "")


def _encode(text: str) -> bytes:
    return text.encode("utf-8")
