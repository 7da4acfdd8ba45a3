"""The calls of layers that make up a functional Keras model, in the order that reads best."""

from __future__ import annotations

import heapq
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import keras

from cellwright.search_spaces.errors import ExportFailed

Tensor = tuple[str, int]  # the output of a layer: its name, and which of its calls made it
Shape = tuple[int | None, ...]

# "cell_2_reduction_block_1" of "cell_2_reduction_block_1_left_sep_3x3_relu", "block_3_1" of
# "block_3_1_expand_relu".
_PART = re.compile(r"[a-z]+(?:_\d+)+(?:_(?:normal|reduction))?(?:_block_\d+)?(?=_)")


@dataclass(frozen=True)
class Call:
    """One call of one layer.

    ``arguments`` are as Keras writes them in ``get_config()``: tensors as dictionaries, lists of
    them, plain values; `tensor_of` tells a tensor. ``inputs`` are the tensors among them.
    """

    output: Tensor
    layer: Mapping[str, Any]
    arguments: tuple[Any, ...]
    options: Mapping[str, Any]
    inputs: tuple[Tensor, ...]

    @property
    def part(self) -> str:
        """The cell or block that the layer's name says it is of, or nothing."""
        found = _PART.match(self.output[0])
        return found[0] if found else ""


@dataclass(frozen=True)
class Graph:
    """The calls of a network, each after those that it reads, and the shapes of what they give."""

    calls: tuple[Call, ...]
    shapes: Mapping[Tensor, Shape]
    output: Tensor


def read_graph(model: keras.Model) -> Graph:
    """What ``get_config()`` says of a functional model of one output.

    Raises:
        ExportFailed: If a layer in it gives several outputs.
    """
    config = model.get_config()
    calls = [call for layer in config["layers"] for call in _calls(layer)]
    shapes: dict[Tensor, Shape] = {}
    for call in calls:
        for found in _tensors((call.arguments, call.options)):
            shapes[tensor_of(found)] = tuple(found["config"]["shape"])
    (name, number, _) = _flat(config["output_layers"])
    output = (name, number)
    shapes[output] = tuple(model.outputs[0].shape)
    return Graph(tuple(_ordered(calls, output)), shapes, output)


def tensor_of(value: Any) -> Tensor:
    """The tensor that ``value`` of `Call.arguments` stands for.

    Raises:
        ExportFailed: If it is one of several outputs of a layer.
    """
    name, number, index = value["config"]["keras_history"]
    if index:
        raise ExportFailed(f"layer {name!r} has several outputs, which cannot be written as Python")
    return name, number


def is_tensor(value: Any) -> bool:
    return isinstance(value, Mapping) and value.get("class_name") == "__keras_tensor__"


def _flat(value: Any) -> Any:
    """``output_layers`` of one output: [name, call, index], alone or in a list."""
    return value[0] if isinstance(value[0], list | tuple) else value


def _calls(layer: Mapping[str, Any]) -> Iterator[Call]:
    for number, node in enumerate(layer["inbound_nodes"] or [{"args": (), "kwargs": {}}]):
        inputs = tuple(tensor_of(found) for found in _tensors((node["args"], node["kwargs"])))
        yield Call((layer["name"], number), layer, tuple(node["args"]), node["kwargs"], inputs)


def _tensors(value: Any) -> Iterator[Any]:
    if is_tensor(value):
        yield value
    elif isinstance(value, Mapping):
        for part in value.values():
            yield from _tensors(part)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _tensors(part)


def _ordered(calls: list[Call], output: Tensor) -> Iterator[Call]:
    """Cell by cell, block by block, and in these each branch to its end before the next one."""
    by_output = {call.output: call for call in calls}
    branch_first = {tensor: place for place, tensor in enumerate(_backwards(by_output, output))}
    waits = {tensor: set(by_output[tensor].inputs) for tensor in branch_first}
    readers: dict[Tensor, list[Tensor]] = {tensor: [] for tensor in branch_first}
    for tensor, inputs in waits.items():
        for read in inputs:
            readers[read].append(tensor)

    def priority(tensor: Tensor) -> tuple[list[int], int]:
        numbers = [int(number) for number in re.findall(r"\d+", by_output[tensor].part)]
        return numbers, branch_first[tensor]

    ready = [(*priority(tensor), tensor) for tensor, inputs in waits.items() if not inputs]
    heapq.heapify(ready)
    while ready:
        tensor = heapq.heappop(ready)[-1]
        yield by_output[tensor]
        for reader in readers[tensor]:
            waits[reader].discard(tensor)
            if not waits[reader]:
                heapq.heappush(ready, (*priority(reader), reader))


def _backwards(by_output: Mapping[Tensor, Call], output: Tensor) -> Iterator[Tensor]:
    """Every tensor that ``output`` comes from, each after its inputs: a walk in depth."""
    seen = {output}
    path = [(output, iter(by_output[output].inputs))]
    while path:
        tensor, inputs = path[-1]
        unseen = next((found for found in inputs if found not in seen), None)
        if unseen is None:
            yield tensor
            path.pop()
        else:
            seen.add(unseen)
            path.append((unseen, iter(by_output[unseen].inputs)))
