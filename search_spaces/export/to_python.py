"""A Python file that builds the network layer by layer with Keras alone, and its weights."""

from __future__ import annotations

import importlib.util
import json
import keyword
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from pprint import pformat
from types import ModuleType
from typing import Any

import keras

from cellwright.search_spaces.arguments import check_path
from cellwright.search_spaces.export.check import (
    Exported,
    Given,
    Images,
    Outputs,
    check,
    image_shape,
)
from cellwright.search_spaces.export.constructor import constructor, input_layer, text
from cellwright.search_spaces.export.graph import (
    Call,
    Graph,
    Tensor,
    is_tensor,
    read_graph,
    tensor_of,
)
from cellwright.search_spaces.export.in_one_step import in_one_step
from cellwright.search_spaces.export.inference import inference_model
from cellwright.search_spaces.given_weights import give_weights
from cellwright.search_spaces.keras_settings import as_shipped

_WIDTH = 100  # characters of a line
_TOLERANCE = 1e-6  # the same layers in the same framework

_HEAD = '''"""{title}

{about}
Needs Keras 3 and a backend of it, nothing else. Run this file for a summary.
"""

from pathlib import Path

import keras
from keras import layers

WEIGHTS = Path(__file__).with_name({weights})
{genotype}

def build_model() -> keras.Model:
    """The network with new weights."""
'''
# Layers leave unsaid what is Keras's default, and this default is a setting.
_CHANNELS_LAST = """    if keras.config.image_data_format() != "channels_last":
        raise ValueError("call keras.config.set_image_data_format(\'channels_last\') first")
"""
_TAIL = '''

def load_weights(model: keras.Model, path: Path = WEIGHTS) -> keras.Model:
    """Give ``model`` the trained weights."""
    model.load_weights(path)
    return model


if __name__ == "__main__":
    load_weights(build_model()).summary()
'''


@as_shipped()
def export_python(
    model: keras.Model,
    path: str | Path,
    *,
    genotype: Mapping[str, Any] | None = None,
    images: Given | None = None,
) -> Exported:
    """Write a ``.py`` file, and its weights beside it as ``.weights.h5``.

    The file has ``build_model()`` and ``load_weights(model)``. Initializers' seeds are left out.

    Args:
        model: See `inference_model`, which is what is written.
        path: Ends in ``.py``.
        genotype: Plain data to be kept in the file as ``GENOTYPE``, for the reader.
        images: For the check; random ones if None.

    Raises:
        ExportFailed: If a layer is not Keras's own, or the file gives other outputs.
    """
    check_path("path", path)
    path, plain = Path(path), inference_model(model)
    weights = path.with_suffix(".weights.h5")
    content = python_text(plain, weights.name, genotype)
    with in_one_step(path, weights) as (beside, weights_beside):
        beside.write_text(content, encoding="utf-8")
        # Keras files weights by the order of layers, which is the file's own: it must write them.
        built = _imported(beside).build_model()
        for layer in built.layers:
            give_weights(layer, plain.get_layer(layer.name).get_weights())
        built.save_weights(weights_beside)

    def run(images: Images) -> Outputs:
        module = _imported(path)
        loaded = module.load_weights(module.build_model())
        outputs: Outputs = keras.ops.convert_to_numpy(loaded(images, training=False))
        return outputs

    return check((path, weights), plain, run, images, _TOLERANCE)


@as_shipped()
def python_text(model: keras.Model, weights: str, genotype: Mapping[str, Any] | None = None) -> str:
    """The text of the file; ``weights`` is the name of the file beside it."""
    graph = read_graph(model)
    shape = ", ".join(map(str, image_shape(model)))
    title = f"{_identifier(model.name)}: {model.count_params():,} parameters."
    about = f"From (batch, {shape}) to (batch, {model.outputs[0].shape[-1]})."
    kept = "" if genotype is None else f"GENOTYPE = {_laid_out(genotype)}\n"
    head = _HEAD.format(title=title, about=about, weights=text(weights), genotype=kept)
    if any("data_format" in call.layer["config"] for call in graph.calls):
        head += _CHANNELS_LAST
    return head + "\n".join(_Body(graph, model.name).lines()) + "\n" + _TAIL


def _laid_out(genotype: Mapping[str, Any]) -> str:
    return pformat(json.loads(json.dumps(genotype)), width=140, sort_dicts=False)


def _imported(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"exported_{_identifier(path.stem)}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _identifier(name: str) -> str:
    name = re.sub(r"\W|^(?=\d)", "_", name, flags=re.ASCII)
    return f"{name}_" if keyword.iskeyword(name) or name in ("x", "keras", "layers") else name


class _Body:
    """The lines of ``build_model``: a tensor is ``x`` where only the next line reads it."""

    def __init__(self, graph: Graph, name: str) -> None:
        self.graph = graph
        self.name = name
        self.calls_of = Counter(call.output[0] for call in graph.calls)
        read = Counter(tensor for call in graph.calls for tensor in call.inputs)
        self.variables: dict[Tensor, str] = {}
        for call, following in zip(graph.calls, [*graph.calls[1:], None], strict=True):
            next_reads = 0 if following is None else following.inputs.count(call.output)
            brief = call.arguments and next_reads == read[call.output] > 0
            self.variables[call.output] = "x" if brief else self._variable(call.output)

    def lines(self) -> Iterator[str]:
        part = ""
        for call in self.graph.calls:
            if call.part != part:
                part = call.part
                yield f"\n    # {part.replace('_', ' ')}" if part else ""
            yield from self._call(call)
        output = self.variables[self.graph.output]
        image = self.variables[self.graph.calls[0].output]
        yield f"    return keras.Model({image}, {output}, name={text(_identifier(self.name))})"

    def _call(self, call: Call) -> Iterator[str]:
        variable, shape = self.variables[call.output], self.graph.shapes[call.output]
        comment = f"  # {shape[1:]}"
        if not call.arguments:
            yield f"    {variable} = {input_layer(call.layer)}"
            return
        made = constructor(call.layer)
        given = ", ".join(self._argument(value) for value in call.arguments)
        options = {k: v for k, v in call.options.items() if k not in ("mask", "training")}
        given += "".join(f", {k}={self._argument(v)}" for k, v in options.items() if v is not None)
        if self.calls_of[call.output[0]] > 1:  # one layer that is called several times
            shared = f"{_identifier(call.output[0])}_layer"
            if call.output[1] == 0:
                yield f"    {shared} = {made}"
            made = shared
        line = f"    {variable} = {made}({given}){comment}"
        if len(line) <= _WIDTH or not made.endswith(")"):
            yield line
            return
        kind, inside = made[:-1].split("(", 1)
        if len(inside) + 8 > _WIDTH:
            inside = inside.replace(", name=", ",\n        name=")
        yield f"    {variable} = {kind}(\n        {inside}\n    )({given}){comment}"

    def _argument(self, value: Any) -> str:
        if is_tensor(value):
            return self.variables[tensor_of(value)]
        if isinstance(value, list | tuple):
            return f"[{', '.join(self._argument(part) for part in value)}]"
        return repr(value)

    def _variable(self, tensor: Tensor) -> str:
        name, number = tensor
        wanted = _identifier(f"{name}_{number + 1}" if number else name)
        while wanted in self.variables.values():
            wanted += "_"
        return wanted
