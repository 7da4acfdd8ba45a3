"""What every strategy is: `ask` for a trial's architecture, `tell` what it scored."""

from __future__ import annotations

import inspect
import math
import secrets
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from numbers import Real
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np

from cellwright.plugins.strategies import snapshots
from cellwright.plugins.strategies.known_limit import KnownLimit
from cellwright.plugins.strategies.one_thread import one_thread
from cellwright.plugins.strategies.outcome import Range, Rewards, Told, is_large, lesson
from cellwright.plugins.strategies.surrogate.candidates import Merit
from cellwright.search_spaces import Params, SearchSpace
from cellwright.search_spaces.arguments import check_integer, check_kind
from cellwright.search_spaces.start import point_of

# How often `ask` draws anew when a network is already known, and how many mutations it then tries
# before it proposes one a second time: a policy that is sure of itself draws little else, and in a
# space that is used up a strategy must still answer.
_DRAWS = 4
_MUTATIONS = 64
# Results between two states that are kept for `Strategy.follow`, and how many of them are kept.
_BETWEEN, _KEPT = 32, 16
# Seconds of CPU that learning takes between two snapshots: so much, and what came late, a process
# that joins learns itself.
_SECONDS = 1.0

MOST_OBJECTIVES = 100  # of a reward; no front of so many can be told from all other points
NOTES = ("predicted", "predicted_std")  # the names in `Prediction.notes`


class Prediction(NamedTuple):
    """What a strategy expects a trial to score, as mean and standard deviation, in the unit of its
    rewards."""

    mean: float
    std: float

    def notes(self, sign: float) -> dict[str, float]:
        """The prediction as hosts store it beside what is measured, under the names `NOTES`.

        Args:
            sign: -1 where the host minimises, else 1.
        """
        return dict(zip(NOTES, (sign * self.mean, self.std), strict=True))


