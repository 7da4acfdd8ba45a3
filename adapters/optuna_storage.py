"""Opens the storage of Optuna that a URL names."""

from __future__ import annotations

import errno
import sqlite3
import time
import warnings
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from cellwright.plugins.passwords import shown, whole, without_password
from cellwright.search_spaces import CellwrightError

if TYPE_CHECKING:
    from optuna.storages import BaseStorage, RDBStorage
    from sqlalchemy.engine import ExceptionContext

EXAMPLES = (
    "sqlite:///study.db, postgresql://user@host/database, mysql+pymysql://user@host/database, "
    "redis://host:6379, grpc://host:13000 or journal:///folder/study.journal"
)
# By the database, its drivers: what they are imported by, and what SQLAlchemy calls them.
_DRIVERS = {
    "postgresql": (("psycopg", "psycopg"), ("psycopg2", "psycopg2")),
    "mysql": (
        ("MySQLdb", "mysqldb"),
        ("pymysql", "pymysql"),
        ("mysql.connector", "mysqlconnector"),
    ),
    "mariadb": (("MySQLdb", "mysqldb"), ("pymysql", "pymysql")),
}
_REMEDY = {"postgresql": "psycopg2-binary", "mysql": "pymysql", "mariadb": "pymysql"}
# SQLite's errors that a disk causes, and what the system calls them.
_OF_THE_DISK = {
    sqlite3.SQLITE_FULL: errno.ENOSPC,
    sqlite3.SQLITE_READONLY: errno.EROFS,
    sqlite3.SQLITE_IOERR: errno.EIO,
    sqlite3.SQLITE_CANTOPEN: errno.EIO,
}
_SECONDS = 15  # for a gRPC server to answer
_PORT = 13000  # of Optuna's gRPC proxy


def open_storage(url: str) -> BaseStorage:
    """The storage of Optuna at a URL, or at the path of a journal file.

    Args:
        url: One of SQLAlchemy's (``sqlite:///``, ``postgresql://``, ``mysql+pymysql://``), or
            ``redis://`` for a journal in Redis, ``grpc://host:port`` for
            ``optuna.storages.run_grpc_proxy_server``, ``journal:///folder/file`` or a path for a
            journal file. A password may be hidden, see `passwords.whole`.

    Raises:
        CellwrightError: If it cannot be opened, without the password.
    """
    from optuna.exceptions import ExperimentalWarning

    given = whole(url)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore", ExperimentalWarning
            )  # of Redis and gRPC; both are tried
            return _open(given)
    except CellwrightError:
        raise
    except Exception as error:  # of Optuna, SQLAlchemy, Redis and gRPC: a dozen types
        reason = without_password(str(error) or type(error).__name__, given)
        raise CellwrightError(
            f"Optuna cannot open the storage {shown(given)}: {reason}. Give a URL such as "
            f"{EXAMPLES}"
        ) from None  # the cause may quote the password


def _open(url: str) -> BaseStorage:
    import optuna
    from optuna.storages import GrpcStorageProxy, JournalStorage, RDBStorage
    from optuna.storages.journal import JournalFileBackend, JournalRedisBackend

    from cellwright.adapters.optuna_journal import JournalLock

    kind, colon, rest = url.partition("://")
    if not colon or kind == "journal":
        # Absolute: Optuna's lock is a symbolic link to this path, and where that leads nowhere, as
        # a relative one does, Optuna never takes the lock of a process that was killed away.
        path = Path(rest if colon else url).resolve()
        if not path.parent.is_dir():
            raise CellwrightError(f"there is no folder {path.parent} for the journal {path.name}")
        return JournalStorage(JournalFileBackend(str(path), JournalLock(path)))
    if kind in ("redis", "rediss"):
        return JournalStorage(JournalRedisBackend(url))
    if kind == "grpc":
        server = urlsplit(url)
        if not server.hostname or server.path.strip("/"):
            raise CellwrightError(f"{url} must be grpc://host:port")
        proxy = GrpcStorageProxy(host=server.hostname, port=server.port or _PORT)
        proxy.wait_server_ready(_SECONDS)
        return proxy
    url = with_driver(url)
    try:
        storage = RDBStorage(url)
    except Exception as error:
        if "exist" not in str(error).lower() and "unique" not in str(error).lower():
            raise
        time.sleep(1)  # another worker made the same tables at the same moment
        storage = RDBStorage(url)
    if storage.engine.dialect.name == "sqlite":
        _tell_of_the_disk(storage)
    return optuna.storages.get_storage(storage)  # with Optuna's cache around it


def _tell_of_the_disk(storage: RDBStorage) -> None:
    """Let SQLite's errors that a full or read-only disk causes be what any other file's are: an
    OSError that names the file. Optuna's own speaks of invalid data."""
    from sqlalchemy import event

    file = storage.engine.url.database

    def translate(context: ExceptionContext) -> None:
        error = context.original_exception
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # without what extends it
        if code in _OF_THE_DISK:
            raise OSError(_OF_THE_DISK[code], str(error), file) from error

    event.listen(storage.engine, "handle_error", translate)


def with_driver(url: str) -> str:
    """A database's URL that names the driver which is installed, if it names none.

    SQLAlchemy takes one driver for a database, and is content with no other.
    """
    kind, _, rest = url.partition("://")
    if kind not in _DRIVERS:
        return url
    for module, name in _DRIVERS[kind]:
        if _is_installed(module):
            return f"{kind}+{name}://{rest}"
    raise CellwrightError(
        f"a storage {kind}:// needs a driver: pip install {_REMEDY[kind]}, or name one that is "
        f"installed, as in {kind}+driver://"
    )


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # of the package that it would be in
        return False
