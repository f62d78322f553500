"""What a run needs of a trainer, whatever its algorithm."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from gymnasium.vector import VectorEnv

from fastvec.train.report import Report

if TYPE_CHECKING:
    from fastvec.train.distributed import World
    from fastvec.train.evaluate import Evaluation


class RunConfig(Protocol):
    """Settings that every algorithm has."""

    @property
    def seed(self) -> int:
        """Of the networks, the exploration and the environments."""

    @property
    def total_timesteps(self) -> int:
        """Environment steps in the whole run."""

    @property
    def compile(self) -> bool | None:
        """Whether to go through torch.compile; None leaves it to the trainer."""

    @property
    def eval_episodes(self) -> int:
        """Episodes of an evaluation; 0 for no evaluation at the end."""

    @property
    def eval_every(self) -> int:
        """Environment steps between two evaluations; 0 for none under way."""


class Episodes(Protocol):
    """The training episodes of this process.

    Attributes:
        recent: ``(return, length)`` of the newest that have finished.
    """

    recent: list[tuple[float, int]]

    @property
    def mean_return(self) -> float:
        """Mean return of the recent ones; NaN where there is none."""


class Trainable(Protocol):
    """A trainer: :class:`fastvec.train.PPO`, or another algorithm's.

    Attributes:
        env_id: of its environments; None where they have none.
        world: the processes that train together.
        device: where its networks are.
        compiles: whether it goes through torch.compile.
        resumes_exactly: whether its checkpoints hold the environments; known after the first ``save``.
        notes: what a user should know before it begins, a sentence each.
    """

    env_id: str | None
    world: World
    device: Any
    compiles: bool
    resumes_exactly: bool
    notes: Sequence[str]

    @property
    def config(self) -> RunConfig:
        """Its settings: a dataclass, with those of the algorithm beside these."""

    @property
    def global_step(self) -> int:
        """Environment steps done, over all environments of all processes."""

    @property
    def num_iterations(self) -> int:
        """Iterations in the whole run."""

    @property
    def done(self) -> bool:
        """Whether all of them are done."""

    @property
    def episodes(self) -> Episodes:
        """The training episodes so far."""

    def iterate(self) -> Report:
        """Do one iteration.

        Raises:
            TrainingDiverged: a number is not finite.
        """

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
