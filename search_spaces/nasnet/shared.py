"""The children of a space of cells as one network whose choices are inputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import keras

from cellwright.search_spaces.context import Context, Tensor
from cellwright.search_spaces.errors import UnbuildableChild
from cellwright.search_spaces.nasnet.child import Operations, current_input, match, match_always
from cellwright.search_spaces.nasnet.ends import head, stem_piece
from cellwright.search_spaces.nasnet.operation_sets import OPERATION_SETS
from cellwright.search_spaces.nasnet.operations import pointwise
from cellwright.search_spaces.nasnet.shared_choices import Cells, Form, Told
from cellwright.search_spaces.nasnet.shared_states import States
from cellwright.search_spaces.nasnet.skeleton import Skeleton
from cellwright.search_spaces.shared_network import Options, Pass, SharedNetwork
from cellwright.search_spaces.shared_parts import Build


def shared_network(
    space: Cells, input_shape: Sequence[int], classes: int | None, skeleton: Skeleton
) -> SharedNetwork:
    """All children of ``space`` in ``skeleton``, as one network; see `SharedNetwork`.

    Drop-path, dropout and the auxiliary head are left out: each child has a small part of the
    supernet's training, and needs no regularisation beyond that.

    Raises:
        UnbuildableChild: If the image is too small, or the space has operations of your own, of
            which it is not known what they do with channels that a child does not have.
    """
    skeleton.check(input_shape, classes)
    known = OPERATION_SETS[space.operation_set]
    if yours := [name for name in space.decisions[2].choices if name not in known]:
        raise UnbuildableChild(
            f"a supernet has the operations of the set {space.operation_set} alone, and {yours} "
            "are your own: leave them out of the space's operations"
        )
    plain = skeleton.change(dropout=0.0, drop_path_keep=1.0, auxiliary=False)
    told = Told(space, plain, _stems(plain, input_shape))
    cells = _Cells(space, plain, told)

    def forward(way: Pass, choices: Tensor, images: Tensor) -> Tensor:
        outputs = _stem(way, images, plain)
        for form in told.forms:
            before = None if form.place.before is None else outputs[form.place.before]
            outputs.append(cells.run(way, choices, form, outputs[-1], before))
        return way.fixed("", lambda at, x: head(x, classes, plain, at), outputs[-1])

    how = Context("", None, epsilon=plain.epsilon, pool_padding=plain.border)
    last = "value" if classes is None else "classes"
    return SharedNetwork(
        forward,
        told.number,
        input_shape,
        how,
        resolve=told.resolve,
        channels=lambda choices: told.inputs(choices, last),
    )


def _stems(skeleton: Skeleton, input_shape: Sequence[int]) -> list[int]:
    """Channels of what `_stem` gives."""
    if skeleton.kind == "book":
        return [input_shape[-1]]
    large = skeleton.kind == "darts-imagenet"
    return [skeleton.filters if large else skeleton.stem_width] * skeleton.stems


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

    def __init__(self, space: Cells, skeleton: Skeleton, told: Told) -> None:
        self.space, self.skeleton, self.told = space, skeleton, told
        self.operations = tuple(str(name) for name in space.decisions[2].choices)

    def run(
        self, way: Pass, choices: Tensor, form: Form, current: Tensor, before: Tensor | None
    ) -> Tensor:
        """The cell's output, (batch, height, width, blocks x room); see `child.build_cell`, which
        makes of a genotype what a child has of it."""
        skeleton, filters = self.skeleton, form.place.filters
        ops = Operations(
            self.space.operation_set,
            filters,
            form.place.stride,
            lambda x, at: x,
            self.space.repair,
        )
        first = way.fixed(
            f"{form.name}_current",
            lambda at, x: current_input(x, filters, _outside(at, "_current"), skeleton),
            current,
        )
        inputs = States(2 + self.space.blocks)
        for state in (first, self._before(way, choices, form, current, before)):
            inputs.add(_padded(state, form.width))
        # With a stride, block outputs are smaller than the cell's inputs.
        earlier = inputs if form.place.stride == 1 else States(self.space.blocks)
        made: list[Tensor] = []
        for block in range(1, self.space.blocks + 1):
            made.append(self._block(way, choices, form, ops, block, inputs, earlier))
            if self.space.hierarchical:
                earlier.add(made[-1])
        return self._returned(way, choices, form, ops, [one[..., : form.room] for one in made])

    def _before(
        self, way: Pass, choices: Tensor, form: Form, current: Tensor, before: Tensor | None
    ) -> Tensor:
        """Hidden state 1."""
        skeleton, filters, name = self.skeleton, form.place.filters, f"{form.name}_before"
        if skeleton.kind == "book":
            x = current if before is None else before
            return way.fixed(name, lambda at, x, now: match_always(x, now, filters, at), x, current)
        if before is None:
            return current
        if skeleton.is_darts or before.shape[1:3] != current.shape[1:3]:
            return way.fixed(
                name, lambda at, x, now: match(x, now, filters, at, skeleton), before, current
            )
        at = self.told.at(f"{name}_0")
        own = keras.ops.take(before, choices[at : at + filters], axis=-1)
        options: Options = [(name, [partial(_matched, filters=filters), _as_it_is])]
        fits = choices[self.told.at(f"{form.name}_fits")]
        return way.chosen(name, None, fits, options, (name, "before"), before, own)

    def _block(
        self,
        way: Pass,
        choices: Tensor,
        form: Form,
        ops: Operations,
        block: int,
        inputs: States,
        earlier: States,
    ) -> Tensor:
        prefix, place = f"{form.name}_block_{block}", form.place
        variants = form.variants(block, self.space.hierarchical)
        halves = []
        for number, side in enumerate(("left", "right"), start=1):
            state = choices[self.told.at(f"{place.kind}/{block}/input_{number}")]
            decision = self.told.at(f"{place.kind}/{block}/operation_{number}")
            variant = choices[self.told.at(f"{form.name}_{block}_{number}")]
            read = [inputs.read(state)]
            if earlier is not inputs and len(earlier):
                read.append(earlier.read(state - 2))
            options: Options = [
                (f"{prefix}_{side}_{operation}", self._readings(ops, operation, variants, form))
                for operation in self.operations
            ]
            index = choices[decision] + len(self.operations) * variant
            key = ("operation", ops.filters, ops.stride, tuple(variants))
            halves.append(way.chosen(f"{prefix}_{side}", decision, index, options, key, *read))
        if self.space.combinations == ("add",):
            return _padded(halves[0] + halves[1], form.width)
        builds: dict[str, Build] = {
            "add": lambda at, x, y: _padded(x + y, form.width),
            "concat": lambda at, x, y: _padded(ops.join([x, y], at), form.width),
        }
        if len(self.space.combinations) == 1:
            return way.fixed(prefix, builds["concat"], *halves)
        decision = self.told.at(f"{place.kind}/{block}/combination")
        joined: Options = [
            (prefix, [builds[combination]]) for combination in self.space.combinations
        ]
        return way.chosen(
            prefix, decision, choices[decision], joined, ("combination", form.width), *halves
        )

    def _readings(
        self, ops: Operations, name: str, variants: Sequence[tuple[bool, bool]], form: Form
    ) -> list[Build]:
        """An operation for each of `Form.variants`: the same one where it has weights, which it
        shares, for channels that are 0 add nothing to what a convolution gives."""
        kind, _ = OPERATION_SETS[self.space.operation_set][name]
        made: dict[tuple[bool, int], Build] = {}
        readings = []
        for of_block, wide in variants:
            stride = 1 if of_block else ops.stride
            may_keep = kind == "pool" or (kind in ("identity", "skip") and stride == 1)
            channels = form.place.filters if may_keep and not wide else form.width
            build = partial(_applied, ops=ops, name=name, of_block=of_block, channels=channels)
            readings.append(made.setdefault((of_block, channels), build))
        return readings

    def _returned(
        self, way: Pass, choices: Tensor, form: Form, ops: Operations, made: list[Tensor]
    ) -> Tensor:
        """What the cell returns of its blocks' outputs, each in its own place; or, repaired, all of
        them in the cell's filters."""
        if self.space.concatenation == "all":
            return way.fixed(form.name, lambda at, *parts: ops.join(list(parts), at), *made)
        kind = form.place.kind
        for number in range(len(made)):
            returned = choices[self.told.at(f"{kind}_{number + 1}_returned")]
            made[number] = made[number] * keras.ops.cast(returned, "float32")
        joined = keras.ops.concatenate(made, axis=-1)
        if not self.space.repair:
            return joined
        options: Options = [(form.name, [partial(_repaired, ops=ops), _as_it_is])]
        alone = choices[self.told.at(f"{kind}_alone")]
        key = (form.name, "returned")
        return way.chosen(form.name, None, alone, options, key, joined, sum(made))


def _applied(
    at: Context, *states: Tensor, ops: Operations, name: str, of_block: bool, channels: int
) -> Tensor:
    # The last of two is a block's output, where there is a stride.
    return ops.apply(name, states[of_block][..., :channels], 2 * of_block, at)


def _matched(at: Context, x: Tensor, own: Tensor, filters: int) -> Tensor:
    """`child.match` for what does not fit."""
    x = keras.layers.ReLU(name=f"{at.prefix}_relu")(x)
    return pointwise(x, filters, 1, at)


def _repaired(at: Context, x: Tensor, own: Tensor, ops: Operations) -> Tensor:
    return pointwise(x, ops.filters, 1, at.inside("repair"))


def _as_it_is(at: Context, x: Tensor, own: Tensor) -> Tensor:
    return own


def _padded(x: Tensor, width: int) -> Tensor:
    """``x``, (batch, height, width, channels), with channels of 0 up to ``width``."""
    missing = width - x.shape[-1]
    return keras.ops.pad(x, [(0, 0)] * 3 + [(0, missing)]) if missing else x


def _outside(at: Context, part: str) -> Context:
    return replace(at, prefix=at.prefix.removesuffix(part))
