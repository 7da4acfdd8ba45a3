"""The URL of a storage, and its password, which is shown nowhere."""

from __future__ import annotations

import os
import re
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlsplit

from cellwright.search_spaces import CellwrightError

VARIABLE = "CELLWRIGHT_STORAGE"  # of the environment: the URL, with its password
HIDDEN = "***"
_known: dict[str, str] = {}  # URLs that were given to this process, by how they are shown


def shown(url: str) -> str:
    """A URL with ``***`` in the place of its password; anything else as it is."""
    secrets = _secrets(url)
    if not secrets:
        return url
    parts = urlsplit(url)
    user, at, host = parts.netloc.rpartition("@")
    if at and ":" in user:
        user = f"{user.partition(':')[0]}:{HIDDEN}"
    query = re.sub(r"(?i)((?:^|&)[^=&]*pass\w*=)[^&]*", rf"\g<1>{HIDDEN}", parts.query)
    return SplitResult(
        parts.scheme, f"{user}{at}{host}", parts.path, query, parts.fragment
    ).geturl()


def _secrets(url: str) -> list[str]:
    """The passwords in a URL."""
    if "://" not in url:
        return []
    parts = urlsplit(url)
    user, at, _ = parts.netloc.rpartition("@")
    found = [user.partition(":")[2]] if at else []
    found += [value for name, value in parse_qsl(parts.query) if "pass" in name.lower()]
    return [secret for secret in found if secret and secret != HIDDEN]


def without_password(text: str, url: str) -> str:
    """A message of somebody else, which may quote the URL or its password."""
    text = text.replace(url, shown(url))
    for secret in _secrets(url):
        for spelled in {secret, unquote(secret), quote(unquote(secret), safe="")}:
            text = re.sub(rf"(?<!\w){re.escape(spelled)}(?!\w)", HIDDEN, text)
    return text


def keep(url: str) -> str:
    """Remember a URL for this process alone; how it is shown, which `open_storage` takes too."""
    if HIDDEN not in url:
        _known[shown(url)] = url
    return shown(url)


def whole(url: str) -> str:
    """A URL with its password, if that was given to this process: by `keep`, or by the environment.

    Raises:
        CellwrightError: If it has a password that is not known here.
    """
    if HIDDEN not in url:
        return url
    given = os.environ.get(VARIABLE, "")
    if url in _known or shown(given) == url:
        return _known.get(url, given)
    raise CellwrightError(
        f"the password of the storage {url} is not kept: set the environment variable {VARIABLE} "
        "to the whole URL"
        + (f"; it is {shown(given)} now" if given else ", as in the shell where it was searched")
    )
