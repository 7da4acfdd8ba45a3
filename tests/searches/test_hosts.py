"""What a host costs: its adapters, its driver, a row of the table, and an extra of its name."""

import importlib
import importlib.util
import inspect
import tomllib
from pathlib import Path

import pytest

import cellwright
from cellwright.searches.hosts import HOSTS, Driver

PACKAGE = Path(cellwright.__file__).parent
PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"
ASKED = sorted(name for name in vars(Driver) if not name.startswith("_"))


def test_every_driver_is_a_row_of_the_table():
    drivers = {file.stem for file in (PACKAGE / "searches").glob("on_*.py")}
    assert drivers == {f"on_{name.replace('-', '_')}" for name in HOSTS}
    assert ASKED == ["open_run", "read", "search"]


@pytest.mark.parametrize("name", HOSTS)
def test_a_host_has_an_extra_of_its_name(name):
    extras = tomllib.loads(PYPROJECT.read_text())["project"]["optional-dependencies"]
    package = HOSTS[name].package.replace("_", "-")
    assert any(text.startswith(package) for text in extras[name]), f"extra {name} lacks {package}"
    assert name in extras["all"][0]


@pytest.mark.parametrize("name", HOSTS)
def test_a_driver_keeps_to_the_protocol(name):
    pytest.importorskip(HOSTS[name].package)
    driver = importlib.import_module(f"cellwright.searches.on_{name.replace('-', '_')}")
    for function in ASKED:
        _, *asked = inspect.signature(getattr(Driver, function)).parameters.values()
        given = inspect.signature(getattr(driver, function)).parameters.values()
        assert list(given) == asked, f"{function} of {name} is not as `Driver` has it"
        assert (
            inspect.signature(getattr(driver, function)).return_annotation
            == inspect.signature(getattr(Driver, function)).return_annotation
        )
