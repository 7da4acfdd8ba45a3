"""Every public name stands in the reference, and its docstring tells a reader something."""

import ast
import importlib
import inspect
import re
from functools import cache
from pathlib import Path

import pytest

PAGES = sorted((Path(__file__).parents[2] / "docs" / "api").glob("*.md"))
# The modules whose names are public. Where one hands on a name of another, either place will do.
PUBLIC = (
    "cellwright",
    "cellwright.search_spaces",
    "cellwright.search_spaces.export",
    *(
        f"cellwright.plugins.{room}"
        for room in (
            *("strategies", "data", "model", "training"),
            *("meters", "scoring", "tracking", "registry"),
        )
    ),
    "cellwright.automl",
    *(
        f"cellwright.adapters.{adapter}"
        for adapter in (
            *("optuna_sampler", "optuna_trial", "keras_oracle"),
            *("nni_trial", "nni_experiment", "ray_searcher", "ray_trial"),
        )
    ),
)


def shown() -> list[str]:
    return [
        path
        for page in PAGES
        for path in re.findall(r"^::: (\S+)$", page.read_text("utf-8"), re.MULTILINE)
    ]


def found(path: str) -> object:
    module, name = path.rsplit(".", 1)
    return getattr(importlib.import_module(module), name)


def test_every_public_name_is_in_the_reference_and_none_is_there_twice():
    paths = shown()
    assert len(paths) == len(set(paths))
    there = {id(found(path)) for path in paths}
    missing = [
        f"{module}.{name}"
        for module in PUBLIC
        for name in importlib.import_module(module).__all__
        if id(getattr(importlib.import_module(module), name)) not in there
    ]
    assert not missing, "put each as `::: name` into the page of docs/api where it belongs"


def test_every_page_of_the_reference_is_listed():
    index = next(page for page in PAGES if page.name == "index.md").read_text("utf-8")
    assert [page.name for page in PAGES if f"]({page.name})" not in index] == ["index.md"]


@cache
def described(module: str) -> dict[str, str]:
    """The texts under the module's assignments, which describe values and types."""
    tree = ast.parse(Path(str(importlib.import_module(module).__file__)).read_text("utf-8"))
    texts = {}
    for one, after in zip(tree.body, tree.body[1:], strict=False):
        targets = (
            one.targets
            if isinstance(one, ast.Assign)
            else [one.target]
            if isinstance(one, ast.AnnAssign)
            else []
        )
        for target in targets:
            if (
                isinstance(target, ast.Name)
                and isinstance(after, ast.Expr)
                and isinstance(after.value, ast.Constant)
            ):
                texts[target.id] = str(after.value.value)
    return texts


VALUES = {  # where they are assigned
    "GENOTYPES": "cellwright.search_spaces.genotypes",
    "INFEASIBLE": "cellwright.search_spaces.errors",
    "OPERATION_SETS": "cellwright.search_spaces.nasnet.operation_sets",
    "Params": "cellwright.search_spaces.decision",
    "Value": "cellwright.search_spaces.decision",
    "AnyMeter": "cellwright.plugins.meters.measurement",
    "OnTrial": "cellwright.plugins.tracking.tracked",
}


def says_something(name: str, text: str | None) -> bool:
    """Whether a docstring has at least three words of four letters that are not in the name."""
    of_name = {word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+", name)}
    words = {word.lower() for word in re.findall(r"[A-Za-z]{4,}", text or "")}
    return len(words - of_name) >= 3


@pytest.mark.parametrize("path", shown())
def test_a_name_has_a_docstring_that_says_more_than_the_name(path):
    value, name = found(path), path.rsplit(".", 1)[1]
    if name in VALUES:
        assert says_something(name, described(VALUES[name]).get(name))
        return
    own = vars(value).get("__doc__") if inspect.isclass(value) else inspect.getdoc(value)
    assert says_something(name, own), f"{path}: {own}"
    if not inspect.isclass(value):
        return
    for method, raw in vars(value).items():
        function = getattr(raw, "__func__", getattr(raw, "fget", raw))
        if not method.startswith("_") and inspect.isfunction(function):
            text = inspect.getdoc(getattr(value, method))  # a base's, where it has none
            assert len((text or "").split()) > 1, f"{path}.{method}: {text}"
