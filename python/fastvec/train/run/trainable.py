"""What a run needs of a trainer, whatever its algorithm."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from gymnasium.vector import VectorEnv

from fastvec.train.report import Report

if TYPE_CHECKING:
    from fastvec.train.distributed import World
    from fastvec.train.evaluate import Evaluation


class RunConfig(Protocol):
    """Settings that every algorithm has.

    Attributes:
        seed: of the networks, the exploration and the environments.
        total_timesteps: environment steps in the whole run.
        compile: through torch.compile; None leaves it to the trainer.
        eval_episodes: episodes of an evaluation; 0 for no evaluation at the end.
        eval_every: environment steps between two evaluations; 0 for none under way.
    """

    @property
    def seed(self) -> int: ...
    @property
    def total_timesteps(self) -> int: ...
    @property
    def compile(self) -> bool | None: ...
    @property
    def eval_episodes(self) -> int: ...
    @property
    def eval_every(self) -> int: ...


class Episodes(Protocol):
    """The training episodes of this process.

    Attributes:
        recent: ``(return, length)`` of the newest that have finished.
        mean_return: their mean return; NaN where there is none.
    """

    recent: list[tuple[float, int]]

    @property
    def mean_return(self) -> float: ...


class Trainable(Protocol):
    """A trainer: :class:`fastvec.train.PPO`, or another algorithm's.

    Attributes:
        env_id: of its environments; None where they have none.
        config: its settings, a dataclass.
        world: the processes that train together.
        device: where its networks are.
        compiles: whether it goes through torch.compile.
        resumes_exactly: whether its checkpoints hold the environments; known after the first ``save``.
        global_step: environment steps done.
        num_iterations: iterations in the whole run.
        done: whether all of them are done.
        episodes: the training episodes so far.
    """

    env_id: str | None
    world: World
    device: Any
    compiles: bool
    resumes_exactly: bool

    @property
    def config(self) -> RunConfig: ...
    @property
    def global_step(self) -> int: ...
    @property
    def num_iterations(self) -> int: ...
    @property
    def done(self) -> bool: ...
    @property
    def episodes(self) -> Episodes: ...

    def iterate(self) -> Report:
        """Do one iteration; :class:`fastvec.train.report.TrainingDiverged` when a number is not finite."""

    def save(self, path: Path) -> None:
        """Write a checkpoint; all processes call it."""

    def evaluate(
        self,
        episodes: int,
        *,
        envs: VectorEnv,
        seed: int | None = None,
        deterministic: bool = True,
        on_step: Callable[[], None] | None = None,
    ) -> Evaluation:
        """Play whole episodes in ``envs``, which stay open; training is not disturbed."""

    def make_evaluation_envs(self, episodes: int, **kwargs: Any) -> VectorEnv:
        """Make environments like those of training, for so many episodes."""

    def close(self) -> None:
        """Close the environments."""
