"""The one grammar of what a number is, for the cells of files, data frames, rows and labels.

Python's own ``float`` reads ``18_25`` as 1825 and takes digits of other scripts; here only ASCII
digits make a number. Beyond plain numbers there are the styles of spreadsheets and databases:
thousands separators, decimal commas, currencies, per cent signs, and negative numbers with a minus
behind them or in parentheses. A column is read in one style or not at all.
"""

from __future__ import annotations

import re
from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

PLAIN = "1.5"
MISSING = frozenset(
    {"", "na", "n/a", "#n/a", "<na>", "nan", "nat", "null", r"\n", "none", "?"}
)  # as text, in any case

_SPACES = " \u00a0\u2009\u202f"
_QUOTES = "'\u2019"
_EXPONENT = r"(?:[eE][+-]?[0-9]+)?"


def _grouped(separators: str, decimal: str, *, ungrouped: int = 3) -> re.Pattern[str]:
    whole = rf"(?:[1-9][0-9]{{0,2}}(?:[{separators}][0-9]{{3}})+|[0-9]{{1,{ungrouped}}})"
    return re.compile(rf"(?:{whole}(?:{decimal}[0-9]+)?|{decimal}[0-9]+)")


# A style's name is a number that is written in it, and the order decides where two fit alike. A
# number of four digits or more without a separator does not occur where thousands are separated,
# except by spaces, which are often left out of four digits.
STYLES: dict[str, re.Pattern[str]] = {
    PLAIN: re.compile(rf"(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+){_EXPONENT}"),
    "1,234.5": _grouped(",", r"\."),
    "1,5": re.compile(rf"(?:[0-9]+(?:,[0-9]*)?|,[0-9]+){_EXPONENT}"),
    "1.234,5": _grouped(".", ","),
    "1 234,5": _grouped(_SPACES, ",", ungrouped=4),
    "1 234.5": _grouped(_SPACES, r"\.", ungrouped=4),
    "1'234.5": _grouped(_QUOTES, r"\."),
    "1'234,5": _grouped(_QUOTES, ","),
    "12,34,567.8": re.compile(
        r"(?:[1-9][0-9]?(?:,[0-9]{2})*,[0-9]{3}|[0-9]{1,3})(?:\.[0-9]+)?|\.[0-9]+"
    ),
}
_BY_POINT = "1.234,5"

_CODES = (
    "AUD|BRL|CAD|CHF|CNY|CZK|DKK|EUR|GBP|HKD|HUF|ILS|INR|JPY|KRW|MXN|NOK|NZD|PLN|RUB|SEK|SGD|THB|"
    "TRY|TWD|USD|ZAR"
)
_UNIT = rf"[$\u20ac\u00a3\u00a5\u20b9]|{_CODES}"
_MINUS = "\u2212-"
_CELL = re.compile(
    rf"(?P<open>\()?(?P<sign>[+{_MINUS}])?[{_SPACES}]?(?P<unit>{_UNIT})?[{_SPACES}]?"
    rf"(?P<inner>[+{_MINUS}])?(?P<body>[0-9.,](?:[0-9.,{_SPACES}{_QUOTES}]*[0-9.,])?{_EXPONENT})"
    rf"[{_SPACES}]?(?P<after>%|{_UNIT})?(?P<behind>[{_MINUS}])?(?P<close>\))?"
)
_INFINITE = re.compile(r"[+-]?inf(?:inity)?", re.IGNORECASE)
_PLAIN_CELL = re.compile(rf"[+-]?{STYLES[PLAIN].pattern}")
_LEADING_ZERO = re.compile(r"[+-]?0[0-9]+")


class _Parts:
    """A cell that may be a number: its sign, its unit, and the rest."""

    __slots__ = ("body", "negative", "odd", "unit")

    def __init__(self, negative: bool, odd: bool, unit: str, body: str) -> None:
        self.negative, self.odd, self.unit, self.body = negative, odd, unit, body


def _parts(text: str) -> _Parts | None:
    found = _CELL.fullmatch(text)
    if found is None:
        return None
    around, sign, inner, behind = found["open"], found["sign"], found["inner"], found["behind"]
    if bool(around) != bool(found["close"]) or (found["unit"] and found["after"]):
        return None
    if sum(map(bool, (around, sign, inner, behind))) > 1:
        return None
    negative = bool(around or behind) or (sign or inner or "+") in _MINUS
    odd = bool(around or behind) or (sign or inner) == "\u2212"
    return _Parts(negative, odd, found["unit"] or found["after"] or "", found["body"])


