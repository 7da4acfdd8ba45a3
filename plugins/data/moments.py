"""Dates, times of day and durations as numbers: days since 1970, and seconds."""

from __future__ import annotations

import datetime
import re

DATES = ("YYYY-MM-DD", "YYYY-MM-DD with zone", "DD.MM.YYYY", "DD/MM/YYYY", "MM/DD/YYYY")
TIMES = ("HH:MM:SS", "duration")
MOMENTS = (*DATES, *TIMES)
_EPOCH = datetime.date(1970, 1, 1).toordinal()

_CLOCK = (
    r"(?P<hour>[0-9]{1,2}):(?P<minute>[0-5][0-9])"
    r"(?::(?P<second>[0-5][0-9](?:\.[0-9]+)?))?(?:\s?(?P<half>[AaPp])\.?[Mm]\.?)?"
)
_DAYTIME = rf"(?:(?:T|,?\s+){_CLOCK})?"
_ZONE = r"\s?(?P<zone>Z|UTC|GMT|[+-][0-9]{2}(?::?[0-9]{2})?)"
_TWO = "[0-9]{1,2}"
_ISO = rf"(?P<year>[0-9]{{4}})(?P<mark>[-/.])(?P<month>{_TWO})(?P=mark)(?P<day>{_TWO})"
_PATTERNS = {
    "YYYY-MM-DD": re.compile(_ISO + _DAYTIME),
    "YYYY-MM-DD with zone": re.compile(rf"{_ISO}(?:T|,?\s+){_CLOCK}{_ZONE}"),
    "DD.MM.YYYY": re.compile(
        rf"(?P<day>{_TWO})\.(?P<month>{_TWO})\.(?P<year>[0-9]{{4}}){_DAYTIME}"
    ),
    "DD/MM/YYYY": re.compile(
        rf"(?P<day>{_TWO})(?P<mark>[-/])(?P<month>{_TWO})(?P=mark)(?P<year>[0-9]{{4}}){_DAYTIME}"
    ),
    "MM/DD/YYYY": re.compile(
        rf"(?P<month>{_TWO})(?P<mark>[-/])(?P<day>{_TWO})(?P=mark)(?P<year>[0-9]{{4}}){_DAYTIME}"
    ),
    "HH:MM:SS": re.compile(_CLOCK),
    "duration": re.compile(
        r"(?P<minus>-)?(?:(?P<days>[0-9]{1,7}) days?,?\s*"
        r"(?:\+?(?P<hours>[0-9]{1,2}):(?P<minutes>[0-5][0-9])"
        r":(?P<seconds>[0-5][0-9](?:\.[0-9]+)?))?"
        r"|P(?=.)(?:(?P<d>[0-9]{1,7})D)?(?:T(?=.)(?:(?P<h>[0-9]{1,9})H)?(?:(?P<m>[0-9]{1,9})M)?"
        r"(?:(?P<s>[0-9]{1,9}(?:\.[0-9]+)?)S)?)?)"
    ),
}


def parse(text: str, style: str) -> float | None:
    """The number that a moment stands for; None if ``text`` is none in that style of `MOMENTS`.

    Dates are days since 1970-01-01 (in UTC if they have a time zone), times of day are seconds
    since midnight, and durations are seconds.
    """
    if not text[:1].isascii():
        return None
    found = _PATTERNS[style].fullmatch(text)
    if found is None:
        return None
    parts = found.groupdict()
    if style == "duration":
        return _duration(parts)
    seconds = _seconds(parts)
    if seconds is None or style == "HH:MM:SS":
        return seconds
    try:
        day = datetime.date(int(parts["year"]), int(parts["month"]), int(parts["day"]))
    except ValueError:
        return None
    return day.toordinal() - _EPOCH + (seconds - _offset(parts.get("zone"))) / 86400


def styles_of(text: str) -> set[str]:
    """The styles in which ``text`` is a date, a time of day or a duration."""
    if not text[:1].isascii() or text[:1] not in "0123456789-P":
        return set()
    return {style for style in MOMENTS if parse(text, style) is not None}


def of_object(value: object) -> float | None:
    """The number of a `datetime` object, which pandas' are too; None of anything else."""
    if isinstance(value, datetime.datetime):
        zone = value.utcoffset()
        clock = datetime.timedelta(
            hours=value.hour, minutes=value.minute, seconds=value.second,
            microseconds=value.microsecond,
        ) - (zone or datetime.timedelta())  # fmt: skip
        return value.toordinal() - _EPOCH + clock.total_seconds() / 86400
    if isinstance(value, datetime.date):
        return float(value.toordinal() - _EPOCH)
    if isinstance(value, datetime.timedelta):
        return value.total_seconds()
    if isinstance(value, datetime.time):
        return value.hour * 3600.0 + value.minute * 60 + value.second + value.microsecond / 1e6
    return None


def _seconds(parts: dict[str, str | None]) -> float | None:
    """Seconds since midnight; None if there is no such hour."""
    if parts["hour"] is None:
        return 0.0
    hour = int(parts["hour"])
    if parts["half"]:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if parts["half"] in "pP" else 0)
    if hour > 23:
        return None
    return hour * 3600.0 + int(parts["minute"] or 0) * 60 + float(parts["second"] or 0)


def _offset(zone: str | None) -> float:
    if not zone or zone[0] not in "+-":
        return 0.0
    digits = zone[1:].replace(":", "")
    seconds = int(digits[:2]) * 3600.0 + int(digits[2:] or 0) * 60
    return -seconds if zone[0] == "-" else seconds


def _duration(parts: dict[str, str | None]) -> float:
    def of(*names: str) -> float:
        return sum(float(parts[name] or 0) for name in names)

    seconds = (
        of("days", "d") * 86400
        + of("hours", "h") * 3600
        + of("minutes", "m") * 60
        + of("seconds", "s")
    )
    return -seconds if parts["minus"] else seconds
