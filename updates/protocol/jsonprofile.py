"""The JSON form of every message: the names of the XML form with a small first letter."""

import json

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

Json = dict[str, "Json"] | list["Json"] | str | bool | None


class _RefusedError(ValueError):
    """What the standard reader would let pass."""


def _unique(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise _RefusedError("an object has the same name twice")
    return members


def _no_constant(_name: str) -> Json:
    raise _RefusedError("NaN and Infinity are not accepted")


def _document(body: bytes, limit: int) -> dict[str, Json]:
    if len(body) > limit:
        raise ProtocolError(f"the document has {len(body)} bytes; {limit} are accepted")
    try:
        # Numbers stay text: a version such as 1.10 is not one.
        document: Json = json.loads(
            body.decode("utf-8-sig"),
            object_pairs_hook=_unique,
            parse_constant=_no_constant,
            parse_int=str,
            parse_float=str,
        )
    except UnicodeDecodeError as error:
        raise ProtocolError("the JSON is not UTF-8") from error
    except json.JSONDecodeError as error:
        raise ProtocolError(f"the JSON is not acceptable: line {error.lineno}: {error.msg}") from error
    except _RefusedError as error:
        raise ProtocolError(f"the JSON is not acceptable: {error}") from error
    except RecursionError as error:
        raise ProtocolError(f"the JSON is nested more than {MAX_DEPTH} deep") from error
    if not isinstance(document, dict):
        raise ProtocolError("the JSON is not an object")
    return document


def read_check(body: bytes) -> CheckRequest:
    """Read a check request. Raises ProtocolError."""
    collector = Collector()
    _walk(_document(body, MAX_BODY), 0, collector)
    return collector.request()


def _walk(members: dict[str, Json], depth: int, collector: Collector) -> None:
    _check_depth(depth)
    for name, value in members.items():
        key = plain(name)
        if key in MODULE_LIST_NAMES or key in MODULE_NAMES:
            for item in value if isinstance(value, list) else [value]:
                _walk_module(item, depth + 1, collector.module())
        elif isinstance(value, dict):
            _walk(value, depth + 1, collector)
        elif isinstance(value, list):
            for item in value:
                _walk({name: item}, depth + 1, collector)
        elif isinstance(value, str):
            collector.add(depth, name, value)


def _walk_module(item: Json, depth: int, values: Values) -> None:
    _check_depth(depth)
    if not isinstance(item, dict):
        return
    for name, value in item.items():
        if isinstance(value, str):
            values.add(depth, name, value)
        elif isinstance(value, dict):
            _walk_module(value, depth + 1, values)


def _check_depth(depth: int) -> None:
    if depth >= MAX_DEPTH:
        raise ProtocolError(f"the JSON is nested more than {MAX_DEPTH} deep")


def render_check(request: CheckRequest) -> bytes:
    """Write a check request, as a device does. Values that are blank are left out."""
    values: dict[str, object] = {
        "deviceType": request.family,
        "macAddress": request.mac,
        "serialNumber": request.serial,
        "vendor": request.vendor,
        "model": request.model,
        "revision": request.revision,
        "locale": request.locale,
        "version": request.version,
        "modules": [
            {"filename": module.name, "version": module.version, "timestamp": module.timestamp}
            for module in request.modules
        ],
        "userId": request.user,
    }
    return _encode({name: value for name, value in values.items() if value})


def render_answer(answer: CheckAnswer) -> bytes:
    """Write the answer to a check; it contains `downloads=N` as text."""
    return _encode(
        {
            "result": f"downloads={len(answer.downloads)}",
            "reason": answer.reason,
            "downloads": [_download(download) for download in answer.downloads],
        }
    )


def _download(download: Download) -> dict[str, object]:
    return {
        "updateType": download.update_type,
        "version": download.version,
        "baseURL": download.base_url,
        "externalBaseURL": download.external_base_url,
        "modules": [_module(module) for module in download.modules],
    }


def _module(module: OfferedModule) -> dict[str, object]:
    return {
        "filename": module.file,
        "signatureFilename": module.signature,
        "version": module.version,
        "timestamp": write_instant(module.timestamp),
        "size": module.size,
        "sha256": module.sha256,
    }


def render_error(error: ErrorAnswer) -> bytes:
    """Write a refusal."""
    return _encode({"status": error.status, "code": error.code, "message": error.message})


def render_provisioning(values: Provisioning) -> bytes:
    """Write the provisioning values, under the names of the original's in-band provisioning."""
    return _encode(
        {
            "updatesServerInternalUrl": values.internal_url,
            "updatesServerExternalUrl": values.external_url,
            "updatesServerEnabled": values.enabled,
        }
    )


def read_answer(body: bytes) -> CheckAnswer:
    """Read the answer to a check, as a device does. Raises ProtocolError."""
    document = _document(body, MAX_ANSWER)
    try:
        downloads = tuple(_read_download(item) for item in _objects(document, "downloads"))
    except ValueError as error:
        raise ProtocolError(f"the answer has a value that cannot be read: {error}") from error
    return CheckAnswer(downloads=downloads, reason=_text(document, "reason"))


def _read_download(members: dict[str, Json]) -> Download:
    return Download(
        version=_text(members, "version"),
        update_type=_text(members, "updateType"),
        base_url=_text(members, "baseURL"),
        external_base_url=_text(members, "externalBaseURL"),
        modules=tuple(_read_module(item) for item in _objects(members, "modules")),
    )


def _read_module(members: dict[str, Json]) -> OfferedModule:
    return OfferedModule(
        file=_text(members, "filename"),
        signature=_text(members, "signatureFilename"),
        version=_text(members, "version"),
        timestamp=read_instant(_text(members, "timestamp")),
        size=int(_text(members, "size")),
        sha256=_text(members, "sha256"),
    )


def read_error(body: bytes) -> ErrorAnswer:
    """Read a refusal, as a device does. Raises ProtocolError."""
    document = _document(body, MAX_ANSWER)
    try:
        status = int(_text(document, "status"))
    except ValueError as error:
        raise ProtocolError("the answer has no status that is a number") from error
    return ErrorAnswer(status, _text(document, "code"), _text(document, "message"))


def read_provisioning(body: bytes) -> Provisioning:
    """Read the provisioning values, as a device does. Raises ProtocolError."""
    document = _document(body, MAX_ANSWER)
    return Provisioning(
        internal_url=_text(document, "updatesServerInternalUrl"),
        external_url=_text(document, "updatesServerExternalUrl"),
        enabled=document.get("updatesServerEnabled") is True,
    )


def _text(members: dict[str, Json], name: str) -> str:
    value = members.get(name)
    return value if isinstance(value, str) else ""


def _objects(members: dict[str, Json], name: str) -> list[dict[str, Json]]:
    value = members.get(name)
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _encode(document: dict[str, object]) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode("ascii")
