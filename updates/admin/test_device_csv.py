"""Test devices as CSV: reads what spreadsheets write, and writes what spreadsheets may open."""

import csv
from collections.abc import Iterable, Iterator, Sequence

from django.utils.translation import gettext as _

from devices.identity import IdentifierKind, IdentityError, guess, normalise
from devices.models import TestDevice
from updates.services.test_devices import NewTestDevice

COLUMNS = ("identifier", "name", "note", "kind")
MAX_LINES = 5000
MAX_BYTES = 2 << 20
# A spreadsheet takes a cell that begins so for a formula; a leading apostrophe makes it text.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_MARK = "'"
_BYTE_ORDER_MARK = "\ufeff"
_NAME_LENGTH = 100
_NOTE_LENGTH = 1000


class CsvError(ValueError):
    """A file of which nothing was taken; `problems` say line by line what is wrong."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__(" ".join(problems))
        self.problems = tuple(problems)


def decode(content: bytes) -> str:
    """Gives the text of a CSV file: UTF-8, UTF-16 with its mark, or the code page of Japanese Windows.

    Raises CsvError.
    """
    if len(content) > MAX_BYTES:
        raise CsvError([_("The file is larger than %(limit)d bytes; split it.") % {"limit": MAX_BYTES}])
    has_utf16_mark = content.startswith((b"\xff\xfe", b"\xfe\xff"))
    encodings = ("utf-16",) if has_utf16_mark else ("utf-8-sig", "cp932")
    for encoding in encodings:
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise CsvError([_("The file is not text that can be read; save it as CSV in UTF-8.")])


def parse(text: str) -> list[NewTestDevice]:
    """Reads `identifier,name,note[,kind]`, separated by commas, semicolons or tabs; a header line may name them.

    Raises CsvError that names every line with a problem, counted from 1.
    """
    text = text.removeprefix(_BYTE_ORDER_MARK)
    columns: Sequence[str] = COLUMNS
    found: list[NewTestDevice] = []
    problems: list[str] = []
    first = True
    for line, cells in _lines(text):
        if first and _is_header(cells):
            columns = [cell.casefold() for cell in cells]
            if "identifier" not in columns:
                raise CsvError([_("Line %(line)d: no column is called identifier.") % {"line": line}])
        else:
            try:
                found.append(_device(dict(zip(columns, cells, strict=False)), surplus=cells[len(columns) :]))
            except IdentityError as error:
                said = error.wording.said(_)
                problems.append(_("Line %(line)d: %(error)s") % {"line": line, "error": said})
            except ValueError as error:
                problems.append(_("Line %(line)d: %(error)s") % {"line": line, "error": error})
        first = False
    if len(found) > MAX_LINES:
        problems.append(_("There are more than %(limit)d lines; split them.") % {"limit": MAX_LINES})
    if not found and not problems:
        problems.append(_("There is no test device in it. Write one a line: identifier,name,note"))
    if problems:
        raise CsvError(problems)
    return found


def write(devices: Iterable[TestDevice]) -> Iterator[str]:
    """Gives the lines of a CSV file that `parse` reads back."""
    writer = csv.writer(_Echo())
    # Excel takes a file without the mark for one in the local code page.
    yield _BYTE_ORDER_MARK + str(writer.writerow(COLUMNS))
    for device in devices:
        cells = (device.identifier, device.name, device.note, device.kind)
        yield str(writer.writerow([_guarded(cell) for cell in cells]))


def _is_header(cells: Sequence[str]) -> bool:
    """Whether the first line names columns; "name,note" alone is a header too, though one that lacks a column."""
    names = {cell.casefold() for cell in cells}
    return "identifier" in names or names <= {*COLUMNS, ""}


class _Echo:
    """A file that gives each line back to its writer, so that they can be streamed."""

    def write(self, line: str) -> str:
        return line


def _lines(text: str) -> Iterator[tuple[int, list[str]]]:
    """The rows that are not empty, each with the line it ends on."""
    head = text.lstrip().partition("\n")[0]
    delimiter = "\t" if "\t" in head else ";" if ";" in head and "," not in head else ","
    reader = csv.reader(text.splitlines(keepends=True), delimiter=delimiter, strict=True)
    try:
        for cells in reader:
            stripped = [cell.strip() for cell in cells]
            if any(stripped):
                yield reader.line_num, stripped
    except csv.Error as error:
        raise CsvError([_("Line %(line)d: %(error)s") % {"line": reader.line_num, "error": error}]) from error


def _device(row: dict[str, str], *, surplus: Sequence[str]) -> NewTestDevice:
    if any(surplus):
        raise ValueError(_("more columns than identifier, name, note; put a text with commas in quotes"))
    values = {column: _unguarded(text) for column, text in row.items()}
    kind, identifier = _identify(values)
    name, note = values.get("name", ""), values.get("note", "")
    if len(name) > _NAME_LENGTH or len(note) > _NOTE_LENGTH:
        text = _("a name has at most %(name)d characters, a note %(note)d")
        raise ValueError(text % {"name": _NAME_LENGTH, "note": _NOTE_LENGTH})
    return NewTestDevice(identifier=identifier, name=name, note=note, kind=kind)


def _identify(values: dict[str, str]) -> tuple[IdentifierKind, str]:
    text, given = values.get("identifier", ""), values.get("kind", "").casefold()
    if not given:
        return guess(text)
    if given not in set(IdentifierKind):
        raise ValueError(_("the kind is mac or serial; leave it empty to have it recognised"))
    kind = IdentifierKind(given)
    return kind, normalise(kind, text)


def _guarded(text: str) -> str:
    return _MARK + text if text.startswith((*_FORMULA, _MARK)) else text


def _unguarded(text: str) -> str:
    return text[1:] if text.startswith(_MARK) and text[1:].startswith((*_FORMULA, _MARK)) else text
