"""The columns of a CSV file as packed text, and what programs write beside the data."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field

from cellwright.plugins.data import numbers
from cellwright.search_spaces import InvalidData

_TOTALS = frozenset(
    {"total", "totals", "grand total", "sum", "sums", "overall", "summe", "gesamt", "gesamtsumme",
     "gesamtergebnis", "insgesamt", "somme", "total général", "totale", "suma", "totaal",
     "average", "mean", "mittelwert", "durchschnitt", "moyenne"}
)  # fmt: skip


_AROUND = ("\0 ", " \0", "\t", "\n", "\r", "\f")


_INDEX = ("", "unnamed: 0")  # names that pandas and R give the numbers of rows


@dataclass
class Packed:
    """A column of stripped cells, packed into one text a chunk; it takes a byte or two a letter."""

    chunks: list[str] = field(default_factory=list)

    def add(self, cells: Sequence[str]) -> None:
        """Append cells."""
        packed = "\0".join(cells)
        # Few files have spaces around their cells, and looking is quicker than stripping.
        around = f"\0{packed}\0"
        if not packed.isascii() or any(space in around for space in _AROUND):
            packed = "\0".join(map(str.strip, cells))
        self.chunks.append(packed)

    def cells(self) -> list[str]:
        """All cells."""
        return "\0".join(self.chunks).split("\0") if self.chunks else []

    def has(self, text: str) -> bool:
        """Whether a cell holds ``text``."""
        return any(f"\0{text}\0" in f"\0{chunk}\0" for chunk in self.chunks if text in chunk)


def without_name(
    names: list[str], columns: list[Packed], line: int, width: int, notes: list[str]
) -> tuple[list[str], list[Packed]]:
    """Names and columns where there is one name fewer than columns.

    Raises:
        InvalidData: If it is neither an empty last column nor one of the names of rows.
    """
    if not any(chunk.strip("\0") for chunk in columns[-1].chunks):
        return names, columns[:-1]
    cells = columns[0].cells()
    texts = not any(map(numbers.styles_of, cells)) and all(cells)
    rising = len(cells) > 2 and cells == [str(row) for row in range(1, len(cells) + 1)]
    if rising or (texts and len(set(cells)) == len(cells)):
        notes.append("the first column has no name and tells the rows apart; it is left out")
        return names, columns[1:]
    raise InvalidData(
        f"line {line} has {width} cells, the header {len(names)}. If numbers have decimal commas "
        "and commas separate the cells, write the numbers in quotes"
    )


def _numbers_rows(cells: list[str]) -> bool:
    return all(c.isascii() and c.isdigit() for c in cells) and len(set(cells)) == len(cells)


def named(names: list[str], columns: list[Packed], notes: list[str]) -> dict[str, Packed]:
    """The columns by name, without one that numbers the rows.

    Raises:
        InvalidData: If a name is given twice.
    """
    twice = sorted({name for name in names if name and names.count(name) > 1})
    if twice:
        raise InvalidData(f"columns must have different names; given twice: {twice[:4]}")
    if names[0].lower() in _INDEX and len(names) > 1 and _numbers_rows(columns[0].cells()):
        notes.append("the first column has no name and numbers the rows; it is left out")
        names, columns = names[1:], columns[1:]
    for position, name in enumerate(names):
        if not name:
            names[position] = f"column_{position + 1}"
            notes.append(f"a column without a name is called {names[position]!r}")
    return dict(zip(names, columns, strict=True))


def refuse_data(names: list[str], columns: list[Packed], separator: str) -> None:
    """Refuse a first line that looks like data; whole numbers that rise may be names."""
    found = [name for name in names if numbers.styles_of(name) or numbers.is_infinite(name)]
    texts = [(n, c) for n, c in zip(names, columns, strict=True) if n and n not in found]
    whole = all(name.isdigit() and not numbers.has_leading_zero(name) for name in found)
    rising = whole and all(int(a) < int(b) for a, b in itertools.pairwise(found))
    again = [column.has(name) for name, column in texts]
    if (found and (not rising or any(again))) or (not found and again and all(again)):
        line = separator.join(names)
        raise InvalidData(
            f"the first line, {line[:60]!r}, looks like data, not like names: add a line of names"
        )


def units_of(rows: list[list[str]]) -> str | None:
    """The first row, if it has text in every column of numbers, and no text of another column."""
    if len(rows) < 3:
        return None
    cells = [[cell.strip() for cell in row] for row in rows if len(row) == len(rows[0])]
    first, rest = cells[0], cells[1:]
    if any(map(_is_number, first)):
        return None
    of_numbers = 0
    for position, cell in enumerate(first):
        others = [row[position] for row in rest if not numbers.is_missing(row[position])]
        if others and all(map(_is_number, others)):
            of_numbers += bool(cell and not numbers.is_missing(cell))
        elif cell and cell in others:
            return None
    return ", ".join(cell for cell in first if cell)[:60] if of_numbers else None


def is_total(columns: list[Packed], buffer: list[list[str]]) -> bool:
    """Whether the last row names itself a total, and otherwise holds numbers alone."""
    if len(buffer) + len(columns[0].chunks) < 2:
        return False
    last = [cell.strip() for cell in buffer[-1]]
    words = [i for i, cell in enumerate(last) if cell.lower().rstrip(":") in _TOTALS]
    others = [cell for i, cell in enumerate(last) if i not in words]
    if len(words) != 1 or not any(map(_is_number, others)):
        return False
    at = words[0]
    earlier = columns[at].has(last[at]) or any(row[at].strip() == last[at] for row in buffer[:-1])
    return not earlier and all(_is_number(cell) or numbers.is_missing(cell) for cell in others)


def _is_number(cell: str) -> bool:
    return bool(numbers.styles_of(cell))
