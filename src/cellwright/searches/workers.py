"""What a further process of a search is given."""

from __future__ import annotations

from cellwright.plugins.passwords import VARIABLE, whole
from cellwright.search_spaces import CellwrightError
from cellwright.searches.hosts import HOSTS
from cellwright.searches.settings import Settings


def environment(settings: Settings) -> dict[str, str]:
    """The environment variables of a further process: the password of the storage is no argument,
    which everybody on the machine could read."""
    return {} if settings.storage is None else {VARIABLE: whole(settings.storage)}


def check_workers(settings: Settings, workers: int) -> None:
    """Refuse several processes where the host takes only one from here.

    Raises:
        CellwrightError: Naming the host's own way.
    """
    own = HOSTS[settings.host].workers
    if workers > 1 and own:
        raise CellwrightError(f"--workers is for --host optuna: {own}")
