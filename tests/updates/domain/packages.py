"""Packages for tests of the manifest: members with their bytes, and the parts of a manifest that tests look at."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256

from updates.domain.findings import Finding, Level
from updates.domain.manifest import Manifest, MemberFile, plan

CX700 = "UCPhone/Polycom/CX700/A/ENU/1.0.522.101/CPE"
UPDATE = 'family="UCPhone" brand="Polycom" model="CX700" revision="A" locale="ENU" updateType="CPE" version="1.0.522.101"'


@dataclass
class Package:
    """Members in the order they were added, and what was read of them."""

    members: list[MemberFile] = field(default_factory=list)
    contents: list[bytes] = field(default_factory=list)
    read: list[str] = field(default_factory=list)

    def add(
        self, name: str, data: bytes = b"image", *, cabinet: str = "", size: int | None = None
    ) -> "Package":
        digest = sha256(data).hexdigest()
        length = len(data) if size is None else size
        self.members.append(
            MemberFile(len(self.members), cabinet, name, length, digest, datetime(2021, 10, 5, tzinfo=UTC))
        )
        self.contents.append(data)
        return self

    def describe(self, body: str, *, name: str = "package.xml", cabinet: str = "") -> "Package":
        text = f'<?xml version="1.0" encoding="utf-8"?>\n<UpdatePackage schemaVersion="1">\n{body}\n</UpdatePackage>'
        return self.add(name, text.encode(), cabinet=cabinet)

    def _read(self, index: int) -> bytes:
        self.read.append(self.members[index].name)
        return self.contents[index]

    def plan(self, *, most_updates: int = 500) -> Manifest:
        return plan(self.members, self._read, most_updates=most_updates)


def problems(manifest: Manifest, level: Level = Level.FAILURE) -> list[Finding]:
    return [finding for finding in manifest.findings if finding.level is level]


def the_problem(manifest: Manifest, level: Level = Level.FAILURE) -> Finding:
    (found,) = problems(manifest, level)
    return found


def files_of(manifest: Manifest) -> dict[str, dict[str, str]]:
    return {
        f"{update.device_type.path}/{update.version}/{update.update_type}": {
            file.name: file.signature for file in update.files
        }
        for update in manifest.updates
    }
