"""A wrong type in a public call is a TypeError or a ValueError that names the argument."""

import inspect

import numpy as np
import pytest

import cellwright
from cellwright.search_spaces import CellwrightError

NONSENSE = [None, 3, -1, True, "x", "", [], {}, object(), b"x", float("nan"), np.zeros(3)]
# Names that cannot be called with nonsense alone, or that take some of it.
ABSTRACT = {"SearchSpace", "Strategy"}
ALLOWED = {
    "Hyperband": [3], "PopulationBased": [3], "MnasNetReward": [3], "WeightBank": ["x", ""],
}  # fmt: skip
# What an argument is called in messages, where that is not its name.
CALLED = {"load_dataset": "data", "StrategySampler": "evolution"}


@pytest.mark.parametrize("name", sorted(set(cellwright.__all__) - ABSTRACT))
def test_nonsense_is_refused_by_its_name(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    called = getattr(cellwright, name)
    if not callable(called):
        pytest.skip("it is not called")
    parameters = inspect.signature(called).parameters.values()
    needed = [
        one
        for one in parameters
        if one.default is one.empty and one.kind not in (one.VAR_KEYWORD, one.VAR_POSITIONAL)
    ]
    for value in NONSENSE if needed else []:
        if any(type(value) is type(one) and value == one for one in ALLOWED.get(name, ())):
            continue
        by_name = {one.name: value for one in needed if one.kind is one.KEYWORD_ONLY}
        by_place = [value for one in needed if one.kind is not one.KEYWORD_ONLY]
        with pytest.raises((TypeError, ValueError, CellwrightError)) as caught:
            called(*by_place, **by_name)
        words = [*(one.name for one in parameters), *([CALLED[name]] if name in CALLED else [])]
        assert any(word in str(caught.value) for word in words), (value, caught.value)
