"""Where the parts of a drawn cell lie: its layers, the order within each, the place across.

A cell is a directed graph that is drawn upwards in layers (Sugiyama et al. 1981): the two inputs
at the bottom, every block one layer above the highest of the states that it reads, the output at
the top. An edge that spans several layers takes up a place of its own in each layer that it
passes, so it never meets a block; all edges from one state share these places.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import accumulate, combinations, pairwise
from typing import NamedTuple

from cellwright.search_spaces.nasnet.genotype import Cell

SWEEPS = 24


class Item(NamedTuple):
    """What takes up a place in a layer.

    ``kind`` is ``"state"`` (an input, or the line of hidden state ``number`` that passes by),
    ``"block"`` (``number`` from 0) or ``"output"``.
    """

    layer: int
    kind: str
    number: int = 0


class Hop(NamedTuple):
    """The piece of an edge between two neighbouring layers.

    ``part`` tells edges into one item apart: 0 or 1 for a block's operations.
    """

    state: int
    lower: Item
    upper: Item
    part: int = 0


def used_states(cell: Cell) -> set[int]:
    """The hidden states that reach the cell's output, directly or through other blocks."""
    used = set(cell.concatenation)
    for number, block in reversed(list(enumerate(cell.blocks))):
        if number + 2 in used:
            used |= {block.input_1, block.input_2}
    return used


def lay_out(cell: Cell) -> tuple[list[list[Item]], list[Hop]]:
    """The layers from the bottom to the top, and the hops.

    Few edges cross and, as far as that allows, the blocks of a layer stand in their order. Either
    input may stand on the left.
    """
    (inputs, *others), hops = _layers(cell)
    orders = [_ordered([list(first), *map(list, others)], hops) for first in (inputs, inputs[::-1])]
    return min(orders, key=lambda layers: _disorder(layers, hops)), hops


def _layers(cell: Cell) -> tuple[list[list[Item]], list[Hop]]:
    home = {0: Item(0, "state", 0), 1: Item(0, "state", 1)}
    readers: list[tuple[int, Item, int]] = []
    for number, block in enumerate(cell.blocks):
        inputs = (block.input_1, block.input_2)
        item = Item(1 + max(home[state].layer for state in inputs), "block", number)
        home[number + 2] = item
        readers += [(state, item, part) for part, state in enumerate(inputs)]
    output = Item(1 + max(item.layer for item in home.values()), "output")
    readers += [
        (state, output, part) for part, state in enumerate(dict.fromkeys(cell.concatenation))
    ]

    layers: list[list[Item]] = [[] for _ in range(output.layer + 1)]
    for item in [*home.values(), output]:
        layers[item.layer].append(item)
    hops = []
    for state, start in home.items():
        top = max((item.layer for other, item, _ in readers if other == state), default=0)
        line = [start, *(Item(layer, "state", state) for layer in range(start.layer + 1, top))]
        hops += [Hop(state, lower, upper) for lower, upper in pairwise(line)]
        for item in line[1:]:
            layers[item.layer].append(item)
        hops += [
            Hop(state, line[item.layer - start.layer - 1], item, part)
            for other, item, part in readers
            if other == state
        ]
    return layers, hops


def _ordered(layers: list[list[Item]], hops: Sequence[Hop]) -> list[list[Item]]:
    """Barycentre sweeps up and down, the best order kept, then swaps of neighbours."""
    best, least = layers, _disorder(layers, hops)
    current = layers
    for sweep in range(SWEEPS):
        upwards = sweep % 2 == 0
        current = [list(layer) for layer in current]
        for layer in current[1:] if upwards else reversed(current[1:-1]):
            _sort(layer, current, hops, upwards)
        if (found := _disorder(current, hops)) < least:
            best, least = current, found
    return _swapped([list(layer) for layer in best], hops)


def _sort(layer: list[Item], layers: list[list[Item]], hops: Sequence[Hop], upwards: bool) -> None:
    """Order one layer by the mean place of what its items are joined to below (or above)."""
    place = _ranks(layers)
    joined: dict[Item, list[float]] = {item: [] for item in layer}
    for hop in hops:
        near, far = (hop.upper, hop.lower) if upwards else (hop.lower, hop.upper)
        if near in joined:
            joined[near].append(place[far])
    layer.sort(key=lambda item: _mean(joined[item], place[item]))


