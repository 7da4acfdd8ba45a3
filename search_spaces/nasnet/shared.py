"""The children of a space of cells as one network whose choices are inputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Protocol

import keras

from cellwright.search_spaces.context import Context, Tensor
from cellwright.search_spaces.decision import Decision
from cellwright.search_spaces.errors import UnbuildableChild
from cellwright.search_spaces.nasnet.child import Operations, current_input, match, match_always
from cellwright.search_spaces.nasnet.ends import head, stem_piece
from cellwright.search_spaces.nasnet.operation_sets import OPERATION_SETS
from cellwright.search_spaces.nasnet.skeleton import Place, Skeleton
from cellwright.search_spaces.shared_network import Options, Pass, SharedNetwork
from cellwright.search_spaces.shared_parts import Build


class Cells(Protocol):
    """What is asked of a space of cells; see `NASNetSpace`."""

    names: tuple[str, ...]
    decisions: tuple[Decision, ...]
    blocks: int
    operation_set: str
    combinations: tuple[str, ...]
    hierarchical: bool
    concatenation: str
    repair: bool


def shared_network(
    space: Cells, input_shape: Sequence[int], classes: int | None, skeleton: Skeleton
) -> SharedNetwork:
    """All children of ``space`` in ``skeleton``, as one network; see `SharedNetwork`.

    Drop-path, dropout and the auxiliary head are left out: each child has a small part of the
    supernet's training, and needs no regularisation beyond that.

    Raises:
        UnbuildableChild: If the image is too small, or hidden states differ in their channels from
            child to child; see `check_shared`.
    """
    skeleton.check(input_shape, classes)
    check_shared(space, skeleton)
    plain = skeleton.change(dropout=0.0, drop_path_keep=1.0, auxiliary=False)
    cells = _Cells(space, plain)

    def forward(way: Pass, choices: Tensor, images: Tensor) -> Tensor:
        outputs = _stem(way, images, plain)
        for number, place in enumerate(plain.places(), start=1):
            name = f"cell_{number}_{place.kind}"
            before = None if place.before is None else outputs[place.before]
            outputs.append(cells.run(way, choices, name, place, outputs[-1], before))
        return way.fixed("", lambda at, x: head(x, classes, plain, at), outputs[-1])

    how = Context("", None, epsilon=plain.epsilon, pool_padding=plain.border)
    return SharedNetwork(forward, len(space.decisions), input_shape, how)


def check_shared(space: Cells, skeleton: Skeleton) -> None:
    """Check that all hidden states of a cell have as many channels in every child.

    Raises:
        UnbuildableChild: If they have not: naming what to give.
    """
    reasons = {
        "concatenation='all', for cells that return the unused states have other channels in each "
        "child": space.concatenation == "all",
        "repair=True or combinations=('add',), for what a concat leaves wide other operations "
        "read": space.repair or space.combinations == ("add",),
        "a skeleton of the kind book, darts or darts-imagenet, for in the others the first cell "
        "reads the stem as it is": skeleton.kind == "book" or skeleton.is_darts,
        f"operations of the set {space.operation_set} alone": set(space.decisions[2].choices)
        <= set(OPERATION_SETS[space.operation_set]),
    }
    missing = [needed for needed, given in reasons.items() if not given]
    if missing:
        raise UnbuildableChild(
            f"a supernet of {space!r} in {skeleton} needs {'; and '.join(missing)}"
        )


def _stem(way: Pass, images: Tensor, skeleton: Skeleton) -> list[Tensor]:
    if skeleton.kind == "book":
        return [images]
    first = way.fixed("stem", lambda at, x: stem_piece(x, "stem", skeleton, _root(at)), images)
    if skeleton.kind != "darts-imagenet":
        return [first] * skeleton.stems
    late = way.fixed(
        "stem_late", lambda at, x: stem_piece(x, "stem_late", skeleton, _root(at)), first
    )
    return [first, late]


def _root(at: Context) -> Context:
    return replace(at, prefix="")


class _Cells:
    """How a cell is put together from its part of the choices."""

    def __init__(self, space: Cells, skeleton: Skeleton) -> None:
        self.space, self.skeleton = space, skeleton
        self.positions = {name: number for number, name in enumerate(space.names)}
        self.operations = tuple(str(name) for name in space.decisions[2].choices)

    def run(
        self,
        way: Pass,
        choices: Tensor,
        name: str,
        place: Place,
        current: Tensor,
        before: Tensor | None,
    ) -> Tensor:
        """The cell's output; see `child.build_cell`, which makes the same of a genotype."""
        skeleton, filters = self.skeleton, place.filters
        ops = Operations(
            self.space.operation_set, filters, place.stride, lambda x, at: x, self.space.repair
        )
        inputs = [
            way.fixed(
                f"{name}_current",
                lambda at, x: current_input(x, filters, _outside(at, "_current"), skeleton),
                current,
            )
        ]
        if before is None:
            before = current

        def matched(at: Context, x: Tensor, now: Tensor) -> Tensor:
            if skeleton.kind == "book":
                return match_always(x, now, filters, at)
            return match(x, now, filters, at, skeleton)

        inputs.append(way.fixed(f"{name}_before", matched, before, current))
        made: list[Tensor] = []
        for block in range(1, self.space.blocks + 1):
            made.append(self._block(way, choices, name, place, ops, block, inputs, made))
        return way.fixed(name, lambda at, *parts: ops.join(list(parts), at), *made)

    def _block(
        self,
        way: Pass,
        choices: Tensor,
        name: str,
        place: Place,
        ops: Operations,
        block: int,
        inputs: list[Tensor],
        made: list[Tensor],
    ) -> Tensor:
        decided = f"{place.kind}/{block}/"
        prefix = f"{name}_block_{block}"
        halves = []
        for number, side in enumerate(("left", "right"), start=1):
            state = choices[self.positions[f"{decided}input_{number}"]]
            decision = self.positions[f"{decided}operation_{number}"]
            index = choices[decision]
            # With a stride, states of two sizes are read by parts of their own.
            sizes = [inputs + made] if place.stride == 1 else [inputs, made]
            if not (self.space.hierarchical and made):
                sizes = [inputs]
            read = [_state(sizes[0], state)]
            if len(sizes) > 1:
                read.append(_state(made, state - 2))
                index = index + len(self.operations) * keras.ops.cast(state > 1, "int32")
            options: Options = [
                (
                    f"{prefix}_{side}_{operation}",
                    [partial(_apply, ops, operation, size) for size in range(len(sizes))],
                )
                for operation in self.operations
            ]
            slot, key = f"{prefix}_{side}", (name, "operation", len(sizes))
            halves.append(way.chosen(slot, decision, index, options, key, *read))
        if self.space.combinations == ("add",):
            return halves[0] + halves[1]
        builds: dict[str, Build] = {
            "add": lambda at, x, y: x + y,
            "concat": lambda at, x, y: ops.join([x, y], at),
        }
        if len(self.space.combinations) == 1:
            return way.fixed(prefix, builds["concat"], *halves)
        decision = self.positions[f"{decided}combination"]
        joined: Options = [
            (prefix, [builds[combination]]) for combination in self.space.combinations
        ]
        return way.chosen(
            prefix, decision, choices[decision], joined, (name, "combination"), *halves
        )


def _apply(ops: Operations, name: str, size: int, at: Context, *states: Tensor) -> Tensor:
    return ops.apply(name, states[size], 2 * size, at)


def _outside(at: Context, part: str) -> Context:
    return replace(at, prefix=at.prefix.removesuffix(part))


def _state(states: list[Tensor], number: Tensor) -> Tensor:
    if len(states) == 1:
        return states[0]
    if len(states) == 2:
        return keras.ops.where(keras.ops.equal(number, 0), states[0], states[1])
    branches = [partial(_nth, place) for place in range(len(states))]
    return keras.ops.switch(number, branches, *states)


def _nth(place: int, *states: Any) -> Any:
    return states[place]
