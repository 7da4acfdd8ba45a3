"""The text of a CSV file: its encoding, what stands before the names, and its separator."""

from __future__ import annotations

import codecs
import csv
import gzip
import itertools
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from cellwright.plugins.data import numbers
from cellwright.search_spaces import InvalidData

SEPARATORS = "\t;|,"  # where two fit alike, the first: text holds commas more often than tabs
_HEAD = 1000  # lines that the separator is found by; the rest of the file must agree
_CONTROL = re.compile(rb"[\x00-\x08\x0b\x0e-\x1f\x7f]")
_SEP = re.compile(r'"?sep=(.)"?\s*', re.IGNORECASE)


@dataclass(frozen=True)
class Layout:
    """How a CSV file is to be read.

    Args:
        path: The file; it is gzip if its name ends in ``.gz``.
        encoding: Its encoding.
        skipped: Number of lines before the names, or before the rows if ``names`` is given.
        separators: What may separate the cells, the most plausible first.
        names: The line of names, if it does not stand in the file as one.
        notes: What a user should know about it.
    """

    path: Path
    encoding: str
    skipped: int
    separators: str
    names: str | None = None
    notes: tuple[str, ...] = ()

    def open(self) -> IO[str]:
        """The file as text, from its first line, with line ends as they are."""
        return _open(self.path, self.encoding)


def find_layout(path: Path) -> Layout:
    """Find out how a CSV file is to be read, by its first lines.

    Raises:
        InvalidData: If it is not text, or no separator makes a table of it.
    """
    if not path.is_file():
        raise InvalidData("there is no such file")
    try:
        encoding = _encoding(path)
        with _open(path, encoding) as file:
            head = list(itertools.islice(file, _HEAD + 1))
    except (OSError, EOFError, UnicodeError) as error:
        raise InvalidData(f"the file cannot be read as CSV in UTF-8: {error}") from error
    notes = []
    if encoding == "cp1252":
        notes.append("the file is not in UTF-8 and is read as Windows-1252")
    skipped, declared, comments = _before_names(head)
    cut, body = len(head) > _HEAD, head[skipped:]
    names = None
    separators = declared or _separators(body, cut)
    if comments:
        last = comments[-1].lstrip().lstrip("#").strip()
        if _names_in_comment(last, body, separators[0]):
            names, comments = last, comments[:-1]
        if comments:
            notes.append(
                f"{len(comments)} comment lines before the names are left out, such as "
                f"{comments[0].strip()[:60]!r}"
            )
    return Layout(path, encoding, skipped, separators, names, tuple(notes))


def _open(path: Path, encoding: str) -> IO[str]:
    opened: Any = gzip.open if path.suffix.lower() == ".gz" else open
    file: IO[str] = opened(path, "rt", newline="", encoding=encoding)
    return file


def _encoding(path: Path) -> str:
    """UTF-16 or UTF-8 by its mark, UTF-8 if the whole file is that, or Windows-1252."""
    opened: Any = gzip.open if path.suffix.lower() == ".gz" else open
    with opened(path, "rb") as file:
        start = file.read(4)
        if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            return "utf-16"
        file.seek(0)
        utf8 = codecs.getincrementaldecoder("utf-8")()
        is_utf8 = True
        while block := file.read(1 << 20):
            if _CONTROL.search(block):
                raise InvalidData(
                    "the file cannot be read as CSV in UTF-8: it holds control characters, so "
                    "it is not text"
                )
            try:
                if is_utf8:
                    utf8.decode(block)
            except UnicodeDecodeError:
                is_utf8 = False
    try:
        utf8.decode(b"", final=True)
    except UnicodeDecodeError:
        is_utf8 = False
    return "utf-8-sig" if is_utf8 else "cp1252"


def _before_names(head: list[str]) -> tuple[int, str, list[str]]:
    """How many lines stand before the names, the separator that one declares, and the comments."""
    declared, comments = "", list[str]()
    for position, line in enumerate(head):
        text = line.strip("\r\n ")
        found = _SEP.fullmatch(line.rstrip("\r\n"))
        if found and not declared and not comments:
            declared = found[1]
            continue
        if text.startswith("#"):
            comments.append(text)
        elif text:
            return position, declared, comments
    return len(head), declared, comments


def _separators(lines: list[str], cut: bool) -> str:
    """The separators under which all lines agree, most columns first; or the most plausible one.

    The names may be one more or one fewer than the cells, if no other separator makes them agree.
    """
    agreeing: list[tuple[bool, int, str]] = []
    plausible: list[tuple[int, int, str]] = []
    for separator in SEPARATORS:
        widths, broken = _widths(lines, separator, cut)
        if not widths:
            continue
        common, rows = Counter(widths[1:] or widths).most_common(1)[0]
        if max(common, widths[0]) < 2:
            continue
        if not broken and len(set(widths[1:])) <= 1 and abs(common - widths[0]) <= 1 < widths[0]:
            agreeing.append((common == widths[0], common, separator))
        plausible.append((rows if not broken else 0, common, separator))
    if agreeing:
        best = sorted(agreeing, key=lambda entry: entry[:2], reverse=True)
        return "".join(separator for _, _, separator in best)
    if plausible:
        return max(plausible, key=lambda entry: entry[:2])[2]
    if any('"' in line for line in lines):
        return ","  # whose reader says what is wrong with the quotes
    first = lines[0].rstrip("\r\n") if lines else ""
    raise InvalidData(
        "a table needs a header line and at least two columns, separated by comma, "
        f"semicolon, tab or bar; the file begins with {first[:60]!r}"
    )


def _widths(lines: Iterable[str], separator: str, cut: bool) -> tuple[list[int], bool]:
    """How many cells each line has, blank ones aside; and whether the quotes are broken."""
    widths = []
    try:
        for row in csv.reader(lines, delimiter=separator, strict=True):
            if "".join(row).strip():
                widths.append(len(row))
    except csv.Error as error:
        return widths, not (cut and "unexpected end" in str(error))
    return widths, False


def _names_in_comment(last: str, body: list[str], separator: str) -> bool:
    """Whether a comment such as ``# a,b,c`` holds the names, because data follow it."""
    rows = list(csv.reader([last, *body[:1]], delimiter=separator))
    if len(rows) < 2 or len(rows[0]) != len(rows[1]) or len(rows[0]) < 2:
        return False
    as_data = [any(numbers.styles_of(cell.strip()) for cell in row) for row in rows]
    return not as_data[0] and as_data[1]
