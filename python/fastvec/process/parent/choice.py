"""How many workers pay for themselves: one env is tried for a moment in a process of its own, and timed.

The env that is tried is one more than the vector has. It is made, reset, stepped with random actions and closed in a
process that ends before the envs of the vector are made, so that nothing of it is left in theirs: no state, no draws
from a global generator, no threads. What it does outside of its process (files, windows) it does as any other does.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable
from dataclasses import dataclass

import gymnasium

from fastvec.process.parent.closing import Patience
from fastvec.process.parent.pool import WorkerPool

__all__ = ["StepCost", "best_num_workers", "measure_step"]

_TIMEOUT = 2.0  # seconds to be stepped in: an env that takes longer is for workers anyway
_ROUND_TRIPS = 15
_MOST_PER_CORE = 32  # workers, of envs that do little but wait
_WORTH = 1.15  # times as fast at least: workers take memory, and may find the machine busier than it was
_WORTH_ANOTHER = 1.1  # the same for more workers than there are cores
# Seconds, of two cores and Python 3.11: what the loop around an env's step takes, in a worker as in the caller; what
# the caller does between the steps of its workers, who wait for it, and what they lose by finding their caches cold
# then (50 us for CartPole, 150 us for MuJoCo's envs); what it takes to wake one and to take its reply; and what a turn
# at a core takes that another process wants, too.
_LOOP = 1.2e-6
_CALLERS_TURN = 120e-6
_PER_WORKER = 30e-6
_TURN_AT_A_CORE = 3e-3


@dataclass(frozen=True)
class StepCost:
    """What a step of an env costs.

    Attributes:
        busy: seconds at a core.
        waiting: seconds for something else, while another process may have the core.
        crowding: how many times as long it took as the core was busy with it, if it did not wait by itself: 1 on a
            quiet machine.
        round_trip: seconds for a message to a worker and back.
    """

    busy: float
    waiting: float
    crowding: float
    round_trip: float


def best_num_workers(cost: StepCost, num_envs: int, cores: int) -> int:
    """The number of workers with which a step of the whole vector takes least; 0 if it takes as long without.

    A step with workers takes as long as the largest share, and not less than all cores together need for the envs and
    for waking those workers that have no core to themselves. Then it takes a message there and back, the caller's
    turn, and, where others want the cores, a turn for whoever has to wait for one.
    """
    busy = cost.busy + _LOOP
    alone = busy + cost.waiting
    between = cost.round_trip + _CALLERS_TURN + _TURN_AT_A_CORE * min(1.0, cost.crowding - 1.0)

    def seconds(workers: int) -> float:
        work = num_envs * busy + max(0, workers - cores) * _PER_WORKER
        return max(math.ceil(num_envs / workers) * alone, work / cores) + between

    most = min(num_envs, cores * _MOST_PER_CORE) if cost.waiting > 0 else min(num_envs, cores)
    best = min(num_envs, cores)
    for workers in range(best + 1, most + 1):
        if seconds(workers) * _WORTH_ANOTHER < seconds(best):
            best = workers
    return best if num_envs * alone > _WORTH * seconds(best) else 0


def measure_step(env_fn: Callable[[], gymnasium.Env], context: str | None, threads: int | None) -> StepCost | None:
    """Try an env; None if that cannot be done, or does not end well or in time."""
    try:
        pool = WorkerPool([env_fn], 1, context=context, threads=threads, restart=False)
    except Exception:  # the vector's own workers say what is wrong
        return None
    cost = None
    ends_by_itself = False
    try:
        pool.descriptions()
        times, round_trips = pool.workers[0].try_env(_TIMEOUT, _ROUND_TRIPS)
        ends_by_itself = True
        if times:
            cost = StepCost(times[0], times[1], times[2], statistics.median(round_trips))
    except Exception:
        pass
    finally:
        pool.close(Patience(to_close=_TIMEOUT), terminate=not ends_by_itself, quietly=True)
    return cost
