"""The paper's notation of a skeleton."""

from __future__ import annotations

import re


def notation(text: str, *, normal_width: int = 6) -> tuple[int, int]:
    """N and F from the paper's ``"N @ P"``, P being the channels before the classifier.

    Args:
        text: Such as ``"4 @ 1056"``.
        normal_width: States that the normal cell concatenates; NASNet-A has 6, so F = P / 24.

    Raises:
        ValueError: If ``text`` is not of this form, or P is no multiple of 4 x ``normal_width``.
    """
    found = re.fullmatch(r"\s*(\d+)\s*@\s*(\d+)\s*", text)
    if not found or int(found[2]) % (4 * normal_width):
        raise ValueError(
            f"text must be 'N @ P' with P a multiple of {4 * normal_width}, got {text!r}"
        )
    return int(found[1]), int(found[2]) // (4 * normal_width)
