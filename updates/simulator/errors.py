"""What can go wrong for a simulated phone."""


class SimulatorError(Exception):
    """Something that the phone could not do; the text says what, where and why."""


class RefusedError(SimulatorError):
    """The service refused: the HTTP status, the protocol's word for it, a sentence."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status = status
        self.code = code


class StoppedError(Exception):
    """The phone was switched off while it waited."""
