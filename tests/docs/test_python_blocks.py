"""Every block of Python in the documentation is run, or says why it is not (see conftest.py).

Blocks are run with smaller numbers of trials and epochs, in one namespace a page, which has the
names that a reader has at hand (`at_hand`). Of a block that is not run, it is checked that Python
compiles it, that what it imports is there, and that calls fit the signatures.
"""

import ast
import importlib
import inspect
import re
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cellwright

ROOT = Path(__file__).parents[2]
SMALLER = (  # what a block asks for, and what is enough to run it
    (r"\b(n_trials|max_trials|num_samples)=\d+", r"\1=1"),
    (r"\bepochs=\d+", "epochs=1"),
    (r"Hyperband\(27, 3\)", "Hyperband(2, 2)"),
    (r"time_budget=\d+", "time_budget=40"),
    (r"range\(200\)", "range(5)"),
    (r"NASNetSpace\(\)", "NASNetSpace(blocks=1)"),
)


def test_every_block_has_a_language_and_a_mark_that_is_known(blocks_of_the_documentation):
    blocks = blocks_of_the_documentation
    assert sum(block.language == "python" for block in blocks) > 60
    assert sum(block.language == "sh" for block in blocks) > 40
    assert [block.name for block in blocks if block.mark and not block.known] == []
    others = {"text", "console", "diff", "toml", "yaml", "json", "python", "sh"}
    assert [block.name for block in blocks if block.language not in others] == []


def test_who_is_said_to_run_a_block_reads_its_page(blocks_of_the_documentation):
    wrong = []
    for block in blocks_of_the_documentation:
        if block.test is not None:
            file = ROOT / block.test
            if not file.is_file() or Path(block.page).name not in file.read_text("utf-8"):
                wrong.append((block.name, block.test))
    assert wrong == []


def tree_of(block) -> ast.Module:
    """The block's syntax, that of a part of a function too."""
    code = textwrap.dedent(re.sub(r"\A# \S+\n(?= )", "", block.code))
    try:
        return ast.parse(code)
    except SyntaxError as error:
        if "outside function" not in str(error):
            raise
        return ast.parse("def _():\n" + textwrap.indent(code, "    "))


def test_python_compiles_and_calls_what_there_is(python_block):
    block = python_block
    tree = tree_of(block)
    compile(tree, block.name, "exec") if "return" not in block.code else None
    known = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("cellwright"):
            module = importlib.import_module(str(node.module))
            for alias in node.names:
                if not hasattr(module, alias.name):
                    importlib.import_module(f"{node.module}.{alias.name}")
                known[alias.asname or alias.name] = getattr(module, alias.name)
    defined = {node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef)}
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name)):
            continue
        name = node.func.id
        if name in defined or (name not in known and name not in cellwright.__all__):
            continue
        called = known.get(name) or getattr(cellwright, name)
        if any(isinstance(each, ast.Starred) for each in node.args):
            continue
        keywords = {each.arg: None for each in node.keywords if each.arg}
        try:
            inspect.signature(called).bind_partial(*node.args, **keywords)
        except TypeError as error:
            pytest.fail(f"{block.name}: {name}: {error}")


def at_hand(block) -> dict:
    """What a reader of the page has: data, a space, a network, and how it is trained."""
    import keras
    from sklearn.datasets import load_wine

    from cellwright import Evaluation, MLPSpace, Recipe, load_dataset
    from cellwright.plugins.data import Data, Dataset

    whole = load_dataset("digits")
    data = Dataset(
        *(whole.x_train[:64], whole.y_train[:64], whole.x_val[:32], whole.y_val[:32]),
        class_names=whole.class_names,
    )
    space = MLPSpace(nodes=(16, 64), activations=("relu",), length=2)
    if "NASNetSpace()" in block.code:
        space = cellwright.NASNetSpace(blocks=1)
    params = space.sample(np.random.default_rng(0))
    shape = re.search(r"input_shape=(\(\d+, \d+, \d+\))", block.code)
    rng = np.random.default_rng(0)
    size = ast.literal_eval(shape[1]) if shape else data.input_shape
    x, y = rng.random((64, *size), dtype=np.float32), rng.integers(0, 10, 64)
    if "Classifier" in block.code:
        x, y = load_wine(return_X_y=True)
    hosts = {"keras_tuner": "keras_tuner", "tune": "ray.tune", "optuna": "optuna"}
    return {
        **{
            name: importlib.import_module(module)
            for name, module in hosts.items()
            if f"{name}." in block.code
        },
        "np": np,
        "keras": keras,
        "x": x,
        "y": y,
        "x_new": x[:5],
        "x_train": x,
        "y_train": y,
        "x_val": x[:16],
        "y_val": y[:16],
        "held_out": (x[:16], y[:16]),
        "data": data,
        "space": space,
        "params": params,
        "classes": 10,
        "model": space.build(params, data.input_shape, 10, seed=0),
        "recipe": Recipe(epochs=1),
        "evaluation": Evaluation(space, data, Recipe(epochs=1)),
        "accuracy": lambda params: 0.5,
        "latency": lambda params: 1.0,
        "predict": lambda params: 0.001,
        **{name: getattr(cellwright, name) for name in cellwright.__all__},
        **vars(importlib.import_module("cellwright.plugins.strategies")),
        **vars(importlib.import_module("cellwright.plugins.meters")),
        "Any": Any,
        "Data": Data,
        "meter": cellwright.KerasLatency(),
    }


def run(block, names: dict) -> None:
    code = textwrap.dedent(block.code)
    for asked, enough in SMALLER:
        code = re.sub(asked, enough, code)
    exec(compile(code, block.name, "exec", dont_inherit=True), names)


def test_python_runs(quick_page, blocks_of_the_documentation, tmp_path):
    for name in ("optunahub", "examples"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "artifacts").mkdir()
    kept: dict = {}
    for block in blocks_of_the_documentation:
        if block.page == quick_page and block.quick:
            names = {**at_hand(block), **kept}
            before = dict(names)
            run(block, names)
            kept |= {key: names[key] for key in names if names[key] is not before.get(key)}


@pytest.mark.slow
def test_slow_python_runs(slow_block):
    run(slow_block, at_hand(slow_block))