class Strategy(ABC):
    """Proposes architectures; always maximises; never waits.

    What `ask` answers is a pure function of the seed, the trial number, the architectures that are
    running and the results told so far, in their order: the same calls give the same answers in any
    process. `history` is therefore the whole state, and a strategy that follows it (`follow`)
    proposes what the first one would have proposed. Trials may be asked for and told in any order,
    and architectures may be told that this strategy never proposed.

    Example::

        strategy = RegularizedEvolution(NASNetSpace(), seed=1)
        for number in range(100):
            params = strategy.ask(number)
            strategy.tell(number, params, score(params))

    A subclass implements `_propose`, `_learn` and `_forget`; the books are kept here.

    Args:
        space: The space to search.
        seed: An integer, 0 or above. None draws one; the attribute `seed` then holds it.
        objectives: How many numbers a reward has, all to be maximised, 1 to 100. With one
            objective a reward is that number, with more it is a tuple of them.

    Attributes:
        seeded: Whether the seed was given, and not drawn.
        start: Architectures that trials 0, 1, ... are to try before anything else; see
            `start_from`.
        within: The limit that what is proposed keeps; see `keep_within`.
        snapshots: Where snapshots of what was learned are kept and looked for, so that a process
            that joins a long search need not learn everything anew; nowhere if None. They are a
            cache: they change nothing but time.

    Raises:
        ValueError: If the seed is negative or not an integer, or ``objectives`` is below
            1 or above 100.
    """

    # Attributes that `_learn` changes, where learning costs enough to keep snapshots. A subclass
    # that changes more of them in `_learn` or `_forget` names these, too.
    _learned: ClassVar[tuple[str, ...]] = ()

    start: tuple[Params, ...] = ()

    within: KnownLimit | None = None

    snapshots: snapshots.Snapshots | None = None
    _snapshot_key: str | None = None

    def __init__(self, space: SearchSpace, *, seed: int | None = None, objectives: int = 1) -> None:
        check_kind("space", space, SearchSpace, "a SearchSpace; make_space(name) gives one")
        check_integer("objectives", objectives, 1, MOST_OBJECTIVES)
        self.space = space
        self.objectives = objectives
        self.seeded = seed is not None
        self.seed = _checked(secrets.randbits(63) if seed is None else seed)
        self._history: list[Told] = []
        self._range = Range()
        self._large = False  # whether a reward in the history may be a penalty
        self._states: list[tuple[int, Any]] = []  # `_state` and digest after so many results
        self._digest = snapshots.START  # of what was learned
        self._spent = 0.0  # seconds of CPU on learning, since the last snapshot
        self._keys: list[tuple[int, ...]] = []  # of the history's networks, in its order
        self._known: set[tuple[int, ...]] = set()
        self._running: set[tuple[int, ...]] = set()
        self._fixed: Params = {}

    def __repr__(self) -> str:
        """The class, the space, the seed, and the arguments that are not the default."""
        seed = f"seed={self.seed}" + ("" if self.seeded else " (drawn)")
        given = [f"{name}={value!r:.200}" for name, value in self._arguments().items()]
        begun = f".start_from({len(self.start)} architectures)" if self.start else ""
        begun += "" if self.within is None else f".keep_within({self.within!r:.200})"
        return f"{type(self).__name__}({', '.join([repr(self.space), seed, *given])}){begun}"

    def _arguments(self) -> dict[str, Any]:
        """Arguments that differ from their defaults, as far as attributes of their names hold
        them."""
        parameters = inspect.signature(type(self)).parameters.values()
        return {
            one.name: getattr(self, one.name)
            for one in parameters
            if one.name not in ("space", "seed")
            and one.kind not in (one.VAR_KEYWORD, one.VAR_POSITIONAL)
            and repr(getattr(self, one.name, one.default)) != repr(one.default)
        }

    def start_from(self, architectures: Iterable[Any]) -> Self:
        """Let the first trials try architectures that are known to be good, one each.

        They are proposed by the numbers of the trials, like all else, and learned from. One that is
        known already, or running, is not tried again.

        Args:
            architectures: Each a dictionary of decisions, a genotype, the name of a published one,
                or the path of a search's ``best.json`` or ``genotype.json``; see `point_of`.

        Returns:
            This strategy.

        Raises:
            InvalidArchitecture, ValueError, OSError: See `point_of`; ValueError also if it is no
                list.
        """
        if not isinstance(architectures, Iterable | Path):
            raise ValueError(f"start must be a list of architectures, got {architectures!r:.200}")
        single = isinstance(architectures, str | Path | Mapping)
        given = [architectures] if single else list(architectures)
        self.start = tuple(point_of(self.space, one) for one in given)
        return self

    def keep_within(self, limit: Callable[[Params], float] | Mapping[str, Any] | None) -> Self:
        """Propose no architecture that is known to be beyond a limit before it is trained.

        What `start_from` is given is tried all the same. Where hardly anything is within the limit,
        or nothing, an architecture beyond it may still be proposed, the nearest one that was found.

        Args:
            limit: A dictionary such as ``{"metric": "parameters", "at_most": 50_000,
                "input_shape": [28, 28, 1], "classes": 10}``, where the space says what its networks
                consist of; a function of the parameters that says by what share of the limit they
                are beyond it (0 or less within it); or None for no limit. See `KnownLimit`.

        Returns:
            This strategy.

        Raises:
            ValueError: If it is none of these, or the space does not say what its networks are.
        """
        self.within = None if limit is None else KnownLimit(self.space, limit)
        return self

    @property
    def history(self) -> tuple[Told, ...]:
        """Everything told, in order. Beside its arguments this is a strategy's whole state."""
        return tuple(self._history)

    @one_thread()
    def ask(
        self,
        number: int,
        running: Iterable[Mapping[str, Any]] = (),
        fixed: Mapping[str, Any] | None = None,
    ) -> Params:
        """The architecture to try as trial ``number`` (0 or above).

        A network that has been told or is running is not proposed again. If a few draws give no
        other, the last one is mutated until it is new. After 64 mutations without success, as in a
        space that is used up, a known network is proposed. Likewise for one beyond a limit that
        `keep_within` has set.

        Args:
            number: The trial's number.
            running: Architectures that other workers are training at this moment.
            fixed: Decisions that are not open in this trial, and their values: what is proposed
                has them, and is a new network among those that have them.

        Raises:
            InvalidArchitecture: If ``fixed`` holds a value that is not allowed.
        """
        check_integer("number", number, 0)
        check_kind("running", running, Iterable, "several architectures")
        check_kind("fixed", {} if fixed is None else fixed, Mapping, "a dictionary, or None")
        rng = np.random.default_rng((self.seed, number))
        self._running = set()
        for other in running:
            check_kind("running", other, Mapping, "several architectures, each a dictionary")
            self._running.add(self.space.key(other))
        self._fixed = self._as_choices(fixed or {})
        settled = self._settled(number)
        for params in self.start[number : number + 1]:
            if self._is_unknown(begun := {**params, **settled}):
                return begun
        for _ in range(_DRAWS):
            params = {**self._propose(number, rng), **settled}
            if self._is_new(params):
                return params
        for _ in range(_MUTATIONS):
            mutated = self._mutated(params, rng)
            if self.within is None or self._is_nearer(mutated, params):
                params = mutated
            if self._is_new(params):
                break
        return params

    def _as_choices(self, fixed: Mapping[str, Any]) -> Params:
        """Fixed values as choices: of a range, the level that is nearest."""
        return {
            decision.name: decision.choices[decision.index(fixed[decision.name])]
            for decision in self.space.decisions
            if decision.name in fixed
        }

    def _settled(self, number: int) -> Params:
        """Decisions that are not open in trial ``number``, and their values."""
        return {**self.space.scheduled(number), **self._fixed}

    def _mutated(self, params: Params, rng: np.random.Generator) -> Params:
        """A mutation among what is not fixed; ``params`` if next to nothing is free."""
        for _ in range(_MUTATIONS):
            mutated = {**self.space.mutate(params, rng), **self._fixed}
            if mutated != params or not self._fixed:
                return mutated
        return params

    def _is_new(self, params: Params) -> bool:
        """Whether this network may be proposed: it has neither been told nor was running when `ask`
        was called, and is within the limit, if there is one."""
        return self._is_unknown(params) and (self.within is None or self.within.excess(params) <= 0)

    def _is_nearer(self, params: Params, before: Params) -> bool:
        """Whether ``params`` are within the limit, or no further beyond it than ``before``."""
        assert self.within is not None
        return self.within.excess(params) <= max(self.within.excess(before), 0.0)

    def _within_limit(self, merit: Merit) -> Merit:
        """What candidates are worth by ``merit``, if they are within the limit."""
        return merit if self.within is None else self.within.merits(merit)

    def _is_unknown(self, params: Params) -> bool:
        key = self.space.key(params)
        return key not in self._known and key not in self._running

    def knows(self, params: Mapping[str, Any]) -> bool:
        """Whether a result of the network of ``params`` has been told, or its failure."""
        return self.space.key(params) in self._known

    def predict(self, params: Params) -> Prediction | None:
        """What a trial of ``params`` is expected to score; None if this strategy predicts nothing.

        The answer depends on nothing but the seed and the results told so far.
        """
        return None

    def tell(
        self,
        number: int,
        params: Mapping[str, Any],
        reward: Rewards | None,
        excess: float = 0.0,
    ) -> None:
        """Record what trial ``number`` scored.

        Args:
            number: The trial's number.
            params: Its architecture.
            reward: A finite number, or with several `objectives` a tuple or list with one for each;
                None if the child failed.
            excess: If the child failed because it is beyond a limit: by what share of the limit
                (`Told`), finite, above 0. Otherwise 0. `lesson` says what is learned from it.

        Raises:
            InvalidArchitecture: If ``params`` is not a point of the space.
            ValueError: If ``reward`` is NaN or infinite, or has more or fewer values than the
                strategy has objectives; if ``excess`` is negative or not finite, or is given beside
                a reward. Nothing is recorded then.
        """
        check_integer("number", number, 0)
        if reward is not None:
            reward = self._checked_reward(number, reward)
        if isinstance(excess, bool):
            raise TypeError(f"excess of trial {number} must be a number, got {excess}")
        check_kind("excess", excess, Real, "a number")
        if not 0 <= excess < math.inf or (excess and reward is not None):
            raise ValueError(
                f"excess of trial {number} must be finite, at least 0, and 0 beside a reward; "
                f"got {excess} and the reward {reward}"
            )
        plain = self.space.decode(self.space.encode(params))
        self._take([Told(int(number), plain, reward, float(excess))])

    def _checked_reward(self, number: int, reward: Any) -> Rewards:
        several = isinstance(reward, list | tuple | np.ndarray) and np.ndim(reward) > 0
        for value in reward if several else [reward]:
            if isinstance(value, bool | np.bool_) or not isinstance(value, Real):
                raise TypeError(
                    f"reward of trial {number} must be a number, a tuple of numbers with several "
                    f"objectives, or None for a failed child; got {reward!r:.200}"
                )
        values = tuple(map(float, reward)) if several else (float(reward),)
        if several != (self.objectives > 1) or len(values) != self.objectives:
            wanted = "one number" if self.objectives == 1 else f"a tuple of {self.objectives}"
            raise ValueError(
                f"reward of trial {number} must be {wanted}, as this strategy has "
                f"objectives={self.objectives}; got {reward!r}"
            )
        if not all(map(math.isfinite, values)):
            raise ValueError(
                f"reward of trial {number} must be finite, or None for a failed child; got {reward}"
            )
        return values if several else values[0]

    def check_objectives(self, count: int) -> None:
        """Check that a host has as many objectives as this strategy.

        Raises:
            ValueError: If it has not; the message says what to do.
        """
        if count != self.objectives:
            remedy = (
                f"search on {self.objectives}, or take a strategy of one objective"
                if count == 1
                else "take a strategy of several, such as ParetoPredictor(space, "
                f"objectives={count}), or weigh them in one reward, as MnasNetReward does with "
                "accuracy and latency"
            )
            raise ValueError(
                f"{type(self).__name__} searches on {_objectives(self.objectives)}, and there "
                f"{'is' if count == 1 else 'are'} {_objectives(count)}: {remedy}"
            )

    def reseed(self, seed: int) -> None:
        """Take another seed and forget everything told.

        An adapter calls this on a strategy that was given no seed (``seeded`` is False), with one
        that follows from its host's record, so that all processes on that record have the same.

        Raises:
            ValueError: If the seed is negative or not an integer.
        """
        self.seed = _checked(seed)
        self._reset()

    def follow(self, record: Sequence[Told]) -> None:
        """Take in what ``record`` holds beyond `history`; where the two disagree, replay it.

        With this an adapter brings a strategy to the state of its host's record, whoever wrote
        that: a process that saw the results in another order, or none of them, proposes what all
        others propose.
        """
        pairs = enumerate(zip(self._history, record, strict=False))
        agreed = next(
            (k for k, (mine, theirs) in pairs if mine is not theirs and mine != theirs),
            min(len(self._history), len(record)),
        )
        if agreed < len(self._history):
            self._rewind(agreed)
        self._take(record[len(self._history) :])

    def _rewind(self, most: int) -> None:
        """Return to a state of which at most the first ``most`` results are part: the last that was
        kept, or the first one.

        Results come late where many machines share a record, and their clocks differ.
        """
        while self._states and self._states[-1][0] > most:
            self._states.pop()
        history, seen = self._history, self._range
        if self._states:
            count, (state, digest) = self._states[-1]
            seen = Range().over(history[:count])
        if not self._states or any(self._learns_otherwise(told, seen) for told in history[:count]):
            self._reset()
            return
        del self._history[count:], self._keys[count:]
        self._known, self._range = set(self._keys), seen
        self._large = any(map(is_large, self._history))
        self._digest = digest
        self._restore(state)

    def _state(self) -> Any:
        """A copy of what was learned, which `_restore` takes; None where learning it anew from the
        history costs next to nothing."""
        return None

    def _restore(self, state: Any) -> None:
        """Return to the state of which ``state`` is a copy."""
        raise NotImplementedError

    def _declares(self) -> bool:
        """Whether `_learned` tells all that was learned: a subclass may know nothing of it."""
        kinds = type(self).__mro__

        def place(name: str) -> int:
            return next(k for k, kind in enumerate(kinds) if name in vars(kind))

        return bool(self._learned) and place("_learned") <= min(place("_learn"), place("_forget"))

    def _values(self) -> dict[str, Any]:
        """What was learned, by name."""
        return {name: getattr(self, name) for name in self._learned}

    def _take_values(self, values: Mapping[str, Any]) -> None:
        """Take over what was learned."""
        for name, value in values.items():
            setattr(self, name, value)

    def _reset(self) -> None:
        self._states.clear()
        self._history.clear()
        self._keys.clear()
        self._known.clear()
        self._range, self._large = Range(), False
        self._digest, self._spent = snapshots.START, 0.0
        self._forget()

    @one_thread()
    def _take(self, results: Sequence[Told]) -> None:
        """Take in new results. What is learned from penalties and from children beyond a limit
        depends on the worst and the best reward. If that changes, everything is learned anew, so
        that the state still follows from the history alone."""
        known, large = self._history, self._large or any(map(is_large, results))
        seen = Range().over([*known, *results]) if large else self._range.over(results)
        if seen != self._range and any(self._learns_otherwise(told, seen) for told in known):
            results = [*known, *results]
            self._reset()
        self._range, self._large = seen, large
        for told in results[0 if self._history else self._resume(results) :]:
            self._book(told)

    def _resume(self, results: Sequence[Told]) -> int:
        """Before the first result: take over the snapshot that has learned the most of ``results``,
        and say how many they are."""
        self._snapshot_key = None
        if self.snapshots is None or not results or not self._declares():
            return 0
        like = self._values()
        self._snapshot_key = snapshots.key_of(self, like)
        lessons = (
            (self.space.encode(told.params), lesson(told, self._range, self.objectives))
            for told in results
        )
        found = snapshots.latest(self.snapshots, self._snapshot_key, lessons, like)
        if found is None:
            return 0
        name, values = found
        for told in results[: name.results]:
            self._note(told)
        self._digest = bytes.fromhex(name.digest)
        self._take_values(values)
        return name.results

    def _save(self) -> None:
        """Keep a snapshot, if there are any of this strategy."""
        self._spent = 0.0
        if self.snapshots is not None and self._snapshot_key is not None:
            content = snapshots.pack(self._values())
            if content is not None:
                name = snapshots.Name(len(self._history), self._digest.hex())
                self.snapshots.write(self._snapshot_key, name, content)

    def _learns_otherwise(self, told: Told, seen: Range) -> bool:
        """Whether a result that is known teaches something else once the range is ``seen``."""
        return bool(told.excess or is_large(told)) and (
            lesson(told, self._range, self.objectives) != lesson(told, seen, self.objectives)
        )

    def _note(self, told: Told) -> None:
        self._keys.append(self.space.key(told.params))
        self._known.add(self._keys[-1])
        self._history.append(told)

    def _book(self, told: Told) -> None:
        indices = self.space.encode(told.params)
        self._note(told)
        learned = lesson(told, self._range, self.objectives)
        self._digest = snapshots.after(self._digest, indices, learned)
        if learned is not None:
            before = time.thread_time()
            self._learn(indices, learned)
            self._spent += time.thread_time() - before
        if self._spent > _SECONDS:
            self._save()
        if len(self._history) % _BETWEEN == 0 and (state := self._state()) is not None:
            self._states.append((len(self._history), (state, self._digest)))
            if len(self._states) > _KEPT:
                del self._states[: _KEPT // 2 : 2]  # the older they are, the fewer

    @abstractmethod
    def _propose(self, number: int, rng: np.random.Generator) -> Params:
        """Draw an architecture for trial ``number``; called again if it is already known."""

    @abstractmethod
    def _learn(self, indices: tuple[int, ...], reward: Any) -> None:
        """Learn that the architecture at ``indices`` scored ``reward``: a float, or a tuple of
        floats if there are several objectives."""

    @abstractmethod
    def _forget(self) -> None:
        """Return to the state before the first `_learn`."""


def check_several(objectives: int, alternative: str) -> None:
    """Refuse fewer than two objectives; ``alternative`` is a strategy of one.

    Raises:
        ValueError: If there are fewer.
    """
    check_integer("objectives", objectives)
    if objectives < 2:
        raise ValueError(f"objectives must be at least 2, got {objectives}; {alternative} has one")


def _objectives(count: int) -> str:
    return "one objective" if count == 1 else f"{count} objectives"


def _checked(seed: int) -> int:
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise ValueError(f"seed must be an integer from 0, or None, got {seed!r}")
    return int(seed)
