"""A stateless function of tensors as native code."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from fastvec.train.compiled.build import Build, BuildError, generated_key_of, key_of, write_by_inductor, write_generated
from fastvec.train.compiled.cache import ArtifactCache
from fastvec.train.compiled.codegen.unsupported import Unsupported
from fastvec.train.compiled.library import GeneratedLibrary, InductorLibrary, find_gemm
from fastvec.train.compiled.recording import Recording, layout_of, rebuild, tensors_in


class CompiledFunction:
    """``function`` as native code, for each set of shapes that it is called with.

    What distinguishes it from ``torch.compile``: a call costs a few microseconds beside the work; what was built is
    kept for the next process, which loads it in milliseconds after one call; several can be built at the same time; and
    what our own code generator knows, a compiler has done after a second.

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

    def over_rows(self, arguments: Sequence[Tensor | None], into: Sequence[Tensor]) -> Callable[[int], None] | None:
        """Calls for row after row of tensors, worked out together: each then costs a microsecond beside the work.

        Args:
            arguments: what the function takes, each with an axis of rows in front.
            into: likewise what it returns, which is a tensor or a tuple of them.

        Returns:
            The call for a row, by its number; the tensors it finds elsewhere have to stay where they are. None where
            only this object itself can be called: what it runs was not made by our own code generator, or returns what
            has no memory of its own. Waits until the program is built.
        """
        program = self.prepare(*[None if x is None else x[0] for x in arguments])
        return program.over_rows([x for x in arguments if x is not None], into)

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


Library = GeneratedLibrary | InductorLibrary


class Program:
    """What a function does to arguments of some shapes: loaded, or still being built.

    Our own code generator makes it, or inductor where that has no code for some operation. Where it cannot be built at
    all, ``function`` itself is called, after a warning.

    Attributes:
        was_cached: whether it was kept from before.
    """

    def __init__(self, function: Callable[..., Any], arguments: tuple[Any, ...], cache: ArtifactCache) -> None:
        self.function = function
        self._library: Library | None = None
        self._build: Build | None = None
        self._load: Callable[[str], Library] | None = None
        self.was_cached = False
        try:
            recording = Recording(function, arguments)
        except Exception as error:  # whatever a user's own network does
            self._give_up(error)
            return
        self._result = recording.result
        ways: list[Any] = [
            (GeneratedLibrary, generated_key_of, partial(write_generated, recording)),
            (InductorLibrary, key_of, partial(write_by_inductor, function, arguments, recording)),
        ]
        if find_gemm() is None:
            del ways[0]
        self.was_cached = any(self._find(cache, key(recording), kind, recording) for kind, key, _ in ways)
        if self.was_cached:
            return
        try:
            for kind, key, write in ways:
                try:
                    self._build = Build(write, key(recording), cache)
                except Unsupported:
                    continue
                self._load = partial(kind, recording=recording)
                break
        except BuildError as error:
            self._give_up(error)

    def __call__(self, leaves: list[Tensor | None], arguments: tuple[Any, ...]) -> Any:
        """Call it with ``arguments``, whose tensors are ``leaves``."""
        if self._library is None:
            if self._build is None:
                return self.function(*arguments)
            self.finish()
            return self(leaves, arguments)
        outputs = self._library([x for x in leaves if x is not None])
        if self._result is torch.Tensor:
            return outputs[0]
        return rebuild(self._result, iter(outputs))

    def over_rows(self, rows: Sequence[Tensor], into: Sequence[Tensor]) -> Callable[[int], None] | None:
        """See :meth:`CompiledFunction.over_rows`; without the arguments that are None."""
        library = self.generated
        return None if library is None else library.over_rows(rows, into)

    @property
    def generated(self) -> GeneratedLibrary | None:
        """What our own code generator made; None where it did not. Waits until it is built."""
        self.finish()
        return self._library if isinstance(self._library, GeneratedLibrary) else None

    def finish(self) -> None:
        """Wait until it is built."""
        if self._build is None:
            return
        assert self._load is not None
        try:
            self._library = self._load(str(self._build.finish()))
        except (BuildError, RuntimeError) as error:
            self._give_up(error)
        self._build.close()
        self._build = None

    def _find(
        self, cache: ArtifactCache, key: str, load: Callable[[str, Recording], Library], recording: Recording
    ) -> bool:
        path = cache.get(key)
        if path is None:
            return False
        try:
            self._library = load(str(path), recording)
        except RuntimeError:  # removed by another process just now
            return False
        return True

    def _give_up(self, error: Exception) -> None:
        name = getattr(self.function, "__qualname__", repr(self.function))
        warnings.warn(f"{name} could not be compiled and runs eagerly: {error}", stacklevel=3)
