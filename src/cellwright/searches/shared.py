"""``--supernet``: shared weights are trained once, and say which children are worth a training."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from cellwright.plugins import Evaluation, SharedScore, Supernet, make_strategy
from cellwright.plugins.metrics import PREDICTED
from cellwright.plugins.registry import takes
from cellwright.plugins.scoring.rewards import usual_reward
from cellwright.plugins.supernet.search import Judge, best_shared, search_shared
from cellwright.search_spaces import CellwrightError, ChildFailed, Params
from cellwright.search_spaces.piece_costs import PieceCosts
from cellwright.searches.computed import counted
from cellwright.searches.folder import read_settings
from cellwright.searches.settings import FILE, KeptScore, Settings

FOLDER = "supernet"  # in that of the search
TRIALS = 1000  # children that are scored, by default
_KEPT = 200  # scores from which a strategy learns: to so many a predictor is fitted
_LEARNED = 0.95  # of the loss of guessing, below which a supernet has begun to learn

OnEpoch = Callable[[int, int, float], None]
OnChild = Callable[[int, int, float | None], None]


def known_scores(folder: Path, settings: Settings) -> Settings | None:
    """The settings with the scores that the search in ``folder`` began with; None if it has not
    begun."""
    if not (folder / FILE).exists():
        return None
    before = read_settings(folder)
    return replace(settings, shared=before.shared) if before.shared else None


def make_supernet(folder: Path, settings: Settings, evaluation: Evaluation) -> Supernet:
    """The supernet of a search, as far as it has been trained.

    Raises:
        UnbuildableChild, ValueError: If there is none for such a space, data or recipe.
        CorruptedState: If its folder holds another one.
    """
    kept = folder / FOLDER if settings.supernet_folder is None else Path(settings.supernet_folder)
    recipe = settings.make_recipe()
    return Supernet(
        evaluation.space,
        evaluation.data,
        replace(recipe, epochs=settings.supernet or recipe.epochs),
        options=settings.options,
        seed=settings.seed,
        folder=kept,
        examples=settings.shared_examples,
    )


def with_scores(
    settings: Settings,
    evaluation: Evaluation,
    supernet: Supernet,
    on_epoch: OnEpoch,
    on_child: OnChild,
    judge: Judge,
) -> Settings:
    """The settings with what a supernet says of the children that its own search proposed.

    Args:
        settings: Of the search, with ``supernet`` epochs.
        evaluation: Of its children.
        supernet: Trained here for as many epochs as it lacks.
        on_epoch: Called with an epoch from 0, how many there are, and the mean training loss.
        on_child: Called with a child from 0, how many there are, and its reward.
        judge: From `judge_of`.

    Raises:
        CellwrightError: If no child is within the limit.
        ChildFailed: If a loss is not finite.
        KeyboardInterrupt: After a batch or a child, if a signal was held back.
    """
    assert settings.supernet is not None
    epochs, number = settings.supernet, settings.shared_trials or TRIALS
    supernet.train(epochs, lambda epoch, loss: on_epoch(epoch, epochs, loss))
    strategy = make_strategy(
        settings.strategy,
        evaluation.space,
        seed=settings.seed,
        **settings.strategy_arguments(evaluation),
    )
    found = search_shared(
        supernet, strategy, number, judge, lambda child, reward: on_child(child, number, reward)
    )
    if not best_shared(found, 1):
        raise CellwrightError(
            f"none of {len(found)} children that were scored by shared weights is within the limit "
            f"of {settings.limit:g}: give a larger --limit, or more --shared-trials"
        )
    return replace(settings, shared=tuple(kept_of(found, evaluation)))


def kept_of(found: list[SharedScore], evaluation: Evaluation) -> list[KeptScore]:
    """What is kept of a search on shared weights: the best children, and as many of the first ones,
    so that a strategy learns from others, too. The best one is the first."""
    best = best_shared(found, _KEPT // 2)
    chosen = {id(one) for one in best}
    others = [one for one in found if id(one) not in chosen and one.reward is not None]
    space = evaluation.space
    return [
        KeptScore(space.encode(one.params), one.score, one.reward)
        for one in (*best, *others[: _KEPT // 2])
        if one.reward is not None
    ]


def judge_of(settings: Settings, evaluation: Evaluation) -> Judge:
    """What a shared score is worth, with the reward and the limit of the search.

    Raises:
        CellwrightError: If the reward or the limit needs what is measured of a built or trained
            child.
    """
    reward = evaluation.reward or usual_reward(evaluation.data.classes)
    limit, predictor = evaluation.limit, evaluation.predictor
    weighs = evaluation.limit is not None or evaluation.reward is not None
    costs = _computed(settings, evaluation) if weighs else {}

    def judge(params: Params, score: float) -> float | None:
        known = {name: float(cost(params)) for name, cost in costs.items()}
        if predictor is not None:
            known[PREDICTED] = predictor(params) * 1000
        if limit is not None and limit.excess(known) > 0:
            return None
        if evaluation.data.classes is None:
            return reward({**known, "val_loss": -score, "loss": -score})
        return reward({**known, "accuracy": score, "val_accuracy": score})

    known = {*costs, *([] if predictor is None else [PREDICTED])}
    sample = dict.fromkeys(("accuracy", "val_accuracy", "loss", "val_loss", *known), 1.0)
    if limit is not None and limit.metric not in known:
        raise CellwrightError(
            f"--supernet {settings.supernet} and a limit on {limit.metric}: of a child with shared "
            f"weights no more is known than {', '.join(sorted(known)) or 'its accuracy'}. Give "
            "--predict FILE, limit its parameters, or leave the limit out"
        )
    try:
        reward(sample)
    except (KeyError, ChildFailed) as error:
        raise CellwrightError(
            f"--supernet {settings.supernet} and the reward: {error}. Of a child with shared "
            f"weights no more is known than {', '.join(sorted(sample))}: give --predict FILE in "
            "place of a measured latency, or leave the reward out"
        ) from error
    return judge


def _computed(settings: Settings, evaluation: Evaluation) -> dict[str, PieceCosts]:
    """What is counted of a child before it is built."""
    if not evaluation.space.has_pieces:
        return {}
    data = evaluation.data
    return {
        name: PieceCosts(
            evaluation.space, name, data.input_shape, data.classes, dict(settings.options)
        )
        for name in sorted(counted(settings.make_meters()))
    }


def about_learning(supernet: Supernet) -> str | None:
    """What a user must know if the supernet has learned nothing yet."""
    loss, guessing = supernet.losses[-1], supernet.guessing_loss
    if loss < _LEARNED * guessing:
        return None
    epochs = f"{supernet.epochs} epoch{'s' if supernet.epochs > 1 else ''}"
    return (
        f"the supernet has hardly learned after {epochs}: its loss is {loss:.4f}, and that of one "
        f"answer for all examples is {guessing:.4f}. Its scores rank children by little but "
        "chance. Train it longer (a larger --supernet, with the same --supernet-folder), or search "
        "without it"
    )


def about_strategy(settings: Settings) -> str | None:
    """What a user must know if the strategy does not learn from shared scores."""
    if settings.supernet is None or takes("strategies", settings.strategy, "prior"):
        return None
    return (
        f"the strategy {settings.strategy} does not learn from what shared weights say: the first "
        f"{settings.shared_first} trials are the best by it, and the others are as without it. "
        "auto and predictor learn from it"
    )
