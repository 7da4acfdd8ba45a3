"""What a column of cells holds: numbers in one style, dates, text, or nothing that can be used."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cellwright.plugins.data import moments, numbers
from cellwright.search_spaces import InvalidData

TEXT = "text"
UNUSED = "unused"  # the style of a column that cannot be used, or that nobody needs

Where = Callable[[int], str]


@dataclass(frozen=True)
class Reading:
    """A column as it was read: float64, or text (dtype object); missing is NaN or None.

    Args:
        values: Shape (rows,).
        style: In which style the cells are numbers (`numbers.STYLES`, with a unit) or moments
            (`moments.MOMENTS`), or `TEXT`, or `UNUSED`.
        note: What a user should know about it.
    """

    values: NDArray[Any]
    style: str
    note: str | None = None


@dataclass
class Cells:
    """A column of text as a file or an array gives it, and what it may be.

    Args:
        name: Name of the column.
        cells: Gives the stripped text of all cells; missing cells hold what stands for them. A
            function, so that a table need not hold a string for each of its cells.
        where: Names a row by its position from 0.
        styles: In which all cells are numbers or moments.
        decimal: The decimal separator that the column shows.
        ambiguous: Whether its numbers differ by what separates the decimals.
    """

    name: str
    cells: Callable[[], list[str]]
    where: Where
    styles: list[str] = field(default_factory=list)
    note: str | None = None
    plain: NDArray[np.float64] | None = None
    decimal: str | None = None
    ambiguous: bool = False

    def look(self) -> Cells:
        """Find out what the column may be.

        Raises:
            InvalidData: If it mixes numbers and text, or styles, or holds an infinite number.
        """
        cells = self.cells()
        self.plain = numbers.plain_floats(cells)
        if self.plain is not None:
            refuse_infinite(self.name, self.plain, self.where)
            self.styles = [numbers.PLAIN]
            self._note_decimal(cells)
            return self
        counts = Counter(cells)
        present = {text: count for text, count in counts.items() if not numbers.is_missing(text)}
        if not present:
            return self
        zeros = [text for text in present if numbers.has_leading_zero(text)]
        if zeros:
            if _share(present, numbers.is_plain) > 0.5:
                self.note = (
                    f"is text and no number, because {zeros[0]!r} begins with a zero; write "
                    "numbers without leading zeros"
                )
            return self
        self.styles = numbers.common_styles(present) or _common_moments(present)
        if not self.styles:
            self._refuse_mixed(cells, present)
        elif {"DD/MM/YYYY", "MM/DD/YYYY"} <= set(self.styles):
            raise InvalidData(
                f"column {self.name!r} holds dates such as {next(iter(present))!r}, and none tells "
                "whether the day or the month comes first; write them as YYYY-MM-DD"
            )
        else:
            self._note_decimal(present)
        return self

    def _note_decimal(self, texts: Collection[str]) -> None:
        """Find out what the cells tell of the decimal separator."""
        if self.styles[0] in moments.MOMENTS:
            return
        if self.styles[0] == numbers.PLAIN and (decimal := _decimal_of_plain(texts)):
            self.decimal = decimal
            return
        marked = [text for text in texts if "," in text or "." in text]
        if self.styles[0] != numbers.PLAIN:
            self.decimal = numbers.evidence(marked, self.styles)
        self.ambiguous = bool(marked) and self.decimal is None

    def read(self, shown: Collection[str] = ()) -> Reading:
        """The column in the style that fits; ``shown`` are the decimal separators of the table.

        Raises:
            InvalidData: If two styles fit, and the other columns are written in both ways.
        """
        if not self.styles:
            return Reading(_texts(self.cells()), TEXT, self.note)
        style, more = self.styles[0], ""
        decide = self.ambiguous and (style != numbers.PLAIN or "," in shown)
        if style == numbers.PLAIN and self.plain is not None and not decide:
            return Reading(self.plain, style, self._note_of_plain(shown))
        cells = self.cells()
        if decide:
            style, more = self._decide(cells, shown)
        table = {text: _number(text, style) for text in set(cells)}
        values = np.array([table[text] for text in cells], dtype=np.float64)
        refuse_infinite(self.name, values, self.where)
        if style == numbers.PLAIN:
            return Reading(values, style, self._note_of_plain(shown))
        example = _marked(cells)[0]
        said = f"{_what(style)}{example!r} is read as {table[example]:.12g}{more}"
        return Reading(values, style, said)

    def _note_of_plain(self, shown: Collection[str]) -> str | None:
        """What to say of numbers such as 1.234, whose point may separate thousands."""
        if not self.ambiguous or "." in shown:
            return None
        example = _marked(self.cells())[0]
        return (
            f"holds numbers such as {example!r}, read with decimals; if the point separates "
            "thousands, leave it out"
        )

    def _decide(self, cells: list[str], shown: Collection[str]) -> tuple[str, str]:
        """The style of numbers such as ``1,234``, by how the other columns are written."""
        styles = {numbers.decimal_of(style): style for style in reversed(self.styles)}
        styles.setdefault(",", "1.234,5")  # of plain numbers such as 1.234
        example = _marked(cells)[0]
        if len(set(shown)) > 1:
            raise InvalidData(
                f"column {self.name!r}: {example!r} may have a thousands or a decimal separator, "
                "and the other columns are written in both ways; write all numbers as 1234.5"
            )
        if shown:
            mark = next(iter(shown))
            return styles[mark], f", because other columns have {mark!r} before their decimals"
        return self.styles[0], "; if that is a decimal separator, write numbers as 1234.5"

    def _refuse_mixed(self, cells: list[str], present: Mapping[str, int]) -> None:
        """Refuse a column of which most cells are numbers, or moments, in whatever styles."""
        found: Counter[str] = Counter()
        good = 0
        infinite = None
        for text, count in present.items():
            styles = numbers.usual_styles_of(text) or moments.styles_of(text)
            if numbers.is_infinite(text):
                infinite = text
            elif styles:
                good += count
                found.update(dict.fromkeys(styles, count))
        total = sum(present.values())
        if infinite is not None and 0 < good == total - present[infinite]:
            raise InvalidData(_infinite(self.name, self.where(cells.index(infinite))))
        if good <= total / 2:
            return
        bases = [*numbers.STYLES, *moments.MOMENTS]
        order = sorted(found, key=lambda s: (bases.index(numbers.base_of(s) or s), s))
        style = max(order, key=found.__getitem__)  # the first of the most frequent
        fits = [text for text in present if _number(text, style) is not None]
        unfit = set(present) - set(fits)
        row = next(i for i, text in enumerate(cells) if text in unfit)
        kind = "numbers" if style not in moments.MOMENTS else f"values in the style {style}"
        such = "" if style == numbers.PLAIN else f" such as {fits[0]!r}"
        raise InvalidData(
            f"column {self.name!r} holds {kind}{such}, but {cells[row]!r} in "
            f"{self.where(row)}; correct it, leave the cell empty if the value is unknown, or "
            "leave the column out"
        )


def read_known(name: str, cells: Sequence[str], style: str, where: Where) -> NDArray[Any]:
    """Read cells in the style in which the column was read before.

    Raises:
        InvalidData: If a cell is not written so, or is infinite.
    """
    if style == TEXT:
        return _texts(cells)
    table: dict[str, float] = {}
    for row, text in enumerate(cells):
        if text in table:
            continue
        if numbers.is_infinite(text):
            raise InvalidData(_infinite(name, where(row)))
        value = _number(text, style)
        if value is None:
            kind = "numbers" if style == numbers.PLAIN else f"values in the style {style}"
            raise InvalidData(
                f"column {name!r} holds {kind}, but {text!r} in {where(row)}; correct it, or leave "
                "the cell empty if the value is unknown"
            )
        table[text] = value
    values = np.array([table[text] for text in cells], dtype=np.float64)
    refuse_infinite(name, values, where)
    return values


def is_style(style: object) -> bool:
    """Whether ``style`` is one that a column can have been read in."""
    return isinstance(style, str) and (
        style in (TEXT, UNUSED, *moments.MOMENTS) or numbers.base_of(style) is not None
    )


def read_together(columns: Iterable[Cells]) -> list[Reading]:
    """Read the columns of one table, where one may tell how another is written."""
    looked = list(columns)
    shown = {column.decimal for column in looked if column.decimal}
    return [column.read(shown) for column in looked]


def refuse_infinite(name: str, values: NDArray[np.float64], where: Where) -> None:
    infinite = np.isinf(values)
    if infinite.any():
        raise InvalidData(_infinite(name, where(int(infinite.argmax()))))


def _infinite(name: str, row: str) -> str:
    return f"column {name!r} holds an infinite number in {row}; correct it, or leave the cell empty"


def _number(text: str, style: str) -> float | None:
    if numbers.is_missing(text):
        return np.nan
    if style in moments.MOMENTS:
        return moments.parse(text, style)
    return numbers.parse(text, style)


def _texts(cells: Sequence[str]) -> NDArray[Any]:
    """Equal texts become one object, and missing ones None."""
    same = {text: None if numbers.is_missing(text) else text for text in dict.fromkeys(cells)}
    return as_objects([same[text] for text in cells])


def as_objects(values: Sequence[Any]) -> NDArray[Any]:
    """An array of shape (values,) that holds them as they are, be they lists."""
    array = np.empty(len(values), dtype=object)
    for position, value in enumerate(values):
        array[position] = value
    return array


def _common_moments(texts: Collection[str]) -> list[str]:
    left = set(moments.MOMENTS)
    for text in texts:
        left &= moments.styles_of(text)
        if not left:
            return []
    return [style for style in moments.MOMENTS if style in left]


def _decimal_of_plain(texts: Collection[str]) -> str | None:
    """A point if any of the plain numbers has one that separates no thousands."""
    for text in texts:
        if "." in text and "1.234,5" not in numbers.styles_of(text):
            return "."
    return None


def _marked(cells: Iterable[str]) -> list[str]:
    """Cells that show their style best: the first that has what a plain number has not."""
    present = [text for text in cells if not numbers.is_missing(text)]
    return (
        [text for text in present if not numbers.is_plain(text)]
        or [text for text in present if "." in text]
        or present
    )


def _what(style: str) -> str:
    if style in moments.DATES:
        return f"holds dates ({style}), read as days since 1970: "
    if style in moments.TIMES:
        return f"holds {'durations' if style == 'duration' else 'times'}, read as seconds: "
    return f"holds numbers in the style {style!r}: "


def _share(present: Mapping[str, int], test: Callable[[str], bool]) -> float:
    return sum(count for text, count in present.items() if test(text)) / sum(present.values())
