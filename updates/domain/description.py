"""The description file of a package: an XML document whose root is `UpdatePackage`. docs/packages.md has its schema."""

from dataclasses import dataclass
from typing import Final

from devices.identity import DeviceTypeKey, IdentityError, name_problem, shown
from devices.wording import Wording
from devices.wording import wording as _
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
_REMOVE: Final = _("remove it; values are attributes")


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that makes a description unusable: the check it fails, cause with its line, remedy."""

    check: str
    message: Wording
    remedy: Wording


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
    def __init__(self, line: int, check: str, message: Wording, remedy: Wording) -> None:
        super().__init__(message)
        self.problem = Problem(check, _at_line(line, message), remedy)


def _at_line(line: int, message: Wording) -> Wording:
    return _("line %(line)d: %(message)s", line=line, message=message)


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
        remedy = _("correct the XML at this line")
        return Description((), (Problem("description", _at_line(error.line, error.reason), remedy),))
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
        message = _("the root is %(name)s", name=shown(root.name))
        raise _InvalidError(root.line, "description", message, _("make it %(name)s", name=ROOT))
    schema_version = root.attributes.get("schemaVersion")
    if schema_version != SCHEMA_VERSION:
        message = (
            _("schemaVersion is missing")
            if schema_version is None
            else _("schemaVersion is %(version)s", version=shown(schema_version))
        )
        remedy = _("write %(attribute)s", attribute=f'schemaVersion="{SCHEMA_VERSION}"')
        raise _InvalidError(root.line, "description", message, remedy)
    _check_attributes(root, ("schemaVersion",), ())
    if not root.children:
        remedy = _("add an Update element, or leave the file out")
        raise _InvalidError(root.line, "description", _("no update is described"), remedy)


def _check_attributes(
    element: strictxml.Element, required: tuple[str, ...], optional: tuple[str, ...]
) -> None:
    accepted = ", ".join((*required, *optional))
    for name in required:
        if not element.attributes.get(name, "").strip():
            message = _("%(element)s has no %(attribute)s", element=element.name, attribute=name)
            remedy = _("give it %(attributes)s", attributes=accepted)
            raise _InvalidError(element.line, "description", message, remedy)
    for name in element.attributes:
        if name not in required and name not in optional:
            message = _(
                "%(element)s has an unknown attribute %(attribute)s",
                element=element.name,
                attribute=shown(name),
            )
            remedy = _("use only %(attributes)s", attributes=accepted)
            raise _InvalidError(element.line, "description", message, remedy)
    if element.text:
        message = _("%(element)s has text inside", element=element.name)
        raise _InvalidError(element.line, "description", message, _REMOVE)


def _check_name(element: strictxml.Element, expected: str) -> None:
    if element.name != expected:
        message = _("there is an unknown element %(element)s", element=shown(element.name))
        remedy = _("only %(element)s is accepted here", element=expected)
        raise _InvalidError(element.line, "description", message, remedy)


def _update(element: strictxml.Element) -> DescribedUpdate:
    _check_name(element, "Update")
    _check_attributes(element, _UPDATE_REQUIRED, _UPDATE_OPTIONAL)
    values = {name: value.strip() for name, value in element.attributes.items()}
    try:
        device_type = DeviceTypeKey.of(*(values[name] for name in _UPDATE_REQUIRED[:5]))
    except IdentityError as error:
        raise _InvalidError(element.line, "names", error.wording, _("correct the attribute")) from error
    problem = name_problem(values["updateType"])
    if problem:
        message = _("updateType %(name)s %(problem)s", name=shown(values["updateType"]), problem=problem)
        raise _InvalidError(element.line, "names", message, _("correct the attribute"))
    try:
        version = versions.parse(values["version"])
    except versions.VersionError as error:
        remedy = _("correct the attribute version")
        raise _InvalidError(element.line, "version", error.wording, remedy) from error
    if not element.children:
        raise _InvalidError(element.line, "description", _("the update has no file"), _("add a File element"))
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
        raise _InvalidError(element.line, "description", _("File has an element inside"), _REMOVE)
    return DescribedFile(
        element.attributes["name"].strip(), element.attributes.get("signature", "").strip(), element.line
    )
