"""A phone's memory: two partitions, of which one runs and the other is overwritten by the next update."""

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final, Literal

from updates.simulator.errors import SimulatorError

Side = Literal["a", "b"]
_OTHER: Final[dict[Side, Side]] = {"a": "b", "b": "a"}


@dataclass(frozen=True, slots=True)
class Image:
    """The files of one update type, as they were installed; `installed_at` in ISO form."""

    version: str
    files: tuple[str, ...]
    installed_at: str


@dataclass(frozen=True, slots=True)
class Partition:
    """What a partition holds: the version people see, and the image of each update type."""

    version: str
    images: Mapping[str, Image] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class NewImage:
    """A fetched update: its type, its version, and where each of its files lies."""

    update_type: str
    version: str
    files: Sequence[tuple[str, Path]]


class Flash:
    """The partitions in a folder; what they hold outlives the process."""

    def __init__(self, folder: Path, *, factory_version: str) -> None:
        self.folder = folder
        self._side: Side = "a"
        self._partitions: dict[Side, Partition] = {"a": Partition(factory_version)}
        self.last_update: str | None = None
        folder.mkdir(parents=True, exist_ok=True)
        if self._state_file.exists():
            self._load()

    @property
    def active(self) -> Partition:
        return self._partitions[self._side]

    @property
    def previous_version(self) -> str | None:
        """What the other partition holds; None while it is empty."""
        other = self._partitions.get(_OTHER[self._side])
        return other.version if other else None

    def part(self, key: str) -> Path:
        """Where a file with this key, a hash, is put together."""
        return self.folder / "download" / f"{key}.part"

    def write(self, images: Sequence[NewImage], *, now: datetime) -> None:
        """Overwrites the inactive partition: the new images, and those of the active one that have no new."""
        side = _OTHER[self._side]
        target = self.folder / side
        self._partitions.pop(side, None)
        self._save()
        shutil.rmtree(target, ignore_errors=True)
        written: dict[str, Image] = {}
        for update_type in self.active.images.keys() - {image.update_type for image in images}:
            shutil.copytree(self.folder / self._side / update_type, target / update_type)
            written[update_type] = self.active.images[update_type]
        for image in images:
            place = target / image.update_type
            place.mkdir(parents=True)
            for name, source in image.files:
                source.replace(place / name)
            names = tuple(name for name, _source in image.files)
            written[image.update_type] = Image(image.version, names, now.isoformat(timespec="seconds"))
        self._partitions[side] = Partition(images[-1].version, written)
        self._save()

    def restart(self, *, now: datetime) -> None:
        """Makes the partition that was written the active one."""
        self._side = _OTHER[self._side]
        self.last_update = now.isoformat(timespec="seconds")
        self._save()

    @property
    def _state_file(self) -> Path:
        return self.folder / "state.json"

    def _save(self) -> None:
        state = {
            "active": self._side,
            "last_update": self.last_update,
            "partitions": {side: asdict(partition) for side, partition in self._partitions.items()},
        }
        scratch = self._state_file.with_suffix(".new")
        scratch.write_text(json.dumps(state, indent=1), encoding="utf-8")
        scratch.replace(self._state_file)

    def _load(self) -> None:
        try:
            state = json.loads(self._state_file.read_text(encoding="utf-8"))
            self._side = "b" if state["active"] == "b" else "a"
            self.last_update = state["last_update"]
            self._partitions = {
                side: _partition(state["partitions"][side]) for side in _OTHER if side in state["partitions"]
            }
            # Without an active partition there is nothing to start from.
            self._partitions[self._side]
        except (ValueError, KeyError, TypeError) as error:
            raise SimulatorError(
                f"{self._state_file} is not a phone's memory. Name another folder with --flash, or empty this one."
            ) from error


def _partition(value: Mapping[str, object]) -> Partition:
    images = value["images"]
    if not isinstance(images, dict):
        raise TypeError("images")
    return Partition(
        str(value["version"]),
        {
            name: Image(image["version"], tuple(image["files"]), image["installed_at"])
            for name, image in images.items()
        },
    )
