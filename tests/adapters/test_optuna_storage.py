"""Every storage of Optuna by its URL, and a password that is shown nowhere."""

import os
import socket
import subprocess
import sys

import optuna
import pytest

from cellwright.adapters import optuna_storage
from cellwright.adapters.optuna_sampler import StrategySampler, suggest
from cellwright.adapters.optuna_storage import open_storage
from cellwright.plugins import RegularizedEvolution, passwords
from cellwright.plugins.passwords import VARIABLE, keep, shown, whole, without_password
from cellwright.search_spaces import CellwrightError, NASNetSpace

SPACE = NASNetSpace(blocks=1)
MYSQL = os.environ.get("CELLWRIGHT_TEST_MYSQL", "mysql://root@127.0.0.1:3306/test")
POSTGRESQL = os.environ.get(
    "CELLWRIGHT_TEST_POSTGRESQL", "postgresql+psycopg2://postgres@127.0.0.1:5432/test"
).replace("+psycopg2", "")
REDIS = os.environ.get("CELLWRIGHT_TEST_REDIS", "redis://127.0.0.1:6379/0")


@pytest.fixture(autouse=True)
def forgotten(monkeypatch):
    monkeypatch.setattr(passwords, "_known", {})
    monkeypatch.setattr(optuna_storage, "_SECONDS", 60)  # a server starts slowly here
    monkeypatch.delenv(VARIABLE, raising=False)


@pytest.mark.parametrize(
    ("url", "safe"),
    [
        ("postgresql://u:p%40w@h:5432/d", "postgresql://u:***@h:5432/d"),
        ("postgresql://u:a@b@h/d", "postgresql://u:***@h/d"),
        ("postgresql+psycopg2://u@h/d", "postgresql+psycopg2://u@h/d"),
        ("redis://:secret@h:6379/0", "redis://:***@h:6379/0"),
        ("mysql://u:p@h/d?ssl_password=abc&x=1", "mysql://u:***@h/d?ssl_password=***&x=1"),
        ("mysql://h/d?user=u&PASSWORD=abc", "mysql://h/d?user=u&PASSWORD=***"),
        ("sqlite:////tmp/a b.db", "sqlite:////tmp/a b.db"),
        ("grpc://h:13000", "grpc://h:13000"),
        ("journal:///tmp/j", "journal:///tmp/j"),
        ("study.journal", "study.journal"),
        ("", ""),
    ],
)
def test_a_url_is_shown_without_its_password(url, safe):
    assert shown(url) == safe
    assert shown(safe) == safe
    assert keep(url) == safe
    assert keep(safe) == safe
    assert whole(safe) == url


def test_a_password_comes_from_the_environment_too(monkeypatch):
    safe = "postgresql://u:***@h/d"
    with pytest.raises(CellwrightError, match=f"set the environment variable {VARIABLE}"):
        whole(safe)
    monkeypatch.setenv(VARIABLE, "postgresql://u:other@elsewhere/d")
    with pytest.raises(CellwrightError, match=r"u:\*\*\*@elsewhere/d now"):
        whole(safe)
    monkeypatch.setenv(VARIABLE, "postgresql://u:secret@h/d")
    assert whole(safe) == "postgresql://u:secret@h/d"


def test_messages_of_others_are_told_without_it():
    url = "postgresql://u:p%40w@h/d"
    text = f"could not parse {url}: p%40w or 'p@w' is wrong, spw is not"
    told = without_password(text, url)
    assert told == "could not parse postgresql://u:***@h/d: *** or '***' is wrong, spw is not"


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("nosuchdb://u:secret77@h/d", "nosuchdb://u:\\*\\*\\*@h/d.*Give a URL such as sqlite"),
        ("postgresql://u:secret77@127.0.0.1:1/d", "cannot open the storage postgresql://u:"),
        ("redis://:secret77@127.0.0.1:1/0", "cannot open the storage redis://"),
        ("grpc://host:13000/path", "must be grpc://host:port"),
        ("grpc://", "must be grpc://host:port"),
        ("journal:///no/such/folder/j", "there is no folder /no/such/folder"),
        ("sqlite:////no/such/folder/a.db", "cannot open the storage sqlite"),
        ("postgresql://u:secret77@h:port/d", "cannot open the storage"),
    ],
)
def test_what_cannot_be_opened_is_refused_without_its_password(url, words):
    with pytest.raises(CellwrightError, match=words) as error:
        open_storage(url)
    assert "secret77" not in str(error.value)
    assert error.value.__cause__ is None


def test_a_grpc_server_that_is_away_is_named(monkeypatch):
    monkeypatch.setattr(optuna_storage, "_SECONDS", 0.2)
    with pytest.raises(CellwrightError, match=r"storage grpc://127\.0\.0\.1:1: GRPC"):
        open_storage("grpc://127.0.0.1:1")


def test_a_database_without_a_driver_says_what_to_install(monkeypatch):
    monkeypatch.setattr(optuna_storage, "_is_installed", lambda module: False)
    with pytest.raises(CellwrightError, match="pip install psycopg2-binary"):
        open_storage("postgresql://u@h/d")


def server():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    code = (
        "import sys\n"
        "from optuna.storages import InMemoryStorage, run_grpc_proxy_server\n"
        "run_grpc_proxy_server(InMemoryStorage(), host='127.0.0.1', port=int(sys.argv[1]))"
    )
    return subprocess.Popen([sys.executable, "-c", code, str(port)]), f"grpc://127.0.0.1:{port}"


def reachable(url):
    """Whether a server of a user of these tests is there; a skip with the reason if not."""
    try:
        return open_storage(url)
    except CellwrightError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize(
    "kind", ["sqlite", "journal", "path", "PostgreSQL", "MySQL", "Redis", "gRPC"]
)
def test_a_study_is_the_same_on_every_storage(kind, tmp_path):
    urls = {
        "sqlite": f"sqlite:///{tmp_path}/s.db",
        "journal": f"journal://{tmp_path}/j",
        "path": f"{tmp_path}/k",
        "PostgreSQL": POSTGRESQL,
        "MySQL": MYSQL,
        "Redis": REDIS,
    }
    process, url = server() if kind == "gRPC" else (None, urls[kind])
    name = f"same-{os.urandom(8).hex()}"
    try:
        for _ in range(2):  # opened anew, as by another process
            study = optuna.create_study(
                study_name=name,
                storage=reachable(url),
                direction="maximize",
                sampler=StrategySampler(RegularizedEvolution(SPACE, seed=1)),
                load_if_exists=True,
            )
            study.optimize(lambda trial: float(str(suggest(trial, SPACE)).count("sep")), n_trials=4)
        found = [{n: trial.params[n] for n in SPACE.names} for trial in study.trials]
        values = [trial.value for trial in study.trials]
        optuna.delete_study(study_name=name, storage=open_storage(url))
    finally:
        if process is not None:
            process.kill()
    bare, expected = RegularizedEvolution(SPACE, seed=1), []
    for number in range(8):
        expected.append(bare.ask(number))
        bare.tell(number, expected[-1], values[number])
    assert found == expected
