"""From the members of a package to the updates it brings. docs/packages.md says the rules to those who make packages."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal

from devices.identity import DeviceTypeKey, IdentityError, name_problem, shown
from devices.wording import NOTHING, Wording
from devices.wording import wording as _
from updates.domain import description, versions
from updates.domain.findings import Finding, Findings, Level
from updates.domain.paths import Lookup, PathParts, read_path, split

KNOWN_FAMILIES: Final = ("UCPhone", "RoundTable")
MAX_FILE_NAME: Final = 128
SIGNATURE_EXTENSION: Final = ".cat"
_NAMED_UNASSIGNED: Final = 5
Source = Literal["description", "path"]


@dataclass(frozen=True, slots=True)
class MemberFile:
    """A file of a package: `cabinet` is "" for the outer one, else the path of the nested one; size in bytes."""

    index: int
    cabinet: str
    name: str
    size: int
    sha256: str
    modified: datetime | None

    @property
    def path(self) -> str:
        """The place in the package, through the nested cabinets."""
        return f"{self.cabinet}/{self.name}" if self.cabinet else self.name


@dataclass(frozen=True, slots=True)
class PlannedFile:
    """A file of an update: its name in the store, its bytes, and the name of the file that signs it ("": none)."""

    name: str
    member: MemberFile
    signature: str = ""


@dataclass(frozen=True, slots=True)
class PlannedUpdate:
    """An update a package brings; its files are in the order of their names."""

    device_type: DeviceTypeKey
    update_type: str
    version: str
    files: tuple[PlannedFile, ...]
    source: Source
    release_notes: str = ""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a package brings, what it leaves to be assigned by hand, and what its examination found."""

    updates: tuple[PlannedUpdate, ...]
    unassigned: tuple[MemberFile, ...]
    findings: tuple[Finding, ...]

    @property
    def failed(self) -> bool:
        """Nothing of the package may be published."""
        return any(finding.level is Level.FAILURE for finding in self.findings)


def signature_for(name: str, names: Iterable[str]) -> str:
    """Give the one of `names` that signs the file `name`, "" when none does.

    It is the security catalogue with the file's stem (CPE.cat for CPE.nbt), else the only catalogue. A catalogue is signed
    by nothing but itself.
    """
    if name.casefold().endswith(SIGNATURE_EXTENSION):
        return ""
    catalogues = [other for other in names if other.casefold().endswith(SIGNATURE_EXTENSION)]
    stem = name.rpartition(".")[0] or name
    own = [other for other in catalogues if other[: -len(SIGNATURE_EXTENSION)].casefold() == stem.casefold()]
    if own:
        return own[0]
    return catalogues[0] if len(catalogues) == 1 else ""


def plan(members: Sequence[MemberFile], read: Callable[[int], bytes], *, most_updates: int) -> Manifest:
    """Find the updates among the members of a package, at most `most_updates`.

    `read` gives the bytes of a member by its index; it is called for `.xml` members of at most 8 MiB only, and what it
    raises goes through. Everything wrong with the package is a finding; the manifest has `failed` then.
    """
    planner = _Planner()
    if not members:
        planner.report(
            Level.FAILURE,
            "cabinet",
            "",
            _("the package has no files"),
            _("upload a package with an update in it"),
        )
    unassigned: list[MemberFile] = []
    for cabinet in dict.fromkeys(member.cabinet for member in members):
        pool = planner.take_described([member for member in members if member.cabinet == cabinet], read)
        unassigned.extend(member for member in pool if not planner.take_by_path(member))
    updates = planner.updates()
    planner.report_too_many(updates, most_updates)
    planner.report_unassigned(unassigned)
    planner.report_passes(updates)
    return Manifest(updates, tuple(unassigned), planner.findings())


@dataclass(slots=True)
class _Draft:
    device_type: DeviceTypeKey
    update_type: str
    version: str
    source: Source
    release_notes: str = ""
    files: dict[str, PlannedFile] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Wanted:
    device_type: DeviceTypeKey
    update_type: str
    version: str
    source: Source
    release_notes: str = ""


