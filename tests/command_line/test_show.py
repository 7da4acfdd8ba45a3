"""`cellwright show` of genotypes: what it prints, draws and refuses; and of a search, what it and
`best` tell in short."""

import csv
import json
import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path
from xml.etree import ElementTree

import pytest
from matplotlib.image import imread

from cellwright.command_line.networks import build_network
from cellwright.plugins.metrics import METRICS
from cellwright.search_spaces import (
    GENOTYPES,
    ConvNetSpace,
    EdgeCellSpace,
    MLPSpace,
    MnasNetSpace,
    load_genotype,
)
from cellwright.search_spaces.mnasnet.facts import FACTS

# Small enough to be built in a second; what is printed is the same.
TINY = {
    "nasnet-a": ["--skeleton", "book", "--filters", 2, "--image", "8x8x1", "--classes", 3],
    "amoebanet-a": ["--skeleton", "cifar", "--repeats", 1, "--filters", 2, "--image", 8],
    "amoebanet-b": ["--skeleton", "cifar", "--repeats", 1, "--filters", 4, "--image", 8],
    "amoebanet-c": ["--skeleton", "imagenet", "--repeats", 1, "--filters", 4, "--image", 32],
    "amoebanet-d": ["--skeleton", "cifar", "--repeats", 1, "--filters", 4, "--image", 8],
    "enas-micro": ["--repeats", 1, "--filters", 2, "--image", 8],
    "pnasnet-5": ["--skeleton", "pnasnet", "--repeats", 1, "--filters", 2, "--image", 8],
    "darts-v1": ["--skeleton", "darts", "--repeats", 1, "--filters", 2, "--image", 8],
    "darts-v2": ["--skeleton", "darts-imagenet", "--repeats", 1, "--filters", 2, "--image", 32],
    "mnasnet-a1": ["--filters", 8, "--image", 32, "--classes", 3],
    "mnasnet-b1": ["--filters", 8, "--image", "16x32"],
    "mnasnet-small": ["--filters", 8, "--image", 32],
    **{
        name: ["--filters", 8, "--image", 32, "--classes", 3]
        for name in FACTS
        if name[:4] != "mnas"
    },
}
QUICK = {"mobilenet-v2", "mobilenet-v3-small", "efficientnet-b0", "efficientnet-v2-b0"}


@pytest.fixture
def show(command):
    return partial(command, "show")


def test_every_shipped_genotype_is_tried():
    assert set(GENOTYPES) == set(TINY)


@pytest.mark.parametrize("name", ["nasnet-a", "mnasnet-a1", "mobilenet-v3-small"])
def test_a_genotype_is_told_and_drawn(name, show, tmp_path):
    code, out, _ = show(name, *TINY[name])
    assert code == 0, out
    given = {
        option.strip("-"): value for option, value in zip(*[iter(TINY[name])] * 2, strict=True)
    }
    model = build_network(name, **{**given, "image": str(given["image"])}).model
    lines = [line.split() for line in out.replace("│", " ").splitlines()]
    assert lines[0] == [name]
    assert ["parameters", f"{model.count_params():,}"] in lines
    assert next(line for line in lines if line[:1] == ["total"])[1] == f"{model.count_params():,}"
    folder = tmp_path / "runs" / name
    drawn = ["blocks"] if name in FACTS else ["normal_cell", "reduction_cell", "skeleton"]
    assert {path.name for path in folder.iterdir()} == {
        f"{stem}.{kind}" for stem in drawn for kind in ("png", "svg")
    }
    for stem in drawn:
        assert min(imread(folder / f"{stem}.png").shape[:2]) > 500
        root = ElementTree.parse(folder / f"{stem}.svg").getroot()
        assert root.tag == "{http://www.w3.org/2000/svg}svg"


@pytest.mark.parametrize(
    "name",
    [
        name if ("mobile" not in name and "eff" not in name) or name in QUICK
        else pytest.param(name, marks=pytest.mark.slow)
        for name in TINY
    ],
)  # fmt: skip
def test_json_is_json_alone_and_draws_nothing_unasked(name, show, tmp_path):
    code, out, err = show(name, *TINY[name], "--json")
    found = json.loads(out)
    assert (code, err, list(tmp_path.iterdir())) == (0, "", [])
    assert (found["name"], found["filters"], found["pictures"]) == (
        name,
        TINY[name][TINY[name].index("--filters") + 1],
        [],
    )
    for size in ("parameters", "multiply_adds"):
        assert sum(row[size] for row in found["table"]) == found[size]


def test_pictures_come_where_asked_and_are_the_same_each_time(show, tmp_path):
    arguments = ["mnasnet-a1", *TINY["mnasnet-a1"], "--json", "--out"]
    found = json.loads(show(*arguments, "here")[1])
    assert (found["input_shape"], found["classes"], found["depth"]) == ([32, 32, 3], 3, 66)
    assert found["pictures"] == ["here/blocks.png", "here/blocks.svg"]
    show(*arguments, "there")
    for file in ("blocks.png", "blocks.svg"):
        assert (tmp_path / "here" / file).read_bytes() == (tmp_path / "there" / file).read_bytes()


def test_a_genotype_in_a_file_is_shown(show, tmp_path):
    found = replace(load_genotype("nasnet-a"), name="", operation_set="book")
    (tmp_path / "genotype.json").write_text(json.dumps(found.to_dict()))
    told = json.loads(show("genotype.json", "--filters", 2, "--json", "--layers")[1])
    assert (told["name"], told["skeleton"], told["repeats"]) == ("genotype", "book", 1)
    assert (told["input_shape"], told["classes"]) == ([32, 32, 3], 10)
    assert told["genotype"] == json.loads(json.dumps(found.to_dict()))
    assert told["table"][1]["name"].startswith("cell_1_normal_")
    assert sum(row["parameters"] for row in told["table"]) == told["parameters"]