def _swapped(layers: list[list[Item]], hops: Sequence[Hop]) -> list[list[Item]]:
    least = _disorder(layers, hops)
    improved = True
    while improved and least > (0, 0):
        improved = False
        for layer in layers[1:]:
            for i in range(len(layer) - 1):
                layer[i], layer[i + 1] = layer[i + 1], layer[i]
                if (found := _disorder(layers, hops)) < least:
                    least, improved = found, True
                else:
                    layer[i], layer[i + 1] = layer[i + 1], layer[i]
    return layers


def _disorder(layers: list[list[Item]], hops: Sequence[Hop]) -> tuple[int, int]:
    """How many pairs of hops cross, and how many pairs of blocks stand in reverse order."""
    numbers = [[item.number for item in layer if item.kind == "block"] for layer in layers]
    reverse = sum(a > b for blocks in numbers for a, b in combinations(blocks, 2))
    return _crossings(layers, hops), reverse


def _crossings(layers: list[list[Item]], hops: Sequence[Hop]) -> int:
    """How many pairs of hops change sides between two layers."""
    place = _ranks(layers)
    ends: dict[int, list[tuple[float, float]]] = {}
    for hop in hops:
        ends.setdefault(hop.upper.layer, []).append((place[hop.lower], place[hop.upper]))
    return sum(
        (a[0] - b[0]) * (a[1] - b[1]) < 0 for gap in ends.values() for a, b in combinations(gap, 2)
    )


def _ranks(layers: list[list[Item]]) -> dict[Item, float]:
    """Each item's place in its layer, from 0 to 1."""
    return {item: (rank + 0.5) / len(layer) for layer in layers for rank, item in enumerate(layer)}


def places(
    layers: list[list[Item]],
    hops: Sequence[Hop],
    width_of: Callable[[Item], float],
    page: float,
) -> dict[Item, float]:
    """The centre of every item across a page, each as near to its neighbours as room allows.

    Args:
        layers: Items from the bottom to the top, each layer from left to right.
        hops: What joins them.
        width_of: The room that an item takes, its distance to the next included.
        page: The width of the page, in the same unit; at least that of the widest layer.
    """
    x: dict[Item, float] = {}
    for layer in layers:
        ends = list(accumulate(map(width_of, layer)))
        left = (page - ends[-1]) / 2
        x |= {item: left + end - width_of(item) / 2 for item, end in zip(layer, ends, strict=True)}
    joined: dict[Item, list[Item]] = {item: [] for item in x}
    for hop in hops:
        # A line that passes several layers pulls hardest, so that it runs straight; the output
        # least, which has room for its ends anywhere.
        passing = (hop.lower.kind == "state") + (hop.upper.kind == "state")
        weight = 1 if hop.upper.kind == "output" else (2, 4, 16)[passing]
        joined[hop.lower] += [hop.upper] * weight
        joined[hop.upper] += [hop.lower] * weight
    for sweep in range(SWEEPS):
        for layer in layers if sweep % 2 else reversed(layers):
            wanted = [_mean([x[other] for other in joined[item]], x[item]) for item in layer]
            x |= dict(zip(layer, _apart(wanted, [width_of(i) for i in layer], page), strict=True))
    sides = [x[item] + sign * width_of(item) / 2 for item in x for sign in (-1, 1)]
    shift = (page - min(sides) - max(sides)) / 2
    return {item: place + shift for item, place in x.items()}


def _apart(wanted: Sequence[float], widths: Sequence[float], page: float) -> list[float]:
    """The centres nearest to ``wanted`` (least squares) that keep their order and room.

    Less the room that must lie to the left of each, the centres only have to increase: isotonic
    regression, by pooling neighbours that violate the order.
    """
    room = [end - width / 2 for end, width in zip(accumulate(widths), widths, strict=True)]
    pools: list[tuple[float, int]] = []
    for want, needed in zip(wanted, room, strict=True):
        total, count = want - needed, 1
        while pools and pools[-1][0] / pools[-1][1] >= total / count:
            last = pools.pop()
            total, count = total + last[0], count + last[1]
        pools.append((total, count))
    free = page - sum(widths)
    lefts = [min(max(total / count, 0.0), free) for total, count in pools for _ in range(count)]
    return [left + needed for left, needed in zip(lefts, room, strict=True)]


def _mean(values: Sequence[float], default: float) -> float:
    return sum(values) / len(values) if values else default
