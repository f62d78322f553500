"""What a run can be told: a frozen dataclass for each algorithm. The command line is made from it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, get_args

AutoresetName = Literal["NextStep", "SameStep", "Disabled"]
AnnealShape = Literal["linear", "cosine"]
Activation = Literal["tanh", "relu", "silu"]
MatmulPrecision = Literal["highest", "high", "medium"]

# What each setting may be. Gamma and lambda may be 1; a gradient norm may be infinite, which clips nothing.
LEAST_INTEGERS = {
    **dict.fromkeys(("total_timesteps", "num_envs", "num_steps", "num_minibatches", "update_epochs"), 1),
    **dict.fromkeys(("lstm_size", "seed", "eval_episodes", "eval_every", "learning_starts", "warmup_steps"), 0),
    **dict.fromkeys(("buffer_size", "batch_size", "n_step", "actor_width", "critic_width", "num_blocks"), 1),
    "num_atoms": 2,
    "eval_max_episode_steps": 1,
    **dict.fromkeys(("torch_threads", "num_threads", "env_groups"), 1),
}
NUMBERS: dict[str, tuple[str, Callable[[float], bool]]] = {
    **dict.fromkeys(
        ("gamma", "gae_lambda", "tau", "q_lambda", "epsilon_start", "epsilon_end", "exploration_fraction"),
        ("between 0 and 1", lambda x: 0.0 <= x <= 1.0),
    ),
    **dict.fromkeys(("learning_rate", "vf_coef"), ("at least 0, and finite", lambda x: 0.0 <= x < math.inf)),
    **dict.fromkeys(
        ("clip_coef", "adam_eps", "updates_per_step", "initial_temperature", "value_range"),
        ("positive and finite", lambda x: 0.0 < x < math.inf),
    ),
    **dict.fromkeys(("max_grad_norm", "target_kl"), ("positive", lambda x: x > 0.0)),
    **dict.fromkeys(("ent_coef", "log_std_init", "target_entropy", "stop_at_return"), ("finite", math.isfinite)),
}
MAY_BE_NONE = ("target_kl", "target_entropy", "stop_at_return", "torch_threads", "num_threads", "env_groups")


def check_numbers(config: object) -> None:
    """Hold the numbers of a dataclass of settings to LEAST_INTEGERS and NUMBERS.

    Raises:
        TypeError, ValueError: the first one that is no number, or out of its range.
    """
    names = [field.name for field in fields(config)]  # type: ignore[arg-type]
    for name in names:
        value = getattr(config, name)
        if value is None and name in MAY_BE_NONE:
            continue
        if name in LEAST_INTEGERS:
            if not isinstance(value, int) or isinstance(value, bool):
                raise TypeError(f"{name} must be an integer, got {value!r}")
            if value < LEAST_INTEGERS[name]:
                raise ValueError(f"{name} must be at least {LEAST_INTEGERS[name]}, got {value}")
        if name in NUMBERS:
            words, fits = NUMBERS[name]
            if not isinstance(value, int | float) or isinstance(value, bool):
                raise TypeError(f"{name} must be a number, got {value!r}")
            if not fits(value):  # NaN fits nothing
                raise ValueError(f"{name} must be {words}, got {value}")


def check_choices(config: object, **choices: Any) -> None:
    """Hold settings to their Literal types, by name.

    Raises:
        ValueError: the first one that is none of them.
    """
    for name, literal in choices.items():
        if getattr(config, name) not in get_args(literal):
            raise ValueError(f"{name} must be one of {', '.join(get_args(literal))}, got {getattr(config, name)!r}")


@dataclass(frozen=True, kw_only=True)
class TrainerConfig:
    """The settings that every algorithm has."""

    total_timesteps: int = 1_000_000
    """Environment steps in the whole run, summed over the parallel environments."""
    num_envs: int = 64
    """Parallel environments (of each process, under torchrun)."""
    seed: int = 1
    """Seeds the networks, the exploration and the environments (seed, seed + 1, ...)."""
    device: str = "auto"
    """"cpu", "cuda", "cuda:1", ... or "auto": CUDA where there is one."""
    compile: bool | None = None
    """Run through torch.compile (--compile / --no-compile). By default only runs long enough to gain from it
    are."""
    cuda_graphs: bool = True
    """With CUDA: record acting, estimating and each pass of the update as CUDA graphs (--no-cuda-graphs launches their
    operations one by one, for debugging)."""
    matmul_precision: MatmulPrecision = "high"
    """With CUDA: how exact float32 products are, as torch.set_float32_matmul_precision has it: "highest" is full
    float32, "high" is TF32 on tensor cores (which PyTorch advises where 10 bits of mantissa do), "medium" also allows
    bfloat16."""
    torch_threads: int | None = None
    """CPU threads for the networks; by default as many as have a millisecond of a minibatch to do, at most what PyTorch
    chooses and one per core. A large minibatch is cut into one part for each, and a batch of SAC earlier."""

    stop_at_return: float | None = None
    """End the run as soon as the last 100 training episodes have at least this mean return."""
    anneal_shape: AnnealShape = "linear"
    """How settings that are annealed get to zero: evenly, or along half a wave (--no-anneal-lr keeps a constant
    learning rate)."""
    warmup_steps: int = 0
    """Environment steps in which the learning rate rises evenly to what it is without them."""

    autoreset_mode: AutoresetName = "NextStep"
    """How finished environments start again; the trainer is right in all three."""
    backend: str | None = None
    """fastvec's backend ("native", "process" or "ale"; by default the fastest that knows the environment), or
    "gymnasium" for Gymnasium's SyncVectorEnv."""
    num_threads: int | None = None
    """Threads that step the environments, or processes where they are in Python; by default what fastvec chooses."""
    env_groups: int | None = None
    """Groups of environments that step in turn, one while a CUDA device chooses the actions of another; by default 2
    with CUDA, else 1."""
    eval_episodes: int = 100
    """Episodes of a greedy evaluation, in environments of its own: at the end of the run, and as eval_every says. 0
    leaves it out."""
    eval_every: int = 0
    """Also evaluate whenever this many more steps have been taken, and keep the best policy in best.pt; 0 is
    never."""
    eval_max_episode_steps: int = 20_000
    """An episode of an evaluation that goes on for so many steps is counted as it stands: without a time limit a greedy
    policy can walk in circles for ever."""

    def __post_init__(self) -> None:
        check_numbers(self)
        check_choices(self, autoreset_mode=AutoresetName, matmul_precision=MatmulPrecision, anneal_shape=AnnealShape)
        if self.eval_every and not self.eval_episodes:
            raise ValueError(f"eval_every is {self.eval_every}, but eval_episodes is 0: how many episodes?")
        if self.env_groups is not None and self.num_envs % self.env_groups:
            raise ValueError(f"env_groups must divide num_envs = {self.num_envs}, got {self.env_groups}")

    def compiles(self, device_type: str = "cpu", *, ahead: bool = True) -> bool:
        """Whether a run on a ``device_type`` is compiled; an algorithm may know when that pays.

        Args:
            device_type: "cpu" or "cuda".
            ahead: whether its programs can be built ahead and kept, as those of stateless networks on a CPU are.
        """
        return bool(self.compile)


