"""Search spaces: what can be searched, as plain names and plain values."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from cellwright.search_spaces.arguments import check_kind
from cellwright.search_spaces.decision import Decision, Params
from cellwright.search_spaces.edges import EdgeGraph
from cellwright.search_spaces.errors import InvalidArchitecture
from cellwright.search_spaces.identity import digest, identity_of
from cellwright.search_spaces.pieces import Piece

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from cellwright.search_spaces.shared_network import SharedNetwork


class SearchSpace:
    """An ordered tuple of decisions, and the child network that they describe.

    Used as it is, it is a plain categorical space, in which different parameters are different
    networks. A space of networks overrides `canonical`, `build` and, where it can, `words` and
    `figures`.

    Args:
        decisions: In the order in which a controller takes them.

    Attributes:
        anchors: Where a controller's anchor points are, if a space has connections to choose (Zoph
            and Le 2016, section 3.3). Number k of them, from 0, takes k (False, True) decisions
            from position ``anchors[k]`` on: whether to connect to each of the anchor points before.
        options: Names of the options of `build`; None if any may be one.
        identified_by: Names of the attributes that say what the constructor was told, as far as it
            changes which networks parameters describe, or which are proposed. See `identity`.
        added_facts: Those of `identified_by` that records of earlier versions lack, by their names:
            the value that spaces had then, and what to do to have it now, in words.

    Raises:
        ValueError: Without decisions, with two of one name, or with one that depends on what does
            not stand before it.
    """

    anchors: tuple[int, ...] = ()
    options: frozenset[str] | None = None
    identified_by: tuple[str, ...] = ()
    added_facts: Mapping[str, tuple[Any, str]] = {}
    _made_with: tuple[tuple[Any, ...], dict[str, Any]] | None

    def __new__(cls, *arguments: Any, **named: Any) -> Self:
        made = super().__new__(cls)
        again = all(not isinstance(one, Iterator) for one in (*arguments, *named.values()))
        made._made_with = (arguments, named) if again else None
        return made

    @property
    def made_with(self) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
        """What the constructor was given, by position and by name.

        It is None if something could be read but once, as a generator.
        """
        return self._made_with

    def __init__(self, decisions: Iterable[Decision]) -> None:
        self.decisions = tuple(decisions)
        self.names = tuple(decision.name for decision in self.decisions)
        if not self.decisions:
            raise ValueError("decisions must hold at least one Decision")
        if len(set(self.names)) < len(self.names):
            twice = sorted({name for name in self.names if self.names.count(name) > 1})
            raise ValueError(f"decision names must be unique, got {twice} more than once")
        self._name_set = frozenset(self.names)
        # A record of 20,000 trials takes a million of these look-ups.
        self._look_up = tuple(
            (one.name, one._index.__getitem__ if type(one).index is Decision.index else one.index)
            for one in self.decisions
        )
        self._choices = tuple(decision.choices for decision in self.decisions)
        _check_conditions(self.decisions)
        self._edges = EdgeGraph.of(self.decisions)
        self._conditional = any(decision.when for decision in self.decisions)
        kinds: dict[str, list[int]] = {}
        for position, decision in enumerate(self.decisions):
            if len(decision.choices) > 1:
                kinds.setdefault(decision.kind, []).append(position)
        self._kinds = tuple(kinds.values())

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self.decisions)} decisions, {self.size:.3g} points)"

    @property
    def size(self) -> int:
        """Number of different parameter sets (not of different networks: see `canonical`)."""
        return math.prod(len(decision.choices) for decision in self.decisions)

    def identity(self) -> dict[str, Any]:
        """What a record of trials notes of this space, as plain data for JSON.

        A record (a study, an experiment, a project, a latency table) whose ``decisions`` or
        ``facts`` differ is refused. One whose ``kind`` or ``attributes`` differ is taken with a
        warning: a class may be renamed, and an attribute may mean nothing. See
        `identity.compare`.

        Returns:
            ``kind``, the name of the class; ``decisions``, each with its name, its choices, the
            range of a number, and its conditions; ``facts``, what `identified_by` names; and
            ``attributes``: where this very class does not declare `identified_by`, its other public
            attributes that are plain data.

        Raises:
            ValueError: If something that `identified_by` names is no plain data.
        """
        return identity_of(self)

    @property
    def fingerprint(self) -> str:
        """16 hexadecimal digits that two spaces share if their identities are the same."""
        return digest(self.identity())

    def sample(self, rng: np.random.Generator) -> Params:
        """Draw every decision uniformly and independently."""
        draws = rng.random(len(self.decisions))
        return {
            d.name: d.choices[int(u * len(d.choices))]
            for d, u in zip(self.decisions, draws, strict=True)
        }

    def validate(self, params: Mapping[str, Any]) -> None:
        """Check that ``params`` is a point of this space.

        Raises:
            InvalidArchitecture: Naming the missing, unknown or wrong decisions.
        """
        self.encode(params)

    def encode(self, params: Mapping[str, Any]) -> tuple[int, ...]:
        """Positions of the chosen values, shape ``(decisions,)``.

        A decision whose conditions do not hold may be missing: it stands at its first choice.

        Raises:
            InvalidArchitecture: Naming the missing, unknown or wrong decisions.
        """
        if isinstance(params, Mapping) and len(params) == len(self.names):
            try:
                return tuple([index(params[name]) for name, index in self._look_up])
            except (KeyError, TypeError, InvalidArchitecture):
                pass  # what is wrong is said below
        missing = self.missing(params)
        if missing or not params.keys() <= self._name_set:
            unknown = sorted(str(name) for name in params.keys() - self._name_set)
            raise InvalidArchitecture(
                f"parameters do not fit {self!r}:"
                + (f" missing {_some(missing)}" if missing else "")
                + (f" unknown {_some(unknown)}" if unknown else "")
            )
        return tuple(
            decision.index(params[decision.name]) if decision.name in params else 0
            for decision in self.decisions
        )

    def missing(self, params: Mapping[str, Any]) -> list[str]:
        """Names of the decisions that have an effect and that ``params`` lacks."""
        check_kind("params", params, Mapping, "a dictionary of the decisions by name")
        absent = [decision for decision in self.decisions if decision.name not in params]
        if absent and self._conditional:
            with_effect = self._with_effect(params)
            absent = [decision for decision in absent if decision.applies(with_effect)]
        return [decision.name for decision in absent]

    def read(self, params: Mapping[str, Any]) -> Params:
        """The decisions with an effect among the values that a host gives back, in their types.

        Unlike `decode` of `encode`, it leaves a number in a range as it is.

        Raises:
            InvalidArchitecture: If one is missing or not allowed; other names are left out.
        """
        if missing := self.missing(params):
            raise InvalidArchitecture(f"parameters do not fit {self!r}: missing {_some(missing)}")
        with_effect = self._with_effect(params)
        return {
            decision.name: decision.read(with_effect[decision.name])
            for decision in self.decisions
            if decision.name in with_effect
        }

    def _with_effect(self, params: Mapping[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for decision in self.decisions:
            if decision.name in params and decision.applies(found):
                found[decision.name] = params[decision.name]
        return found

    def split(self, params: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """What describes the network, and the hyperparameters beside it: any other names."""
        architecture = {name: value for name, value in params.items() if name in self._name_set}
        others = {name: value for name, value in params.items() if name not in self._name_set}
        return architecture, others

    def decode(self, indices: Sequence[int]) -> Params:
        """Parameters of the given positions; the inverse of `encode`.

        Raises:
            InvalidArchitecture: On a wrong number of positions, or one out of range.
        """
        if len(indices) != len(self.decisions):
            raise InvalidArchitecture(
                f"indices must hold {len(self.decisions)} positions, got {len(indices)}"
            )
        params: Params = {}
        for name, choices, index in zip(self.names, self._choices, indices, strict=True):
            if not 0 <= index < len(choices):
                raise InvalidArchitecture(
                    f"{name}: position {index} is not in 0..{len(choices) - 1}"
                )
            params[name] = choices[int(index)]
        return params

    def mutate(self, params: Mapping[str, Any], rng: np.random.Generator) -> Params:
        """Change one active decision: draw a kind, a decision of that kind, another of its values.

        The kinds are equally likely, as hidden-state and operation mutations are in Real et al.
        2018, section 3.1. A space of one point returns it unchanged.
        """
        indices = list(self.encode(params))
        active = self.active(params)
        kinds = [[p for p in positions if active[p]] for positions in self._kinds]
        if kinds := [positions for positions in kinds if positions]:
            positions = kinds[int(rng.integers(len(kinds)))]
            position = positions[int(rng.integers(len(positions)))]
            shift = 1 + int(rng.integers(len(self.decisions[position].choices) - 1))
            indices[position] = (indices[position] + shift) % len(self.decisions[position].choices)
        return self.decode(indices)

    def scheduled(self, number: int) -> Params:
        """Decisions that trial ``number`` (0 or above) does not leave open, and their values.

        There are none, except in a space that grows as a search goes on.
        """
        return {}

    def active(self, params: Mapping[str, Any]) -> tuple[bool, ...]:
        """Which decisions are a strategy's to take and have an effect in ``params``.

        The others are neither mutated nor learned from: those whose conditions do not hold and, in
        some spaces, those of parts that ``params`` leaves out and those that are `scheduled`.
        """
        if not self._conditional:
            return (True,) * len(self.decisions)
        with_effect = self._with_effect(params)
        return tuple(name in with_effect for name in self.names)

    def canonical(self, params: Mapping[str, Any]) -> Params:
        """The one representative of all parameters that describe the same network."""
        indices = self.encode(params)
        if self._conditional:
            active = SearchSpace.active(self, params)
            indices = tuple(i if on else 0 for i, on in zip(indices, active, strict=True))
        return self.decode(indices)

    def key(self, params: Mapping[str, Any]) -> tuple[int, ...]:
        """Hashable identity of the network: `encode` of `canonical`."""
        return self.encode(self.canonical(params))

    def key_at(self, indices: Sequence[int]) -> tuple[int, ...]:
        """The `key` of the parameters at these positions (`decode`)."""
        return self.key(self.decode(indices))

    def graph_features(self, indices: NDArray[np.intp]) -> NDArray[np.float64]:
        """What networks are like as graphs, beyond which choices they take, (networks, features).

        A predictor learns from these columns beside the choices themselves; each is judged by
        itself, and its mean and scale do not matter. Spaces have none of them, except where the
        decisions are the operations on the edges of a graph and are named so, such as ``"op_01"``
        (`EdgeGraph`). A space of your own may override this.

        Args:
            indices: Rows of `encode`, (networks, decisions).
        """
        if self._edges is None:
            return np.empty((len(indices), 0))
        return self._edges.features(indices)

    def check_input(self, input_shape: Sequence[int], classes: int | None, **options: Any) -> None:
        """Check, without a framework, that children can be made for this input.

        The arguments are those of `build`.

        Raises:
            UnbuildableChild: If none can.
            NotImplementedError: If this space does not say it before it builds one.
        """
        raise NotImplementedError(f"{type(self).__name__} does not say what it can be built for")

    def build(
        self,
        params: Mapping[str, Any],
        input_shape: Sequence[int],
        classes: int | None,
        **options: Any,
    ) -> Any:
        """Make the child network, a ``keras.Model``.

        Args:
            params: A point of this space.
            input_shape: Shape of one example, such as (height, width, channels) of an image.
            classes: At least 2; None for regression.
            options: Options of this space's child builder.

        Raises:
            NotImplementedError: If this space describes no network.
        """
        raise NotImplementedError(f"{type(self).__name__} describes no network to build")

    @property
    def shares_weights(self) -> bool:
        """Whether this space says which layers share weights (`shared_weights`)."""
        return type(self).shared_weights is not SearchSpace.shared_weights

    def shared_weights(self, params: Mapping[str, Any], model: Any) -> dict[str, str]:
        """Keys of the layers whose weights children of this space share, by layer name.

        A layer may begin with the weights that one of the same key ended with in another child
        (`plugins.weight_bank`).

        Args:
            params: A point of this space.
            model: What `build` made of it.

        Raises:
            NotImplementedError: If this space does not say.
        """
        raise NotImplementedError(f"{type(self).__name__} does not say which layers share weights")

    def shared_network(
        self, input_shape: Sequence[int], classes: int | None, **options: Any
    ) -> SharedNetwork:
        """All children of this space as one network whose choices are inputs, for a `Supernet`.

        The arguments are those of `build`.

        Raises:
            NotImplementedError: If this space has none.
        """
        raise NotImplementedError(f"{type(self).__name__} has no network that its children share")

    @property
    def has_pieces(self) -> bool:
        """Whether this space says what its networks consist of (`pieces`)."""
        return type(self).pieces is not SearchSpace.pieces

    def pieces(
        self,
        params: Mapping[str, Any],
        input_shape: Sequence[int],
        classes: int | None,
        **options: Any,
    ) -> Counter[Piece]:
        """What takes time in the child network, and how often it occurs, without building it.

        `LatencyPredictor` predicts the latencies of a space that has this and `build_piece`. The
        arguments are those of `build`.

        Raises:
            NotImplementedError: If this space does not say it.
        """
        raise NotImplementedError(
            f"{type(self).__name__} does not say what its networks consist of"
        )

    def build_piece(self, piece: Piece, **options: Any) -> Any:
        """One of `pieces` as a ``keras.Model`` of one input and one output, to be timed.

        Args:
            piece: From `pieces`.
            options: Those that `pieces` was given.

        Raises:
            NotImplementedError: If this space has no pieces.
        """
        raise NotImplementedError(
            f"{type(self).__name__} does not say what its networks consist of"
        )

    def describe(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """What was found, ready for JSON; a space of cells gives a genotype."""
        return dict(self.decode(self.encode(params)))

    def words(self, params: Mapping[str, Any]) -> list[str]:
        """What was found, in a few lines for a reader: here the decisions that have an effect."""
        live = zip(self.names, self.active(params), strict=True)
        return [f"{name}: {params[name]}" for name, active in live if active]

    def in_short(self, params: Mapping[str, Any]) -> str:
        """The architecture as one text of a line or two, for a table or a trial's note.

        Raises:
            InvalidArchitecture: If ``params`` is no point of this space.
        """
        return "; ".join(line.strip() for line in self.words(params))

    def figures(self, params: Mapping[str, Any], model: Any = None) -> dict[str, Figure]:
        """Pictures of the architecture by name; none for a plain categorical space.

        With the ``model`` that `build` made they may tell more, such as the shapes of its parts.
        """
        return {}


def _check_conditions(decisions: Sequence[Decision]) -> None:
    before: dict[str, Decision] = {}
    for decision in decisions:
        for name, values in decision.when:
            choices = before[name].choices if name in before else ()
            if not set(values) <= set(choices) or not values:
                raise ValueError(
                    f"{decision.name!r} depends on {name!r} being one of {list(values)}: "
                    + (f"choose among {list(choices)}" if choices else "no decision before it is")
                )
        before[decision.name] = decision


def _some(names: Sequence[str], most: int = 4) -> str:
    shown = ", ".join(names[:most])
    return shown + (f" and {len(names) - most} more;" if len(names) > most else ";")
