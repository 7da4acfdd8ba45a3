"""docs/networks.md holds all published networks, as they are counted and drawn now."""

import importlib.util
from pathlib import Path

import pytest

from cellwright.search_spaces import GENOTYPES

pytest.importorskip("keras")
pytest.importorskip("matplotlib")
ROOT = Path(__file__).parents[2]
ADVICE = "run `make networks`, which makes the page anew"


@pytest.fixture(scope="module")
def networks():
    """The script that makes the page."""
    spec = importlib.util.spec_from_file_location("networks", ROOT / "docs/site/networks.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def noted(networks):
    """What the page says of each network's sizes."""
    made = networks.PAGE.read_text("utf-8").partition(networks.BEGIN)[2].partition(networks.END)[0]
    rows = [line.strip("| ").split(" | ") for line in made.splitlines() if line.startswith("| [`")]
    return {
        name.split("`")[1]: networks.Counted(words, *(int(n.replace(",", "")) for n in sizes))
        for name, words, *sizes in rows
    }


def test_the_page_names_every_network_and_says_what_the_script_says(networks, noted):
    assert list(noted) == list(GENOTYPES), ADVICE
    page = networks.PAGE.read_text("utf-8")
    assert networks.written(page, noted) == page, ADVICE


def test_the_pictures_are_those_of_the_networks(networks):
    folder = networks.DOCS / networks.PICTURES
    drawn = {f"{name}.svg": networks.picture(name) for name in GENOTYPES}
    assert {path.name for path in folder.iterdir()} == drawn.keys(), ADVICE
    assert [file for file, svg in drawn.items() if (folder / file).read_bytes() != svg] == [], (
        ADVICE
    )


@pytest.mark.parametrize(
    "name",
    [name if name == "mnasnet-small" else pytest.param(name, marks=pytest.mark.slow)
     for name in GENOTYPES],
)  # fmt: skip
def test_the_counts_are_those_of_the_networks(name, networks, noted):
    assert networks.counted(name) == noted[name], ADVICE
