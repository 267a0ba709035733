"""A small strict reader of XML from strangers: elements with line numbers, limits, and no document types or entities."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, NamedTuple
from xml.parsers import expat

from devices.wording import Wording, plain
from devices.wording import wording as _

_ENCODINGS: Final = frozenset({"utf-8", "utf-16", "us-ascii", "iso-8859-1"})
# Between a namespace and a name; a space cannot stand in either.
_SEPARATOR: Final = " "
# What expat says of most faults; its other words, and those of other releases, stay as they are.
_FAULTS: Final = {
    str(fault): fault
    for fault in (
        _("syntax error"),
        _("no element found"),
        _("not well-formed (invalid token)"),
        _("unclosed token"),
        _("mismatched tag"),
        _("duplicate attribute"),
        _("junk after document element"),
        _("undefined entity"),
        _("unbound prefix"),
        _("XML or text declaration not at start of entity"),
    )
}


class XmlError(ValueError):
    """A text that is not acceptable XML: the line (from 1; 0 when there is none) and the reason."""

    def __init__(self, line: int, reason: Wording) -> None:
        super().__init__(f"line {line}: {reason}" if line else reason)
        self.line = line
        self.reason = reason


@dataclass(frozen=True, slots=True)
class XmlLimits:
    """How much XML is read: bytes, nesting of elements, elements and attributes together, characters of one text."""

    size: int = 64 * 1024
    depth: int = 16
    nodes: int = 10_000
    text: int = 64 * 1024


class Element(NamedTuple):
    """One element: names without namespace, the text directly inside it without surrounding space, its line from 1.

    Not a dataclass, because making a frozen one takes four times as long, and a check is read for every request.
    """

    name: str
    attributes: dict[str, str]
    text: str
    line: int
    children: tuple["Element", ...]


# An element that is not closed yet: name, attributes, line, texts, children.
_Open = tuple[str, dict[str, str], int, list[str], list[Element]]


class _RootFound(Exception):  # noqa: N818 - not an error: it stops the parser once the root is known
    pass


DEFAULT_LIMITS: Final = XmlLimits()


def parse(data: bytes, *, limits: XmlLimits = DEFAULT_LIMITS) -> Element:
    """Read one document. Raises XmlError, and nothing else, for whatever bytes."""
    reader = _Reader(limits)
    reader.run(data)
    return reader.document[0]


def root_name(data: bytes, *, limits: XmlLimits = DEFAULT_LIMITS) -> str:
    """Give the name of the first element; what follows it is not looked at. Raises XmlError when none is reached."""
    reader = _Reader(limits, root_only=True)
    with suppress(_RootFound):
        reader.run(data)
    return reader.first


def _local(name: str) -> str:
    return name.rpartition(_SEPARATOR)[2]


class _Reader:
    def __init__(self, limits: XmlLimits, *, root_only: bool = False) -> None:
        self.first = ""
        self.document: list[Element] = []
        self._limits = limits
        self._root_only = root_only
        self._stack: list[_Open] = []
        self._nodes = 0
        self._parser = expat.ParserCreate(namespace_separator=_SEPARATOR)
        self._parser.buffer_text = True
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._characters
        self._parser.XmlDeclHandler = self._declaration
        self._parser.StartDoctypeDeclHandler = self._refuser(
            _("a document type (DOCTYPE) is not accepted; remove it")
        )
        self._parser.EntityDeclHandler = self._refuser(_("entity declarations are not accepted; remove them"))
        self._parser.ExternalEntityRefHandler = self._refuser(
            _("external entities are not accepted; remove them")
        )

    def run(self, data: bytes) -> None:
        if len(data) > self._limits.size:
            raise XmlError(
                0,
                _(
                    "the document has %(size)d bytes; %(most)d are accepted",
                    size=len(data),
                    most=self._limits.size,
                ),
            )
        try:
            self._parser.Parse(data, True)  # noqa: FBT003 - the parser takes it by position only
        except expat.ExpatError as error:
            fault = expat.ErrorString(error.code) or "not well-formed"
            raise XmlError(error.lineno, _FAULTS.get(fault) or plain(fault)) from error

    def _fail(self, reason: Wording) -> XmlError:
        return XmlError(self._parser.CurrentLineNumber, reason)

    def _refuser(self, reason: Wording) -> Callable[..., int]:
        def refuse(*_arguments: object) -> int:
            raise self._fail(reason)

        return refuse

    def _declaration(self, _version: str, encoding: str | None, _standalone: int) -> None:
        # Anything else would be decoded by whatever codec Python has under that name.
        if encoding is not None and encoding.lower() not in _ENCODINGS:
            raise self._fail(
                _(
                    "the encoding is not accepted; use one of %(encodings)s",
                    encodings=", ".join(sorted(_ENCODINGS)),
                )
            )

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        local = _local(name) if _SEPARATOR in name else name
        if self._root_only:
            self.first = local
            raise _RootFound
        limits = self._limits
        self._nodes += 1 + len(attributes)
        if self._nodes > limits.nodes:
            raise self._fail(_("more than %(most)d elements and attributes", most=limits.nodes))
        if len(self._stack) >= limits.depth:
            raise self._fail(_("elements are nested more than %(most)d deep", most=limits.depth))
        if attributes:
            attributes = self._named(attributes)
        self._stack.append((local, attributes, self._parser.CurrentLineNumber, [], []))

    def _named(self, attributes: dict[str, str]) -> dict[str, str]:
        named = {_local(key): value for key, value in attributes.items()}
        if len(named) != len(attributes):
            raise self._fail(_("an element has two attributes of one name in different namespaces"))
        if any(len(value) > self._limits.text for value in named.values()):
            raise self._fail(_("an attribute has more than %(most)d characters", most=self._limits.text))
        return named

    def _characters(self, text: str) -> None:
        # Space between elements is most of what arrives here.
        if text.isspace() and not self._stack[-1][3]:
            return
        self._stack[-1][3].append(text)

    def _end(self, _name: str) -> None:
        name, attributes, line, texts, children = self._stack.pop()
        text = "".join(texts).strip() if texts else ""
        if len(text) > self._limits.text:
            raise self._fail(_("a text has more than %(most)d characters", most=self._limits.text))
        element = Element(name, attributes, text, line, tuple(children))
        (self._stack[-1][4] if self._stack else self.document).append(element)
