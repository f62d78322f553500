"""Training and evaluation mode of networks that tell them apart, with dropout or batch normalisation for instance."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from torch import nn


def modules_in_training(network: nn.Module) -> list[nn.Module]:
    """The parts of ``network`` that are in training mode: a user may have put others, that are frozen, out of it."""
    return [module for module in network.modules() if module.training]


@contextmanager
def training_mode(modules: Sequence[nn.Module]) -> Iterator[None]:
    """Put ``modules`` into training mode for a while, and into evaluation mode afterwards."""
    set_training(modules, True)
    try:
        yield
    finally:
        set_training(modules, False)


def set_training(modules: Sequence[nn.Module], training: bool) -> None:
    """Set the mode of these modules alone, not of their parts."""
    for module in modules:
        module.training = training


def depends_on_mode(network: nn.Module) -> bool:
    """Whether a gradient may draw random numbers or change buffers: its rows must stay together then."""
    draws = any(isinstance(module, nn.modules.dropout._DropoutNd) for module in network.modules())
    return draws or any(True for _ in network.buffers())


def keeps_statistics(modules: Sequence[nn.Module]) -> bool:
    """Whether one of ``modules`` is a batch normalisation that follows what it sees in training mode."""
    kinds = nn.modules.batchnorm._NormBase
    return any(isinstance(module, kinds) and module.running_mean is not None for module in modules)