def is_plain(text: str) -> bool:
    """Whether ``text`` is a plain number, such as ``-1.5e-3``."""
    return _PLAIN_CELL.fullmatch(text) is not None


def is_infinite(text: str) -> bool:
    """Whether ``text`` says infinity; no column may hold it."""
    return _INFINITE.fullmatch(text) is not None


def has_leading_zero(text: str) -> bool:
    """Whether ``text`` is a code such as ``007``, whose zeros a number would lose."""
    return _LEADING_ZERO.fullmatch(text) is not None


def is_missing(text: str) -> bool:
    """Whether a stripped ``text`` stands for a missing value."""
    return len(text) < 5 and text.lower() in MISSING


def styles_of(text: str) -> set[str]:
    """The styles in which ``text`` is a number, each followed by its unit if there is one."""
    parts = _parts(text)
    if parts is None:
        return set()
    unit = f" {parts.unit}" if parts.unit else ""
    return {name + unit for name, style in STYLES.items() if style.fullmatch(parts.body)}


def usual_styles_of(text: str) -> set[str]:
    """`styles_of`, but none of a number with its minus behind it, or in parentheses."""
    parts = _parts(text)
    return set() if parts is None or parts.odd else styles_of(text)


def common_styles(texts: Collection[str]) -> list[str]:
    """The styles in which every one of ``texts`` is a number, the first of `STYLES` first.

    Text in which every number has its minus behind it or is in parentheses is no number.
    """
    unit, left = None, list(STYLES)
    usual = False
    for text in texts:
        parts = _parts(text)
        if parts is None or (unit is not None and parts.unit != unit):
            return []
        unit, usual = parts.unit, usual or not parts.odd
        left = [name for name in left if STYLES[name].fullmatch(parts.body)]
        if not left:
            return []
    if unit is None or not usual:
        return []
    return [f"{name} {unit}" if unit else name for name in left]


def parse(text: str, style: str) -> float | None:
    """The number that ``text`` is in a style (see `styles_of`); None if it is none in that."""
    base, _, unit = style.rpartition(" ") if style not in STYLES else (style, "", "")
    parts = _parts(text)
    if parts is None or parts.unit != unit or not STYLES[base].fullmatch(parts.body):
        return None
    body = parts.body
    if base != PLAIN:
        decimal = decimal_of(base)
        body = re.sub(rf"[^0-9eE+{decimal}-]", "", body).replace(decimal, ".")
    value = float(body)
    return -value if parts.negative else value


def decimal_of(style: str) -> str:
    """What separates the decimals in a style: ``"."`` or ``","``."""
    return (base_of(style) or PLAIN)[-2]


def base_of(style: str) -> str | None:
    """A style without its unit; None if it is none of numbers."""
    base = style if style in STYLES else style.rpartition(" ")[0]
    return base if base in STYLES else None


def evidence(texts: Collection[str], styles: Collection[str]) -> str | None:
    """The decimal separator that the numbers of a column show, ``"."`` or ``","``; or None.

    They show none if they would be numbers with the other separator as well, as ``1,234`` would.

    Args:
        texts: The different cells of the column.
        styles: What `common_styles` gave for them.
    """
    decimals = {decimal_of(style) for style in styles}
    if len(decimals) != 1 or not any("," in text or "." in text for text in texts):
        return None
    return decimals.pop()


def plain_floats(cells: list[str]) -> NDArray[np.float64] | None:
    """The numbers of a column of plain numbers, with NaN for missing cells; quick.

    None if any cell is something else, a number of two digits or more begins with a zero, or all
    are missing: the grammar decides then.
    """
    joined = "\0".join(cells)
    blank = "\0\0" in f"\0{joined}\0"
    absent: set[str] = set()
    # What these letters make up is a plain number, or no number for Python either.
    if not joined.isascii() or joined.encode().translate(None, _OF_PLAIN) or blank:
        absent = {text for text in set(cells) if len(text) < 5 and is_missing(text)}
        present = [text for text in cells if text not in absent]
        joined = "\0".join(present)
        odd = not joined.isascii() or joined.encode().translate(None, _OF_PLAIN)
        if not absent or not present or odd:
            return None
    else:
        present = cells
    if _ZERO_START.search(f"\0{joined}") and any(map(has_leading_zero, present)):
        return None
    try:
        found = np.fromiter(map(float, present), np.float64, len(present))
    except ValueError:
        return None
    if not absent:
        return found
    numbers = np.full(len(cells), np.nan)
    numbers[np.array([text not in absent for text in cells])] = found
    return numbers


_OF_PLAIN = b"0123456789eE.+-\0"
_ZERO_START = re.compile(r"\x00[+-]?0[0-9]")