class _Planner:
    def __init__(self) -> None:
        self._drafts: dict[tuple[str, str, str], _Draft] = {}
        self._types: dict[str, DeviceTypeKey] = {}
        self._findings = Findings()

    def report(
        self, level: Level, check: str, member: str, message: Wording, remedy: Wording = NOTHING
    ) -> None:
        self._findings.add(Finding(level, check, member, message, remedy))

    def findings(self) -> tuple[Finding, ...]:
        return self._findings.all()

    def take_described(self, pool: list[MemberFile], read: Callable[[int], bytes]) -> list[MemberFile]:
        """Plan what a description file lists; give the members that remain."""
        found: list[MemberFile] = []
        first_data = b""  # Of the first only: a package may have many, and memory is for one.
        for member in pool:
            if (data := _description_of(member, read)) is not None:
                first_data = first_data if found else data
                found.append(member)
        if not found:
            return pool
        taken = {member.index for member in found}
        if len(found) > 1:
            message = _(
                "%(first)s and %(second)s both describe the cabinet",
                first=shown(found[0].name),
                second=shown(found[1].name),
            )
            remedy = _("keep one description file in each cabinet")
            self.report(Level.FAILURE, "description", found[1].path, message, remedy)
        else:
            taken |= self._take_description(found[0], first_data, pool)
        return [member for member in pool if member.index not in taken]

    def _take_description(self, own: MemberFile, data: bytes, pool: list[MemberFile]) -> set[int]:
        read = description.read_description(data)
        for problem in read.problems:
            self.report(Level.FAILURE, problem.check, own.path, problem.message, problem.remedy)
        taken: set[int] = set()
        lookup = Lookup((member.name, member) for member in pool if member is not own)
        for update in read.updates:
            draft = self._draft(
                _Wanted(
                    update.device_type,
                    update.update_type,
                    update.version,
                    "description",
                    update.release_notes,
                ),
                own.path,
            )
            for file in update.files:
                taken |= self._take_file(file, draft, lookup, own)
        return taken

    def _take_file(
        self, file: description.DescribedFile, draft: _Draft, lookup: Lookup[MemberFile], own: MemberFile
    ) -> set[int]:
        member = self._referred(file.name, file.line, lookup, own)
        signature = self._referred(file.signature, file.line, lookup, own) if file.signature else None
        if member is not None:
            self._place(draft, member, split(signature.name)[-1] if signature is not None else "")
        if signature is not None:
            self._place(draft, signature, "")
        return {found.index for found in (member, signature) if found is not None}

    def _referred(
        self, path: str, line: int, lookup: Lookup[MemberFile], own: MemberFile
    ) -> MemberFile | None:
        found = lookup.find(path)
        if not found:
            message = _(
                "line %(line)d: %(file)s is not in the same cabinet as the description file",
                line=line,
                file=shown(path),
            )
            remedy = _("correct the path, or add the file to the cabinet")
            self.report(Level.FAILURE, "description", own.path, message, remedy)
            return None
        if len({member.sha256 for member in found}) > 1:
            message = _(
                "line %(line)d: the cabinet has %(file)s more than once with different contents",
                line=line,
                file=shown(path),
            )
            self.report(Level.FAILURE, "conflict", own.path, message, _("keep one file of this name"))
        return found[0]

    def take_by_path(self, member: MemberFile) -> bool:
        """Plan a member by its path; False when the path does not say what it belongs to."""
        parts = read_path(member.name)
        if parts is None:
            return False
        wanted = self._wanted(parts, member)
        if wanted is not None:
            self._place(self._draft(wanted, member.path), member, "")
        return True

    def _wanted(self, parts: PathParts, member: MemberFile) -> _Wanted | None:
        try:
            device_type = DeviceTypeKey.of(
                parts.family, parts.brand, parts.model, parts.revision, parts.locale
            )
        except IdentityError as error:
            self.report(Level.FAILURE, "names", member.path, error.wording, _("rename the folder"))
            return None
        problem = name_problem(parts.update_type)
        if problem:
            message = _(
                "the update type %(name)s %(problem)s", name=shown(parts.update_type), problem=problem
            )
            self.report(Level.FAILURE, "names", member.path, message, _("rename the folder"))
            return None
        try:
            version = versions.parse(parts.version)
        except versions.VersionError as error:
            remedy = _("rename the folder of the version")
            self.report(Level.FAILURE, "version", member.path, error.wording, remedy)
            return None
        return _Wanted(device_type, parts.update_type, version, "path")

    def _draft(self, wanted: _Wanted, member: str) -> _Draft:
        folded = wanted.device_type.folded
        if folded not in self._types:
            self._types[folded] = wanted.device_type
            if wanted.device_type.family not in KNOWN_FAMILIES:
                message = _(
                    "the family %(family)s is not one of %(known)s",
                    family=shown(wanted.device_type.family),
                    known=", ".join(KNOWN_FAMILIES),
                )
                remedy = _("check that devices report this family")
                self.report(Level.WARNING, "names", member, message, remedy)
        device_type = self._types[folded]
        draft = self._drafts.setdefault(
            (folded, wanted.update_type.casefold(), wanted.version),
            _Draft(device_type, wanted.update_type, wanted.version, wanted.source, wanted.release_notes),
        )
        if (device_type, draft.update_type) != (wanted.device_type, wanted.update_type):
            message = _(
                "%(first)s is also spelled %(other)s; the first spelling is taken",
                first=f"{wanted.device_type} / {wanted.update_type}",
                other=f"{device_type} / {draft.update_type}",
            )
            self.report(Level.WARNING, "names", member, message, _("spell it the same way throughout"))
        draft.release_notes = draft.release_notes or wanted.release_notes
        return draft

    def _place(self, draft: _Draft, member: MemberFile, signature: str) -> None:
        parts = split(member.name)
        name = parts[-1] if parts else ""
        problem = name_problem(name, max_length=MAX_FILE_NAME)
        if problem:
            message = _("the file name %(name)s %(problem)s", name=shown(name), problem=problem)
            self.report(Level.FAILURE, "names", member.path, message, _("rename the file"))
            return
        there = draft.files.setdefault(name.casefold(), PlannedFile(name, member, signature))
        if there.member.index == member.index:
            draft.files[name.casefold()] = PlannedFile(name, member, there.signature or signature)
            return
        update = f"{draft.device_type} / {draft.update_type} {draft.version}"
        if there.name != name:
            message = _(
                "%(update)s has the files %(first)s and %(second)s, which differ in case only",
                update=update,
                first=shown(there.name),
                second=shown(name),
            )
            self.report(Level.FAILURE, "conflict", member.path, message, _("rename or remove one of them"))
        elif there.member.sha256 != member.sha256:
            message = _(
                "%(update)s has %(file)s twice with different contents; the other is %(other)s",
                update=update,
                file=shown(name),
                other=shown(there.member.path),
            )
            self.report(Level.FAILURE, "conflict", member.path, message, _("keep the right one"))
        else:
            message = _(
                "%(update)s has %(file)s twice with the same contents; it is taken once",
                update=update,
                file=shown(name),
            )
            self.report(Level.WARNING, "duplicate", member.path, message, _("remove one of them"))

    def updates(self) -> tuple[PlannedUpdate, ...]:
        """Give the updates by path, then version from old to new, then update type."""
        drafts = sorted(
            (draft for draft in self._drafts.values() if draft.files),
            key=lambda draft: (
                draft.device_type.path,
                versions.sort_key(draft.version),
                draft.version,
                draft.update_type,
            ),
        )
        return tuple(_planned(draft) for draft in drafts)

    def report_too_many(self, updates: Sequence[PlannedUpdate], most: int) -> None:
        if len(updates) > most:
            message = _(
                "the package brings %(count)d updates, at most %(most)d are taken",
                count=len(updates),
                most=most,
            )
            remedy = _("split the package, or raise DUS_LIMIT_UPDATES")
            self.report(Level.FAILURE, "updates", "", message, remedy)

    def report_unassigned(self, members: Sequence[MemberFile]) -> None:
        if not members:
            return
        count = len(members)
        names = ", ".join(shown(member.path) for member in members[:_NAMED_UNASSIGNED])
        if count > _NAMED_UNASSIGNED:
            names += ", …"
        message = _("1 file is not assigned to an update: %(names)s", names=names)
        if count > 1:
            message = _("%(count)d files are not assigned to an update: %(names)s", count=count, names=names)
        remedy = _("assign them on the package's page in the console, or leave them")
        self.report(Level.WARNING, "unassigned", members[0].path, message, remedy)

    def report_passes(self, updates: Sequence[PlannedUpdate]) -> None:
        """Say which checks held, where there was something to check."""
        sources = Counter(update.source for update in updates)
        passes: dict[str, Wording] = {}
        if count := sources["description"]:
            passes["description"] = _("updates described in a description file: %(count)d", count=count)
        if count := sources["path"]:
            passes["path"] = _("updates told by the paths of their files: %(count)d", count=count)
        if updates:
            passes |= {
                "names": _("every name is valid"),
                "version": _("every version is valid"),
                "conflict": _("no two files of an update are in each other's way"),
                "unassigned": _("every file belongs to an update"),
            }
        for check, text in passes.items():
            if not self._findings.has(check):
                self.report(Level.PASS, check, "", text)


def _description_of(member: MemberFile, read: Callable[[int], bytes]) -> bytes | None:
    if not member.name.casefold().endswith(".xml") or member.size > description.MAX_SIZE:
        return None
    data = read(member.index)
    return data if description.is_description(data) else None


def _planned(draft: _Draft) -> PlannedUpdate:
    names = sorted(file.name for file in draft.files.values())
    files = sorted(draft.files.values(), key=lambda file: file.name)
    return PlannedUpdate(
        device_type=draft.device_type,
        update_type=draft.update_type,
        version=draft.version,
        files=tuple(
            PlannedFile(file.name, file.member, file.signature or signature_for(file.name, names))
            for file in files
        ),
        source=draft.source,
        release_notes=draft.release_notes,
    )
