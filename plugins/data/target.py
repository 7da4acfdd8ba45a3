"""What a label asks to predict: classes, or a number."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cellwright.plugins.data import numbers
from cellwright.plugins.data.columns import Cells
from cellwright.plugins.data.values import absent, as_text
from cellwright.search_spaces import InvalidData

TASKS = ("auto", "classification", "regression")
_CLASSES = 20  # at most so many different whole numbers are classes by default


class Target(NamedTuple):
    """What is predicted: class indices into ``class_names``, or numbers if that is None."""

    y: NDArray[Any]
    class_names: tuple[str, ...] | None


def read_target(
    values: NDArray[Any],
    name: str,
    task: str = "auto",
    *,
    declared: bool = False,
    shown: Sequence[str] = (),
) -> tuple[Target, list[str]]:
    """Decide what a label column asks to predict; return that, and notes for the user.

    Text names classes, and so do whole numbers if at most 20 of them differ; other numbers are
    predicted as numbers. ``task`` overrides this. A class keeps the name that it has in the data:
    ``001`` and ``01`` are two classes, and identifiers keep all their digits.

    Args:
        values: The label of each row.
        name: The label's name, for messages.
        task: One of `TASKS`.
        declared: Whether the type of the column declares classes.
        shown: How the other columns separate decimals, ``"."`` or ``","``.

    Raises:
        InvalidData: If the task is unknown or does not fit, a value is missing, there is only one
            value, each row is a class of its own, or a number is infinite.
    """
    if task not in TASKS:
        raise InvalidData(f"task must be one of {', '.join(TASKS)}, got {task!r}")
    cells = _cells(values, name)
    counts = Counter(cells)
    if len(counts) < 2:
        raise InvalidData(f"label {name!r} has only one value, {list(counts)[:1]}")
    whole = _whole(counts)
    few = len(counts if whole is None else set(whole.values())) <= _CLASSES
    as_classes = task == "classification" or (task == "auto" and (declared or (whole and few)))
    if not as_classes:
        found = _predicted(cells, counts, name, task, few, shown)
        if found is not None:
            y, notes = found
            return Target(y, None), [f"label {name!r}: a number is predicted", *notes]
    return _classes(cells, whole, name, task)


def read_numbers(values: NDArray[Any], name: str, shown: Sequence[str] = ()) -> NDArray[np.float64]:
    """The numbers to predict, of any type or written as text.

    Raises:
        InvalidData: If a value is missing, infinite, or no number.
    """
    if values.dtype.kind in "fiub":
        _refuse_missing(np.isnan(values.astype(np.float64)), name, values)
        found = values.astype(np.float64)
    else:
        cells = _cells(values, name)
        read = _predicted(cells, Counter(cells), name, "regression", False, shown)
        assert read is not None
        found = read[0]
    if np.isinf(found).any():
        raise InvalidData(f"{name} is infinite in row {int(np.isinf(found).argmax()) + 1}")
    return found


def known_classes(values: NDArray[Any], name: str, class_names: Sequence[str]) -> NDArray[np.int64]:
    """The positions of labels among classes that are known, written as `read_target` takes them.

    Raises:
        InvalidData: If a label is missing, or is none of the classes.
    """
    cells = _cells(values, name)
    index = {text: position for position, text in enumerate(class_names)}
    for text in set(cells) - index.keys():
        whole = _whole(Counter([text]))  # 7.0 where a missing value turned integers to floats
        if whole is not None and str(whole[text]) in index:
            index[text] = index[str(whole[text])]
    unknown = [text for text in dict.fromkeys(cells) if text not in index]
    if unknown:
        count = sum(text not in index for text in cells)
        raise InvalidData(
            f"label {name!r} holds {', '.join(map(repr, unknown[:5]))} in {count} of {len(cells)} "
            f"rows, and the model knows the classes {', '.join(map(repr, class_names[:20]))}: "
            "leave such rows out, or correct them"
        )
    return np.array([index[text] for text in cells], dtype=np.int64)


def balanced_weights(target: Target) -> NDArray[np.float64] | None:
    """Weights under which all classes count alike: rows / (classes x rows of the class).

    Raises:
        InvalidData: If a number is predicted.
    """
    if target.class_names is None:
        raise InvalidData("class weights need classes, but a number is predicted")
    counts = np.bincount(target.y, minlength=len(target.class_names))
    weights: NDArray[np.float64] = (len(target.y) / (len(counts) * counts))[target.y]
    return weights


def _cells(values: NDArray[Any], name: str) -> list[str]:
    listed = values.tolist() if values.dtype.kind not in "mM" else list(values.astype(str))
    _refuse_missing(absent(values), name, listed)
    if all(type(value) is str for value in listed):
        return list(map(str.strip, listed))
    return [repr(v) if isinstance(v, float) and v != round(v, 0) else as_text(v) for v in listed]


def _refuse_missing(missing: NDArray[np.bool_], name: str, values: Any) -> None:
    if missing.any():
        row = int(missing.argmax())
        raise InvalidData(
            f"label {name!r} is missing ({values[row]}) in {int(missing.sum())} of "
            f"{len(values)} rows, the first of which is row {row + 1}; leave out such rows"
        )


def _whole(texts: Counter[str]) -> dict[str, int] | None:
    """The whole number that each text is, if all are the text of their number, such as 7 or 7.0."""
    found = {}
    for text in texts:
        if not numbers.is_plain(text) or len(text) > 400:
            return None
        digits = text.removesuffix(".0")
        if not digits.removeprefix("-").isdigit() or str(int(digits)) != digits:
            return None
        found[text] = int(digits)
    return found


def _predicted(
    cells: list[str], counts: Counter[str], name: str, task: str, few: bool, shown: Sequence[str]
) -> tuple[NDArray[np.float64], list[str]] | None:
    """The label as numbers, and notes; None if it names classes.

    Raises:
        InvalidData: If numbers are asked for, or nearly all there are, and there is a text.
    """
    if task == "auto" and any(numbers.has_leading_zero(text) for text in counts):
        return None  # codes
    styles = numbers.common_styles(counts)
    if not styles:
        good = {text for text in counts if numbers.usual_styles_of(text)}
        bad = next(text for text in cells if text not in good or len(good) == len(counts))
        row = cells.index(bad) + 1
        rest = set(counts) - good
        if good and all(map(numbers.is_infinite, rest)) and rest:
            raise InvalidData(f"a label is infinite: {bad!r} in row {row} of {name!r}")
        if task == "regression":
            raise InvalidData(
                f"label {name!r} holds text such as {bad!r} in row {row}, not numbers"
            )
        if not few and sum(counts[text] for text in good) > len(cells) / 2 and rest:
            raise InvalidData(
                f"label {name!r} holds numbers, but {bad!r} in row {row}; correct it, or empty the "
                "cell to leave the row out. If these are classes, give --task classification"
            )
        return None
    reading = Cells(name, lambda: cells, lambda i: f"row {i + 1}").look().read(shown)
    y = reading.values
    if not np.isfinite(y).all():
        raise InvalidData(f"a label is infinite: row {int(np.isinf(y).argmax()) + 1} of {name!r}")
    if task == "auto" and few and (y == np.round(y)).all():
        return None  # 10% and 20%, or +1 and -1, are classes as 10 and 20 are
    return y, [f"label {name!r} {reading.note}"] if reading.note else []


def _classes(
    cells: list[str], whole: dict[str, int] | None, name: str, task: str
) -> tuple[Target, list[str]]:
    order: list[Any] = sorted(set(whole.values()) if whole else set(cells))
    index = {value: position for position, value in enumerate(order)}
    y = np.array([index[whole[text] if whole else text] for text in cells], dtype=np.int64)
    if len(order) < 2:
        raise InvalidData(f"label {name!r} has only one value, {order}")
    if len(order) == len(cells):
        raise InvalidData(
            f"label {name!r} has {len(order)} values in {len(cells)} rows, each once: these are "
            "no classes. Name another column as the label, or give --task regression for a number"
        )
    note = (
        f"label {name!r}: {len(order)} classes, "
        f"the largest with {np.bincount(y).max() / len(y):.1%} of the rows"
    )
    more = "; --task regression predicts it as a number" if whole and task == "auto" else ""
    return Target(y, tuple(map(str, order))), [note + more]
