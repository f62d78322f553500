"""A stateless function of tensors as native code."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from fastvec.train.compiled.build import Build, BuildError, key_of
from fastvec.train.compiled.cache import ArtifactCache
from fastvec.train.compiled.recording import Recording, layout_of, rebuild, tensors_in
from fastvec.vector.cores import usable_cores


class CompiledFunction:
    """``function`` as native code, for each set of shapes that it is called with.

    What distinguishes it from ``torch.compile``: a call costs a few microseconds beside the work; what was built is
    kept for the next process, which loads it in milliseconds after one call; several can be built at the same time.

    The function may be called with zeros at any time and must be stateless: it draws no random numbers, and changes
    nothing but the tensors that it is given. Tensors that it finds elsewhere (the parameters and statistics of modules)
    are read where they lie, at each call. What it did in that call is the key of what was built, so a change of any
    code or setting that it depends on is another program.

    Args:
        function: of tensors, None, and tuples, lists, dicts and named tuples of those; it returns tensors in the same
            way. Always called without gradients.
        cache: where programs are kept.
    """

    def __init__(self, function: Callable[..., Any], *, cache: ArtifactCache | None = None) -> None:
        self.function = function
        self.cache = cache or ArtifactCache()
        self._programs: dict[Any, Program] = {}
        self._seen: dict[int, tuple[Any, list[Tensor | None], tuple[Any, ...]]] = {}

    def __call__(self, *arguments: Any) -> Any:
        """What ``function`` returns. The first call with arguments of some shape waits until that is built."""
        leaves, signature = self._flatten(arguments)
        program = self._programs.get(signature)
        if program is None:
            program = self.prepare(*arguments)
        return program(leaves, arguments)

    def prepare(self, *arguments: Any) -> Program:
        """Begin to build what a call with such arguments needs; nothing is computed. Does not wait for the compiler."""
        _, signature = self._flatten(arguments)
        if signature not in self._programs:
            self._programs[signature] = Program(self.function, arguments, self.cache)
        return self._programs[signature]

    def _flatten(self, arguments: tuple[Any, ...]) -> tuple[list[Tensor | None], tuple[Any, ...]]:
        """The tensors in ``arguments``, and how they lie in memory.

        An argument that is the same tuple as in the last call has the same tensors in it, and is not looked at again.
        """
        leaves: list[Tensor | None] = []
        signature: tuple[Any, ...] = ()
        for i, argument in enumerate(arguments):
            if argument is None or isinstance(argument, Tensor):
                leaves.append(argument)
                signature += (layout_of(argument),)
                continue
            seen = self._seen.get(i)
            if seen is None or seen[0] is not argument:
                own = list(tensors_in(argument))
                seen = (argument, own, tuple([layout_of(x) for x in own]))
                if isinstance(argument, tuple):
                    self._seen[i] = seen
            leaves += seen[1]
            signature += seen[2]
        return leaves, signature


class Program:
    """What a function does to arguments of some shapes: loaded, or still being built.

    Where it cannot be built, ``function`` itself is called, after a warning.

    Attributes:
        was_cached: whether it was kept from before.
    """

    def __init__(self, function: Callable[..., Any], arguments: tuple[Any, ...], cache: ArtifactCache) -> None:
        self.function = function
        self._runner: Any = None
        self._build: Build | None = None
        self.was_cached = False
        try:
            recording = Recording(function, arguments)
        except Exception as error:  # whatever a user's own network does
            self._give_up(error)
            return
        self._captured, self._result = recording.captured, recording.result
        key = key_of(recording)
        self.was_cached = self._load(cache, key)
        if not self.was_cached:
            try:
                self._build = Build(function, arguments, recording, key, cache)
            except BuildError as error:
                self._give_up(error)

    def __call__(self, leaves: list[Tensor | None], arguments: tuple[Any, ...]) -> Any:
        """Call it with ``arguments``, whose tensors are ``leaves``."""
        if self._runner is None:
            if self._build is None:
                return self.function(*arguments)
            self.finish()
            return self(leaves, arguments)
        outputs = self._runner.run([x for x in leaves if x is not None] + self._captured)
        if self._result is torch.Tensor:
            return outputs[0]
        return rebuild(self._result, iter(outputs))

    def finish(self) -> None:
        """Wait until it is built."""
        if self._build is None:
            return
        try:
            self._runner = load_library(str(self._build.finish()))
        except (BuildError, RuntimeError) as error:
            self._give_up(error)
        self._build.close()
        self._build = None

    def _load(self, cache: ArtifactCache, key: str) -> bool:
        path = cache.get(key)
        if path is None:
            return False
        try:
            self._runner = load_library(str(path))
        except RuntimeError:  # removed by another process just now
            return False
        return True

    def _give_up(self, error: Exception) -> None:
        name = getattr(self.function, "__qualname__", repr(self.function))
        warnings.warn(f"{name} could not be compiled and runs eagerly: {error}", stacklevel=3)


def load_library(path: str) -> Any:
    """What runs a library, in as many threads at once as there are cores."""
    return torch._C._aoti.AOTIModelContainerRunnerCpu(path, usable_cores())