@dataclass(frozen=True, kw_only=True)
class OnPolicyConfig(TrainerConfig):
    """The settings of algorithms that learn from rollouts of their current policy, with CleanRL's names."""

    num_steps: int = 64
    """Steps in each environment between two updates (the length of a rollout)."""
    num_minibatches: int = 4
    """Minibatches that each rollout is cut into; must divide num_envs * num_steps."""
    update_epochs: int = 4
    """Passes over each rollout."""
    learning_rate: float = 3e-4
    """Adam's step size at the start."""
    anneal_lr: bool = True
    """Bring the learning rate down to zero over the run, as anneal_shape says."""
    gamma: float = 0.99
    """Discount per step."""
    max_grad_norm: float = 0.5
    """Gradients are scaled down to this global norm."""
    adam_eps: float = 1e-5
    """Adam's epsilon."""
    hidden_sizes: tuple[int, ...] = (64, 64)
    """Widths of the hidden layers of the actor and of the critic."""
    activation: Activation = "tanh"
    """Non-linearity of the hidden layers."""
    layer_norm: bool = False
    """Normalise the features of each hidden layer of built-in networks."""
    lstm_size: int = 0
    """Width of an LSTM behind the hidden layers, which actor and critic then share; 0 is none. Minibatches are then
    whole sequences: num_minibatches must divide num_envs."""
    normalize_obs: bool = False
    """Scale observations by their running mean and variance (kept in the checkpoint)."""
    normalize_reward: bool = False
    """Scale rewards by the running deviation of the discounted return (kept in the checkpoint)."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choices(self, activation=Activation)
        if any(not isinstance(size, int) or size < 1 for size in self.hidden_sizes):
            raise ValueError(f"hidden_sizes must be positive integers, got {self.hidden_sizes}")
        if self.rollout_size % self.num_minibatches:
            raise ValueError(
                f"num_minibatches must divide num_envs * num_steps = {self.rollout_size}, got {self.num_minibatches}"
            )
        if self.lstm_size and self.num_envs % self.num_minibatches:
            raise ValueError(
                f"with an LSTM, num_minibatches must divide num_envs = {self.num_envs}, got {self.num_minibatches}"
            )

    @property
    def rollout_size(self) -> int:
        """Samples in one rollout."""
        return self.num_envs * self.num_steps

    @property
    def minibatch_size(self) -> int:
        """Samples in one gradient step."""
        return self.rollout_size // self.num_minibatches

    @property
    def num_iterations(self) -> int:
        """Rollouts in the whole run of one process; the last one may run past total_timesteps."""
        return self.iterations_of(1)

    def iterations_of(self, processes: int) -> int:
        """Rollouts in the whole run where so many processes share it."""
        return -(-self.total_timesteps // (self.rollout_size * processes))

    def compiles(self, device_type: str = "cpu", *, ahead: bool = True) -> bool:
        """Whether a run on a ``device_type`` is compiled.

        Left open (``compile=None``), it is when what compiling saves is more than what it costs. The rule looks at the
        configuration alone, never at a clock or at what is kept from before, so that a seed gives the same run every
        time. On a CPU, compiling saves about 1 ms per minibatch and 1 us per sample. Programs that are built ahead
        take about half a second the first time (two cores) and nothing after that; ``torch.compile`` takes 40 s and,
        warm, 10 s or more. On CUDA the graphs are captured either way, and compiling fuses their kernels: 15 s, for
        about 0.2 ms per minibatch and 1.3 ns per sample (measured on an H200, minibatches of 256 to 262,144).
        """
        if self.compile is not None:
            return self.compile
        if self.lstm_size:  # its steps are unrolled: compiling takes minutes, and grows with num_steps
            return False
        minibatches = self.num_iterations * self.update_epochs * self.num_minibatches
        if device_type == "cuda":
            return minibatches * (2e-4 + 1.3e-9 * self.minibatch_size) > 20.0
        return minibatches * (1e-3 + 1e-6 * self.minibatch_size) > (0.6 if ahead else 40.0)


@dataclass(frozen=True, kw_only=True)
class PPOConfig(OnPolicyConfig):
    """Hyper-parameters of PPO, with the names that CleanRL made common."""

    gae_lambda: float = 0.95
    """Lambda of generalised advantage estimation."""
    clip_coef: float = 0.2
    """How far the probability ratio may move before the policy loss is clipped."""
    anneal_clip: bool = False
    """Bring clip_coef down to zero over the run, as anneal_shape says."""
    clip_vloss: bool = False
    """Clip the value loss around the rollout's values, as the first PPO code did."""
    norm_adv: bool = True
    """Normalise the advantages of each minibatch."""
    ent_coef: float = 0.0
    """Weight of the entropy bonus."""
    vf_coef: float = 0.5
    """Weight of the value loss."""
    target_kl: float | None = None
    """Stop a rollout's update after the epoch in which the approximate KL divergence passed this."""

    log_std_init: float = 0.0
    """Box actions: logarithm of the noise's standard deviation at the start."""
    rescale_actions: bool = True
    """Box actions: -1 and 1 of the network stand for the bounds of the action space, where those are finite
    (--no-rescale-actions: actions as they are)."""
    state_dependent_std: bool = False
    """Box actions: let the network choose the noise from the observation."""


