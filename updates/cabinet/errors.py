"""The one error this package raises about a cabinet."""

from devices.wording import NOTHING, Wording


class CabinetError(Exception):
    """A cabinet is refused: where, why and, if somebody can do something about it, what.

    `place` names the spot in the file ("header", "folder 0, block 2", "member 3 'a/b.nbt'"; members, folders
    and blocks count from 0), `reason` is one line, `remedy` is a sentence or empty. Trouble of the machine
    itself (disk, memory of the host, a program that does not start) is an OSError instead: a verdict on the
    cabinet would be wrong there.
    """

    def __init__(self, place: Wording, reason: Wording, remedy: Wording = NOTHING) -> None:
        super().__init__(place, reason, remedy)
        self.place = place
        self.reason = reason
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.place}: {self.reason}"
