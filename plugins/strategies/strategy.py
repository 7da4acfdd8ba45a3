"""What every strategy is: `ask` for a trial's architecture, `tell` what it scored."""

from __future__ import annotations

import math
import secrets
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from cellwright.plugins.strategies.outcome import Range, Rewards, Told, lesson
from cellwright.search_spaces import Params, SearchSpace

__all__ = ["NOTES", "Prediction", "Rewards", "Strategy", "Told"]

# How often `ask` draws anew when a network is already known, and how many mutations it then tries
# before it proposes one a second time: a policy that is sure of itself draws little else, and in a
# space that is used up a strategy must still answer.
_DRAWS = 4
_MUTATIONS = 64


NOTES = ("predicted", "predicted_std")  # names of `Prediction.notes`


class Prediction(NamedTuple):
    """What a strategy expects a trial to score, in the unit of its rewards."""

    mean: float
    std: float

    def notes(self, sign: float) -> dict[str, float]:
        """As hosts store it beside what is measured; ``sign`` is -1 where they minimise."""
        return dict(zip(NOTES, (sign * self.mean, self.std), strict=True))


class Strategy(ABC):
    """Proposes architectures; always maximises; never waits.

    An answer of `ask` is a pure function of the seed, the trial number, what runs, and what has
    been told, in its order: the same calls give the same answers in any process. So the whole state
    is `history`, and a strategy that follows it (`follow`) stands where the first one stood.
    Trials may be asked for and told in any order, and architectures told that nobody asked for.

    Example::

        strategy = RegularizedEvolution(NASNetSpace(), seed=1)
        for number in range(100):
            params = strategy.ask(number)
            strategy.tell(number, params, score(params))

    A subclass gives `_propose`, `_learn` and `_forget`, and nothing else of the books.

    Args:
        space: Where to search.
        seed: 0 or above; None draws one, to be read from `seed`.
        objectives: How many numbers a reward has, all to be maximised, at least 1. With one, a
            reward is that number; with more, a tuple of them.

    Raises:
        ValueError: On a negative seed or one that is no integer, or without an objective.
    """

    def __init__(self, space: SearchSpace, *, seed: int | None = None, objectives: int = 1) -> None:
        if objectives < 1:
            raise ValueError(f"objectives must be at least 1, got {objectives}")
        self.space = space
        self.objectives = objectives
        self.seeded = seed is not None
        self.seed = _checked(secrets.randbits(63) if seed is None else seed)
        self._history: list[Told] = []
        self._range = Range()
        self._keys: list[tuple[int, ...]] = []  # of the history's networks, in its order
        self._known: set[tuple[int, ...]] = set()
        self._running: set[tuple[int, ...]] = set()

    @property
    def history(self) -> tuple[Told, ...]:
        """Everything told, in order: the whole state of a strategy beside its arguments."""
        return tuple(self._history)

    def ask(self, number: int, running: Iterable[Mapping[str, Any]] = ()) -> Params:
        """The architecture to try as trial ``number`` (0 or above).

        A network that has been told before, or that runs now, is not proposed again: after a few
        draws the last one is mutated until it is new, or until `_MUTATIONS` steps have found
        nothing.

        Args:
            number: The trial's.
            running: Architectures that other workers train at this moment.
        """
        rng = np.random.default_rng((self.seed, number))
        self._running = {self.space.key(params) for params in running}
        scheduled = self.space.scheduled(number)
        for _ in range(_DRAWS):
            params = {**self._propose(number, rng), **scheduled}
            if self._is_new(params):
                return params
        for _ in range(_MUTATIONS):
            params = self.space.mutate(params, rng)
            if self._is_new(params):
                break
        return params

    def _is_new(self, params: Params) -> bool:
        """Whether this network has neither been told nor runs while `ask` is answered."""
        key = self.space.key(params)
        return key not in self._known and key not in self._running

    def knows(self, params: Mapping[str, Any]) -> bool:
        """Whether the network of ``params`` has been told, be it as a failure."""
        return self.space.key(params) in self._known

    def predict(self, params: Params) -> Prediction | None:
        """What a trial of ``params`` is expected to score; None if this strategy predicts nothing.

        Like `ask`, it depends on nothing but the seed and what has been told.
        """
        return None

    def tell(
        self,
        number: int,
        params: Mapping[str, Any],
        reward: Rewards | None,
        excess: float = 0.0,
    ) -> None:
        """Record what trial ``number`` scored; None says that its child failed.

        Args:
            number: The trial's.
            params: Its architecture.
            reward: A finite number; with several `objectives`, a tuple or list of so many.
            excess: Without a reward, by what share of a limit the child is beyond it (`Told`), 0 or
                above; 0 if it failed for another reason. What a strategy learns of it: `lesson`.

        Raises:
            InvalidArchitecture: If ``params`` is no point of the space.
            ValueError: If ``reward`` is NaN or infinite, or has another number of values than the
                strategy has objectives; if ``excess`` is below 0 or not finite, or given beside a
                reward. Nothing is recorded then.
        """
        if reward is not None:
            reward = self._checked_reward(number, reward)
        if not 0 <= excess < math.inf or (excess and reward is not None):
            raise ValueError(
                f"excess of trial {number} must be finite, at least 0, and 0 beside a reward; "
                f"got {excess} and the reward {reward}"
            )
        plain = self.space.decode(self.space.encode(params))
        self._take([Told(int(number), plain, reward, float(excess))])

    def _checked_reward(self, number: int, reward: Any) -> Rewards:
        several = np.ndim(reward) > 0
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
        """Check that a host's ``count`` of objectives is this strategy's.

        Raises:
            ValueError: If it is not; the message says what to do.
        """
        if count != self.objectives:
            remedy = (
                "give it so many, or take a strategy of one objective"
                if count == 1
                else f"take one of several, such as ParetoEvolution(space, objectives={count}), or "
                "weigh them in one reward, as MnasNetReward does with accuracy and latency"
            )
            raise ValueError(
                f"{type(self).__name__} searches on {_objectives(self.objectives)}, and there "
                f"{'is' if count == 1 else 'are'} {_objectives(count)}: {remedy}"
            )

    def reseed(self, seed: int) -> None:
        """Take another seed and forget everything told.

        An adapter calls it on a strategy that was given none (``seeded`` is False), with a seed
        that its host's record fixes, so that every process on that record has the same one.
        """
        self.seed = _checked(seed)
        self._reset()

    def follow(self, record: Sequence[Told]) -> None:
        """Be told what ``record`` holds beyond `history`; if they disagree, replay all of it.

        This is how an adapter stands where its host's record stands, whoever wrote it: a process
        that saw the results in another order, or none of them, proposes what all others do.
        """
        told = len(self._history)
        if told > len(record) or any(
            mine is not theirs and mine != theirs
            for mine, theirs in zip(self._history, record, strict=False)
        ):
            self._reset()
            told = 0
        self._take(record[told:])

    def _reset(self) -> None:
        self._history.clear()
        self._keys.clear()
        self._known.clear()
        self._range = Range()
        self._forget()

    def _take(self, results: Sequence[Told]) -> None:
        """Take in new results. What children beyond a limit teach depends on the worst and the best
        reward, so if these change, all is learned anew: the state is that of the history alone."""
        seen = self._range.over(results)
        known = self._history
        if seen != self._range and any(told.excess for told in known):
            results = [*known, *results]
            self._reset()
        self._range = seen
        for told in results:
            self._book(told)

    def _book(self, told: Told) -> None:
        indices = self.space.encode(told.params)
        self._keys.append(self.space.key(told.params))
        self._known.add(self._keys[-1])
        self._history.append(told)
        learned = lesson(told, self._range, self.objectives)
        if learned is not None:
            self._learn(indices, learned)

    @abstractmethod
    def _propose(self, number: int, rng: np.random.Generator) -> Params:
        """Draw an architecture for trial ``number``; called again if it is already known."""

    @abstractmethod
    def _learn(self, indices: tuple[int, ...], reward: Any) -> None:
        """Take in the architecture at ``indices``, which scored ``reward``: a float, or a tuple
        of floats in a strategy of several objectives."""

    @abstractmethod
    def _forget(self) -> None:
        """Go back to the state before the first `_learn`."""


def _objectives(count: int) -> str:
    return "one objective" if count == 1 else f"{count} objectives"


def _checked(seed: int) -> int:
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise ValueError(f"seed must be an integer from 0, or None, got {seed!r}")
    return int(seed)