def test_a_sequence_of_layers_is_shown_for_so_many_features(show, tmp_path):
    space = MLPSpace()
    found = space.describe(space.from_tokens((15, 29, 30)))
    (tmp_path / "found.json").write_text(json.dumps(found))
    told = json.loads(show("found.json", "--image", 11, "--classes", 3, "--json", "--out", ".")[1])
    assert (told["input_shape"], told["parameters"]) == ([11], 12 * 64 + 65 * 3)
    assert told["genotype"] == found
    assert (tmp_path / "layers.png").exists()
    code, _, err = show("found.json", "--filters", 4)
    assert code == 1
    assert "--filters" in err


@pytest.mark.parametrize(
    ("space", "row", "picture"),
    [
        (MnasNetSpace(), "block 7", "blocks"),
        (ConvNetSpace(), "layer 1", "network"),
        (EdgeCellSpace(), "cell 15", "cell"),
    ],
)
def test_what_a_search_over_another_space_leaves_is_shown(space, row, picture, show, tmp_path):
    found = space.describe(space.decode([0] * len(space.names)))
    (tmp_path / "found.json").write_text(json.dumps(found))
    code, out, _ = show("found.json", "--filters", 8, "--image", 32, "--out", ".")
    assert code == 0
    assert row in out
    assert (tmp_path / f"{picture}.png").exists()


def test_edge_cells_are_stacked_as_often_as_is_said(show, tmp_path):
    space = EdgeCellSpace()
    found = space.describe(space.decode([2] * len(space.names)))
    (tmp_path / "found.json").write_text(json.dumps(found))
    code, out, _ = show("found.json", "--repeats", 2, "--filters", 4, "--image", 8, "--json")
    assert code == 0
    parts = [row["name"] for row in json.loads(out)["table"]]
    assert parts.count("cell_6") == 1
    assert "cell_7" not in parts
    code, _, err = show("found.json", "--skeleton", "cifar")
    assert code == 1
    assert "--skeleton is for other cells" in " ".join(err.split())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nasnet_a"], "or a shipped genotype; shipped are amoebanet-a, "),
        (["nasnet_a"], "Did you mean 'nasnet-a'?"),
        (["nothing.json"], "No such file or directory: 'nothing.json'"),
        (["broken.json"], "broken.json is not JSON"),
        (["."], "holds no search: there is no settings.json"),
        (["nasnet-a", "--skeleton", "cifra"], "got 'cifra'. Did you mean 'cifar'?"),
        (
            ["nasnet-a", "--image", "big"],
            "--image must be like 224, 64x48 or 28x28x1, got 'big'",
        ),
        (["nasnet-a", "--image", "8"], "an image of 8x8 is too small"),
        (
            ["nasnet-a", "--trial", "1"],
            "--trial is for the folder of a search, and 'nasnet-a' is not one",
        ),
        (["mnasnet-a1", "--repeats", "3"], "--skeleton and --repeats are for cells"),
    ],
)
def test_what_cannot_be_shown_is_one_line(arguments, words, show, tmp_path):
    (tmp_path / "broken.json").write_text("{")
    code, out, err = show(*arguments)
    assert (code, out) == (1, "")
    assert words in err
    assert len(err.splitlines()) == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("nasnet-a", (5_326_716, 5_289_978, 563_638_816)),
        ("amoebanet-a", (None, 5_086_898, None)),
        ("mnasnet-a1", (3_920_526, 3_887_038, 311_579_072)),
        ("mnasnet-b1", (None, 4_383_312, None)),
        ("mobilenet-v3-large", (5_507_432, 5_483_032, 216_589_760)),
        ("efficientnet-v2-b0", (7_200_312, 7_139_704, 718_086_176)),
    ],
)
def test_shipped_genotypes_are_built_as_their_papers_do(name, wanted, show):
    found = json.loads(show(name, "--json")[1])
    for size, value in zip(("parameters", "trainable", "multiply_adds"), wanted, strict=True):
        assert value in (None, found[size])
    assert (found["input_shape"], found["classes"]) == ([224, 224, 3], 1000)


@pytest.mark.slow
def test_the_cifar_networks_of_the_papers(show):
    nasnet = json.loads(show("nasnet-a", "--skeleton", "cifar", "--json")[1])
    assert (nasnet["repeats"], nasnet["parameters"]) == (6, 3_383_786)
    amoebanet = json.loads(show("amoebanet-a", "--skeleton", "cifar", "--json")[1])
    assert (amoebanet["filters"], amoebanet["trainable"]) == (36, 3_218_266)


def test_a_search_lists_architectures_in_short_and_best_its_metrics(command, tmp_path):
    """With every metric written alike in the two commands."""
    kept = Path(__file__).parents[1] / "fixtures" / "before_rooms" / "runs" / "optuna"
    shutil.copytree(kept, tmp_path / "kept")
    with (kept / "trials.csv").open() as file:
        rows = list(csv.DictReader(file))
    code, shown, err = command("show", "kept")
    assert code == 0, err
    space = MLPSpace()
    for row in rows:
        params = {name: row[name] for name in space.names}
        assert f"trial {row['trial']}  {space.in_short(params)}" in shown
    code, told, err = command("best", "kept")
    assert code == 0, err
    best = max(rows, key=lambda row: float(row["reward"]))
    for name in ("val_accuracy", "val_loss", "loss", "parameters"):
        assert METRICS[name].write(float(best[name])) in told
    line = next(line for line in shown.splitlines() if line.startswith(f"│     {best['trial']} │"))
    for name in ("reward", "val_accuracy", "parameters"):
        assert f" {METRICS[name].number(float(best[name]))} │" in line
