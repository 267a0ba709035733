"""Sentences for people that remember what they are made of, so that whoever shows them can say them in another language.

Plain Python words its refusals and verdicts with `wording`, under the name `_` by which translators' tools find texts.
"""

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, Self, TypeAlias, Union

Value: TypeAlias = Union[str, int, "Wording"]

# Far more than any sentence here needs: what is read back has been in a database, or comes from a confined process.
_MAX_TEMPLATE: Final = 1000
_MAX_VALUES: Final = 16
_MAX_TEXT: Final = 20_000
_MAX_DEPTH: Final = 8
_KEYS: Final = {"template", "values"}
_PLACE: Final = re.compile(r"%(?:%|\((?P<name>[a-z_]+)\)(?P<kind>[sd]))")


class Wording(str):
    """A sentence, or a part of one. As a text it is English; `said` gives it in another language.

    `template` has named places in the old style, `%(name)s` for texts and `%(name)d` for whole numbers, and `values`
    fills them. A value may be a wording itself. What texts do to it (cutting, joining) gives plain texts.
    """

    __slots__ = ("template", "values")

    template: str
    values: Mapping[str, Value]

    def __new__(cls, template: str, values: Mapping[str, Value] = MappingProxyType({})) -> Self:
        """Raises KeyError, TypeError or ValueError when the values do not fill the template."""
        made = super().__new__(cls, template % values)
        made.template = template
        made.values = MappingProxyType(dict(values))
        return made

    def __reduce__(self) -> tuple[type[Self], tuple[str, dict[str, Value]]]:
        return type(self), (self.template, dict(self.values))

    def said(self, translate: Callable[[str], str]) -> str:
        """The sentence with each template replaced by what `translate` makes of it."""
        if not self.template:
            # The empty message of a catalogue is its header.
            return ""
        values = {
            name: value.said(translate) if isinstance(value, Wording) else value
            for name, value in self.values.items()
        }
        return translate(self.template) % values

    def to_json(self) -> dict[str, object]:
        """What `from_json` reads."""
        values = {
            name: value.to_json() if isinstance(value, Wording) else value
            for name, value in self.values.items()
        }
        return {"template": self.template, "values": values}

    @classmethod
    def from_json(cls, data: object) -> Self:
        """Reads a wording back. Raises ValueError for anything that `to_json` does not write."""
        return cls._read(data, depth=0)

    @classmethod
    def _read(cls, data: object, *, depth: int) -> Self:
        if not isinstance(data, dict) or data.keys() != _KEYS or depth > _MAX_DEPTH:
            raise ValueError("not a wording: an object with template and values")
        template, values = data["template"], data["values"]
        if not isinstance(template, str) or len(template) > _MAX_TEMPLATE:
            raise ValueError("not a wording: its template is no text, or too long")
        if not isinstance(values, dict) or len(values) > _MAX_VALUES:
            raise ValueError("not a wording: its values are no object, or too many")
        read = {
            name: cls._read(value, depth=depth + 1) if isinstance(value, dict) else _plain_value(value)
            for name, value in values.items()
        }
        if places(template) != {
            (name, "d" if isinstance(value, int) else "s") for name, value in read.items()
        }:
            raise ValueError("not a wording: its values do not fill its template")
        return cls(template, read)


def wording(template: str, **values: Value) -> Wording:
    """A wording of a template that is marked for translation by this call."""
    return Wording(template, values)


def plain(text: str) -> Wording:
    """A text that nobody translates, where a wording is wanted: a name, or another program's words."""
    return Wording("%(text)s", {"text": text})


NOTHING: Final = Wording("")


class WordedError(Exception):
    """An error whose text can be said in other languages; the text is English."""

    def __init__(self, words: Wording) -> None:
        super().__init__(words)
        self.wording = words


def places(template: str) -> set[tuple[str, str]]:
    """The places of a template: name, and `s` or `d`. Raises ValueError for any other use of the percent sign."""
    if "%" in _PLACE.sub("", template):
        raise ValueError("not a wording: its template has places of another kind")
    return {(found["name"], found["kind"]) for found in _PLACE.finditer(template) if found["name"]}


def _plain_value(value: object) -> str | int:
    if isinstance(value, str) and len(value) <= _MAX_TEXT:
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise ValueError("not a wording: a value is no text and no whole number, or too long")