@dataclass(frozen=True, kw_only=True)
class PQNConfig(OnPolicyConfig):
    """Hyper-parameters of parallelised Q-learning, with PPO's names where they mean the same."""

    num_envs: int = 32
    """Parallel environments (of each process, under torchrun)."""
    num_minibatches: int = 16
    """Minibatches that each rollout is cut into; must divide num_envs * num_steps."""
    learning_rate: float = 5e-4
    """Adam's step size at the start."""
    max_grad_norm: float = 10.0
    """Gradients are scaled down to this global norm."""
    hidden_sizes: tuple[int, ...] = (128, 128)
    """Widths of the hidden layers."""
    activation: Activation = "relu"
    """Non-linearity of the hidden layers."""
    layer_norm: bool = True
    """Normalise the features of each hidden layer: without a target network, it is what keeps Q-learning stable."""
    q_lambda: float = 0.65
    """Lambda of the returns that Q-values learn: 0 looks one step ahead, 1 to the end of the rollout."""
    epsilon_start: float = 1.0
    """Probability of a random action at the start."""
    epsilon_end: float = 0.05
    """Probability of a random action from exploration_fraction of the run on."""
    exploration_fraction: float = 0.5
    """Part of the run over which epsilon comes down linearly."""


NetworkName = Literal["residual", "mlp"]


