"""The description file of a package: an XML document whose root is `UpdatePackage`. docs/packages.md has its schema."""

from dataclasses import dataclass
from typing import Final

from devices.identity import DeviceTypeKey, IdentityError, name_problem, shown
from updates import strictxml
from updates.domain import versions

ROOT: Final = "UpdatePackage"
SCHEMA_VERSION: Final = "1"
MAX_SIZE: Final = 8 * 1024 * 1024
MAX_NOTES: Final = 4000

_LIMITS: Final = strictxml.XmlLimits(size=MAX_SIZE, depth=4, nodes=50_000, text=MAX_NOTES)
_UPDATE_REQUIRED: Final = ("family", "brand", "model", "revision", "locale", "updateType", "version")
_UPDATE_OPTIONAL: Final = ("releaseNotes",)
_FILE_REQUIRED: Final = ("name",)
_FILE_OPTIONAL: Final = ("signature",)


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that makes a description unusable: the check it fails, cause with its line, remedy."""

    check: str
    message: str
    remedy: str


@dataclass(frozen=True, slots=True)
class DescribedFile:
    """A file of an update: the paths of a member and of its signature ("" when not named), and the line."""

    name: str
    signature: str
    line: int


@dataclass(frozen=True, slots=True)
class DescribedUpdate:
    """One `Update` element, valid in itself."""

    device_type: DeviceTypeKey
    update_type: str
    version: str
    release_notes: str
    files: tuple[DescribedFile, ...]
    line: int


@dataclass(frozen=True, slots=True)
class Description:
    """A whole description file: its valid updates, and every problem found."""

    updates: tuple[DescribedUpdate, ...]
    problems: tuple[Problem, ...]


class _InvalidError(ValueError):
    def __init__(self, line: int, check: str, message: str, remedy: str) -> None:
        super().__init__(message)
        self.problem = Problem(check, f"line {line}: {message}", remedy)


def is_description(data: bytes) -> bool:
    """Tell whether a member is meant to be a description file.

    A file that is no XML but has the root's name in it is: the slip of a description's author must be told, and not make
    its files unassigned.
    """
    try:
        return strictxml.root_name(data, limits=_LIMITS) == ROOT
    except strictxml.XmlError:
        # UTF-16 puts a zero byte beside each of these letters.
        return ROOT.encode() in data.replace(b"\0", b"")


def read_description(data: bytes) -> Description:
    """Read a description file; what is wrong with it is in the problems, nothing is raised."""
    try:
        root = strictxml.parse(data, limits=_LIMITS)
        _check_root(root)
    except strictxml.XmlError as error:
        remedy = "correct the XML at this line"
        return Description((), (Problem("description", f"line {error.line}: {error.reason}", remedy),))
    except _InvalidError as error:
        return Description((), (error.problem,))
    updates: list[DescribedUpdate] = []
    problems: list[Problem] = []
    for child in root.children:
        try:
            updates.append(_update(child))
        except _InvalidError as error:
            problems.append(error.problem)
    return Description(tuple(updates), tuple(problems))


def _check_root(root: strictxml.Element) -> None:
    if root.name != ROOT:
        raise _InvalidError(root.line, "description", f"the root is {shown(root.name)}", f"make it {ROOT}")
    schema_version = root.attributes.get("schemaVersion")
    if schema_version != SCHEMA_VERSION:
        found = "missing" if schema_version is None else shown(schema_version)
        raise _InvalidError(
            root.line, "description", f"schemaVersion is {found}", f'write schemaVersion="{SCHEMA_VERSION}"'
        )
    _check_attributes(root, ("schemaVersion",), ())
    if not root.children:
        raise _InvalidError(
            root.line, "description", "no update is described", "add an Update element, or leave the file out"
        )


def _check_attributes(
    element: strictxml.Element, required: tuple[str, ...], optional: tuple[str, ...]
) -> None:
    accepted = ", ".join((*required, *optional))
    for name in required:
        if not element.attributes.get(name, "").strip():
            raise _InvalidError(
                element.line, "description", f"{element.name} has no {name}", f"give it {accepted}"
            )
    for name in element.attributes:
        if name not in required and name not in optional:
            message = f"{element.name} has an unknown attribute {shown(name)}"
            raise _InvalidError(element.line, "description", message, f"use only {accepted}")
    if element.text:
        raise _InvalidError(
            element.line, "description", f"{element.name} has text inside", "remove it; values are attributes"
        )


def _check_name(element: strictxml.Element, expected: str) -> None:
    if element.name != expected:
        message = f"there is an unknown element {shown(element.name)}"
        raise _InvalidError(element.line, "description", message, f"only {expected} is accepted here")


def _update(element: strictxml.Element) -> DescribedUpdate:
    _check_name(element, "Update")
    _check_attributes(element, _UPDATE_REQUIRED, _UPDATE_OPTIONAL)
    values = {name: value.strip() for name, value in element.attributes.items()}
    try:
        device_type = DeviceTypeKey.of(*(values[name] for name in _UPDATE_REQUIRED[:5]))
    except IdentityError as error:
        raise _InvalidError(element.line, "names", str(error), "correct the attribute") from error
    problem = name_problem(values["updateType"])
    if problem:
        message = f"updateType {shown(values['updateType'])} {problem}"
        raise _InvalidError(element.line, "names", message, "correct the attribute")
    try:
        version = versions.parse(values["version"])
    except versions.VersionError as error:
        raise _InvalidError(element.line, "version", str(error), "correct the attribute version") from error
    if not element.children:
        raise _InvalidError(element.line, "description", "the update has no file", "add a File element")
    return DescribedUpdate(
        device_type=device_type,
        update_type=values["updateType"],
        version=version,
        release_notes=values.get("releaseNotes", ""),
        files=tuple(_file(child) for child in element.children),
        line=element.line,
    )


def _file(element: strictxml.Element) -> DescribedFile:
    _check_name(element, "File")
    _check_attributes(element, _FILE_REQUIRED, _FILE_OPTIONAL)
    if element.children:
        raise _InvalidError(
            element.line, "description", "File has an element inside", "remove it; values are attributes"
        )
    return DescribedFile(
        element.attributes["name"].strip(), element.attributes.get("signature", "").strip(), element.line
    )
