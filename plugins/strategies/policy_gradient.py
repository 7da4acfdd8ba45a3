"""What the strategies with a recurrent controller share: its settings, and how it is trained."""

from __future__ import annotations

import copy
import math
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Unpack

import numpy as np

from cellwright.plugins.strategies.adam import Adam
from cellwright.plugins.strategies.arrays import Array, Indices, Mask
from cellwright.plugins.strategies.baseline import read_baseline
from cellwright.plugins.strategies.controller.controller import Controller
from cellwright.plugins.strategies.imitation import Scored, drawn_from, with_result
from cellwright.plugins.strategies.origins import Batch, are_drawn, taken
from cellwright.plugins.strategies.policy_options import PolicyOptions, check_names
from cellwright.plugins.strategies.strategy import Strategy
from cellwright.search_spaces import Params, SearchSpace
from cellwright.search_spaces.arguments import (
    check_flag,
    check_integer,
    check_number,
)

# Trials are sampled in groups, numbers 0..7, 8..15 and so on, each with its own random numbers: a
# group costs little more than a trial, and an answer still depends on its number alone.
_GROUP = 8
_REDRAWS = 7  # further draws at a time, where the first gave a known network


class PolicyGradient(Strategy):
    """A recurrent controller that proposes architectures and learns from batches of rewards.

    Architectures are sampled from the controller, and each action is fed back as the next input. A
    subclass implements `_update`, which changes the controller's weights by one batch, and lists in
    `_defaults` which of the options it takes.

    A result counts by the policy that drew its architecture: of the present one, and the four
    before it, the latest that would have drawn it for the trial's number (`origins`). One that none
    of them drew, because it was enqueued, mutated, found by another search or proposed with fixed
    decisions, counts as if each of its decisions had been drawn uniformly.

    With ``imitation`` above 0, each step also raises the log-likelihood of some of the 32 best
    results so far, wherever they come from (priority queue training, Abolafia et al. 2018, section
    3.2; here the better ones count for more). A policy that draws from fifty decisions learns so
    from tens of results, and from finished trials that it is told, what its gradient alone needs
    hundreds for.

    Args:
        space: The space to search.
        seed: See `Strategy`.
        cell: ``"nas"`` (the book's) or ``"lstm"`` (the papers'). Default ``"lstm"``.
        units: Width of the controller, at least 1. Default 32; 100 in `HybridReinforce`.
        learning_rate: Adam's, above 0. Default 0.01; 0.005 in `HybridReinforce`.
        batch: Results in each update, at least 1. Default 8; 16 in `PPO`, 10 in `HybridReinforce`.
        entropy_weight: 0 or above; rewards a policy that stays undecided (`Controller.accumulate`).
            Default 0.06; 0.08 in `Reinforce`, 1e-2 in `HybridReinforce`.
        baseline: What rewards are compared with: a `Baseline`, or what `read_baseline` takes for
            one, such as ``"rolling-window"`` or ``{"window": 20}``. Default (None) a
            `MovingAverage`; in `HybridReinforce` a ``Constant(0.5)``.
        layers: Recurrent layers, at least 1. Default 1.
        initial: Initial weights are drawn between -``initial`` and ``initial``, above 0. Default
            0.1.
        standardise: Whether to divide advantages by their running root mean square, so that the
            scale of the reward does not matter. Default True; `HybridReinforce`, which normalises
            each batch, does not take it.
        imitation: Weight of the log-likelihood of the best results, at least 0, where that of a
            result of the batch is its advantage. Default 0.3; `HybridReinforce` does not take it.
        entropy_rise: Results over which ``entropy_weight`` rises from 0 to its value: a policy
            that imitates is to become sure early, and not too sure later. 0 for the whole weight
            from the first result on. Default 200; `HybridReinforce` does not take it.

    Raises:
        ValueError: If an argument is out of range.
        TypeError: If the strategy has no argument of that name.
    """

    _controller_type: type[Controller] = Controller
    _past: list[Array]  # the weights before the last updates
    _best: list[Scored]
    _keeps = 4  # policies, each from before an update: they drew what slow workers train
    _defaults: ClassVar[PolicyOptions] = {
        "cell": "lstm", "units": 32, "learning_rate": 0.01, "batch": 8, "entropy_weight": 0.06,
        "baseline": None, "layers": 1, "initial": 0.1, "standardise": True, "imitation": 0.3,
        "entropy_rise": 200,
    }  # fmt: skip

    # Attributes that `_learn` changes, beside the controller's weights.
    _learned: ClassVar[tuple[str, ...]] = (
        "baseline", "_optimizer", "_waiting", "_scored", "_squares", "_past", "_best",
    )  # fmt: skip

    def __init__(
        self, space: SearchSpace, *, seed: int | None = None, **options: Unpack[PolicyOptions]
    ) -> None:
        check_names(type(self), options, self._defaults)
        super().__init__(space, seed=seed)
        chosen: PolicyOptions = {**self._defaults, **options}
        self.batch, self.entropy_weight = chosen["batch"], chosen["entropy_weight"]
        check_integer("batch", self.batch)
        check_number("entropy_weight", self.entropy_weight, least=0)
        check_number("learning_rate", chosen["learning_rate"], above=0)
        self.standardise = chosen.get("standardise", False)
        check_flag("standardise", self.standardise)
        self.imitation = chosen.get("imitation", 0.0)
        check_number("imitation", self.imitation, least=0)
        self.entropy_rise = chosen.get("entropy_rise", 0)
        check_integer("entropy_rise", self.entropy_rise, 0)
        self.baseline = read_baseline(chosen["baseline"])
        self._options = chosen
        self._log_sizes = np.log([len(decision.choices) for decision in space.decisions])
        self._forget()

    def _arguments(self) -> dict[str, Any]:
        options = dict(self._options)
        changed = {n: x for n, x in options.items() if x != self._defaults.get(n)}
        return {**super()._arguments(), **changed}

    @abstractmethod
    def _update(self, batch: Batch, advantages: Array) -> None:
        """Improve the policy by one batch and its advantages, (batch,)."""

    def _improve(self, batch: Batch, weigh: Callable[[Array], Array], epochs: int) -> None:
        """Take ``epochs`` steps along the policy's gradient, and towards the best results. Of the
        batch, grad log pi is multiplied by what ``weigh`` makes of the actions' log-probabilities,
        both (batch, decisions)."""
        size, rise = len(batch.actions), self.entropy_rise
        entropy_weight = self.entropy_weight * (min(1.0, self._scored / rise) if rise else 1.0)
        rng = self._stream(self._scored, 3)
        for _ in range(epochs):
            rows, active, weigh_all = batch.actions, batch.active, weigh
            if self.imitation:
                actions, shares = drawn_from(self._best, rng)
                rows = np.concatenate([rows, actions])
                active = np.concatenate([active, self._active(actions)])
                weigh_all = self._with_imitation(weigh, size, shares)
            self.controller.accumulate(rows, weigh_all, entropy_weight, active)
            self._step()

    def _with_imitation(
        self, weigh: Callable[[Array], Array], size: int, shares: Array
    ) -> Callable[[Array], Array]:
        """What grad log pi is multiplied by, for ``size`` results and some of the best after them;
        the loss is a mean over them all."""
        count = size + len(shares)
        imitated = count * self.imitation * shares[:, None]

        def weigh_all(log_p: Array) -> Array:
            others = np.broadcast_to(imitated, log_p[size:].shape)
            return np.concatenate([count / size * weigh(log_p[:size]), others])

        return weigh_all

    def _step(self) -> None:
        """Take one step of the optimizer down the controller's gradient."""
        self._optimizer.step(self.controller.weights, self.controller.gradient)
        self.controller.changed()

    def _propose(self, number: int, rng: np.random.Generator) -> Params:
        params = self.space.decode(self._first_draw(number).tolist())
        if self._is_new(params):
            return params
        draws = rng.random((_REDRAWS, len(self.space.decisions)))
        found = [self.space.decode(indices) for indices in self._sample(number, draws).tolist()]
        return next((params for params in found if self._is_new(params)), found[-1])

    def _first_draw(self, number: int) -> Indices:
        if self._fixed:
            alone: Indices = self._sample(number, self._draws_of(number)[:1])[0]
            return alone
        group = number // _GROUP
        if group not in self._sampled:
            numbers = range(group * _GROUP, (group + 1) * _GROUP)
            draws = [self._stream(n).random(len(self.space.decisions)) for n in numbers]
            self._sampled[group] = self.controller.sample(np.stack(draws), self._given(numbers))
        return np.asarray(self._sampled[group][number % _GROUP])

    def _sample(self, number: int, draws: Array) -> Indices:
        """What the policy draws from uniform numbers for one trial, both (tries, decisions); what
        is not open is known to it."""
        found: Indices = self.controller.sample(draws, self._given([number] * len(draws)))
        return found

    def _draws_of(self, number: int) -> Array:
        """The uniform numbers from which `_propose` draws first, (tries, decisions)."""
        count = len(self.space.decisions)
        again = np.random.default_rng((self.seed, number)).random((_REDRAWS, count))
        return np.concatenate([self._stream(number).random((1, count)), again])

    def _given(self, numbers: Sequence[int]) -> Indices | None:
        """What is not open in these trials, so that the other actions are drawn knowing it."""
        not_open = [self._settled(number) for number in numbers]
        if not any(not_open):
            return None
        return np.array(
            [
                [
                    d.index(settled[d.name]) if d.name in settled else -1
                    for d in self.space.decisions
                ]
                for settled in not_open
            ]
        )

    def _stream(self, *key: int) -> np.random.Generator:
        """Random numbers of this strategy's own, apart from those that `ask` draws from."""
        return np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=key))

    def _learn(self, indices: tuple[int, ...], reward: float) -> None:
        advantage = self.baseline.advantage(reward)
        self._scored += 1
        self._squares += (advantage**2 - self._squares) / min(self._scored, 100)
        self._waiting.append((self._history[-1].number, indices, advantage))
        if self.imitation:
            self._best = with_result(self._best, indices, reward)
        if len(self._waiting) < self.batch:
            return
        numbers, actions, found = zip(*self._waiting, strict=True)
        advantages = np.array(found)
        if self.standardise and self._squares > 0:
            advantages = np.clip(advantages / math.sqrt(self._squares), -3.0, 3.0)
        batch = self._with_origins(np.array(numbers), np.array(actions, dtype=np.intp))
        if self._keeps:
            self._past = [*self._past, self.controller.weights.copy()][-self._keeps :]
        self._update(batch, advantages)
        self._waiting.clear()
        self._sampled.clear()

    def _with_origins(self, numbers: Indices, actions: Indices) -> Batch:
        """The results of a batch, and which of the known policies drew them."""
        active = self._active(actions)
        draws = np.stack([self._draws_of(number) for number in numbers.tolist()])
        log_p = self.controller.log_policy(actions)
        log_now = taken(log_p, actions)
        own = are_drawn(log_p, draws, actions, active)
        log_drawn = np.where(own[:, None], log_now, -self._log_sizes)
        now = self.controller.weights.copy()
        for weights in reversed(self._past):
            left = np.flatnonzero(~own)
            if not len(left):
                break
            self._take_weights(weights)
            log_p = self.controller.log_policy(actions[left])
            drawn = are_drawn(log_p, draws[left], actions[left], active[left])
            own[left[drawn]] = True
            log_drawn[left[drawn]] = taken(log_p, actions[left])[drawn]
        self._take_weights(now)
        return Batch(numbers, actions, active, log_now, log_drawn, own)

    def _active(self, actions: Indices) -> Mask:
        return np.array([self.space.active(self.space.decode(row)) for row in actions.tolist()])

    def _take_weights(self, weights: Array) -> None:
        self.controller.weights[:] = weights  # in place: the names are views of it
        self.controller.changed()

    def _state(self) -> Any:
        if not self._declares():
            return None
        return {name: _copied(value) for name, value in self._values().items()}

    def _restore(self, state: Any) -> None:
        self._take_values({name: _copied(value) for name, value in state.items()})

    def _values(self) -> dict[str, Any]:
        return {**super()._values(), "weights": self.controller.weights}

    def _take_values(self, values: Mapping[str, Any]) -> None:
        others = dict(values)
        self._take_weights(others.pop("weights"))
        self._sampled.clear()
        super()._take_values(others)

    def _forget(self) -> None:
        options = self._options
        self.controller = self._controller_type(
            [len(decision.choices) for decision in self.space.decisions],
            self._stream(0, 0),
            cell=options["cell"],
            units=options["units"],
            layers=options["layers"],
            initial=options["initial"],
            anchors=self.space.anchors,
        )
        self._sampled: dict[int, Indices] = {}
        self._optimizer = Adam(self.controller.weights.size, options["learning_rate"])
        self.baseline.reset()
        self._waiting: list[tuple[int, tuple[int, ...], float]] = []
        self._past = []
        self._best = []
        self._scored = 0
        self._squares = 0.0


def _copied(value: Any) -> Any:
    """A copy; of a list, whose parts nobody changes, only itself."""
    return value[:] if isinstance(value, list) else copy.deepcopy(value)
