"""One search on one problem, with any number of simulated workers."""

from __future__ import annotations

import heapq
import random
import time

import numpy as np

from benchmarks.contenders import Contender, Exhausted, Plan, Proposal
from benchmarks.problems import Source
from benchmarks.records import Record, points

SHORTEST, LONGEST = 0.5, 1.5  # of an evaluation, in simulated time; uniform


def search(contender: Contender, source: Source, plan: Plan) -> Record:
    """Run one search to its end.

    Each answer of `Search.ask` is an evaluation, even if it repeats an architecture. Results are
    told in the order in which the workers finish. A search that proposes nothing more keeps its
    standing. Time is processor time in ``ask`` and ``tell``, without imports and evaluations.
    """
    problem = source.load(plan.seed)
    random.seed(plan.seed)  # some peers draw from the global generators
    np.random.seed(plan.seed)  # noqa: NPY002
    contest = contender.start(problem, plan)
    running: list[tuple[float, int, Proposal]] = []  # a heap: the next to finish comes first
    standing = source.standing()
    seconds, now, asked = 0.0, 0.0, 0
    curve = []
    while True:
        while asked < plan.evaluations and len(running) < plan.workers:
            start = time.process_time()
            try:
                proposal = contest.ask()
            except Exhausted:
                break
            seconds += time.process_time() - start
            heapq.heappush(running, (now + _duration(plan, asked), asked, proposal))
            asked += 1
        if not running:
            break
        now, number, proposal = heapq.heappop(running)
        outcome = problem.evaluate(proposal.params, number)
        start = time.process_time()
        contest.tell(proposal, outcome.value)
        seconds += time.process_time() - start
        curve.append((standing.add(outcome), seconds))
    if not curve:
        raise RuntimeError(f"{contender.name} proposed nothing")
    bests, times = zip(
        *(curve[min(point, len(curve)) - 1] for point in points(plan.evaluations)), strict=True
    )
    return Record(source.name, contender.name, contender.version, plan, bests, times)


def _duration(plan: Plan, number: int) -> float:
    return float(np.random.default_rng((plan.seed, 2, number)).uniform(SHORTEST, LONGEST))