@dataclass(frozen=True, kw_only=True)
class SACConfig(TrainerConfig):
    """Hyper-parameters of soft actor-critic, with PPO's names where they mean the same."""

    num_envs: int = 1
    """Parallel environments (of each process, under torchrun)."""
    num_steps: int = 1
    """Steps in each environment between two rounds of gradient steps."""
    updates_per_step: float = 1.0
    """Gradient steps per environment step, over all environments: a fraction where there are many of them."""
    learning_starts: int = 5_000
    """Environment steps with random actions before the first gradient step."""
    buffer_size: int = 1_000_000
    """Environment steps that the replay buffer keeps."""
    batch_size: int = 256
    """Transitions in a gradient step."""
    n_step: int = 1
    """Rewards that a transition adds up before it looks at the critic."""
    learning_rate: float = 3e-4
    """Adam's step size, of the actor, the critics and the temperature."""
    anneal_lr: bool = False
    """Bring the learning rate down linearly to zero over the run."""
    gamma: float = 0.99
    """Discount per step."""
    tau: float = 0.005
    """How far the target critics move towards the critics with each gradient step."""
    initial_temperature: float = 0.1
    """Weight of the entropy at the start; it is tuned from there on."""
    target_entropy: float | None = None
    """The entropy that the temperature is tuned for, in nats; by default minus the number of actions."""
    max_grad_norm: float = math.inf
    """Gradients are scaled down to this global norm."""
    adam_eps: float = 1e-8
    """Adam's epsilon."""

    network: NetworkName = "mlp"
    """"mlp": linear layers of hidden_sizes and critics that give a number, as in the first paper. "residual": blocks
    with features and weights of length 1 and distributional critics (SimbaV2); it needs more gradient steps than fit
    into short runs."""
    hidden_sizes: tuple[int, ...] = (256, 256)
    """Widths of the hidden layers of an "mlp"."""
    activation: Activation = "relu"
    """Non-linearity of an "mlp"."""
    actor_width: int = 64
    """Features in the actor of a "residual" network."""
    critic_width: int = 128
    """Features in each critic of a "residual" network."""
    num_blocks: int = 1
    """Blocks in the actor and in each critic of a "residual" network."""
    num_atoms: int = 101
    """Values between -value_range and value_range over which a distributional critic spreads its probability."""
    value_range: float = 5.0
    """The largest value that a distributional critic can give, of returns that are scaled by scale_rewards."""
    normalize_obs: bool = False
    """Scale observations by their running mean and variance (kept in the checkpoint)."""
    scale_rewards: bool | None = None
    """Divide rewards by the running deviation of the discounted return, or by what brings the largest return into
    value_range (kept in the checkpoint); by default with a "residual" network, whose critics need it."""
    save_replay: bool = False
    """Write the replay buffer beside each checkpoint: a run that is resumed goes on bit for bit then. Without, it
    fills a new one with learning_starts steps of its policy first."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choices(self, network=NetworkName, activation=Activation)
        if any(not isinstance(size, int) or size < 1 for size in self.hidden_sizes):
            raise ValueError(f"hidden_sizes must be positive integers, got {self.hidden_sizes}")
        if self.network == "residual" and self.scale_rewards is False:
            raise ValueError(
                "distributional critics know values up to value_range: a residual network needs scale_rewards"
            )
        if self.buffer_size < self.batch_size:
            raise ValueError(f"buffer_size must be at least batch_size = {self.batch_size}, got {self.buffer_size}")

    def compiles(self, device_type: str = "cpu", *, ahead: bool = True) -> bool:
        """Whether gradient steps on a ``device_type`` are compiled, ``ahead`` of the run or as they are first called.

        Left open, they are where that saves more than it costs: on a CPU about 3 ms of each gradient step, and built
        ahead 1 to 5 s, as large as the networks are.
        """
        if self.compile is not None:
            return self.compile
        updates = self.updates_per_step * (self.total_timesteps - self.learning_starts)
        return updates * 3e-3 > (3.0 if ahead and device_type == "cpu" else 40.0)


def known_settings(config: type[Any], values: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Keyword arguments of the dataclass ``config`` from what ``dataclasses.asdict`` made of one, tuples for lists.

    Args:
        config: the dataclass of an algorithm's settings.
        values: by name, as JSON or a checkpoint has them.
        where: what they were read from, for the message.

    Raises:
        ValueError: settings that this version does not know.
    """
    names = {field.name for field in fields(config)}
    if unknown := sorted(set(values) - names):
        raise ValueError(f"{where} has settings that this version of fastvec does not know: {', '.join(unknown)}")
    if "rescale_actions" in names and "rescale_actions" not in values:
        values = {**values, "rescale_actions": False}  # a run from before there was this setting
    return {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
