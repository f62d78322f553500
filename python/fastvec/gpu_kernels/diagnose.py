"""From what the compiler says to what stands in the env's source that cannot go."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from fastvec.gpu_kernels.errors import Reason
from fastvec.gpu_kernels.members import Member, find_heap_members, find_virtual_functions
from fastvec.gpu_kernels.source import KernelSource

__all__ = ["reasons_from_log", "reasons_from_ptx", "uses_host_only"]

_MAX_ERRORS = 5  # of the compiler's own: the first ones tell

# The names that kernel/host_only.hpp calls, and those by which a kernel takes memory.
_HOST_ONLY = {
    "fastvec_host_only_vector": "std::vector takes memory from the heap: use std::array",
    "fastvec_host_only_string": "std::string takes memory from the heap: use numbers, or an enum",
    "fastvec_host_only_exception": "an object of an exception class: `throw` it where it is made",
    "fastvec_host_only_cstdio": "text cannot be read or written: use numbers",
    "malloc": "memory from the heap (`new` or `malloc`): use members of fixed size",
}
_HOST_ONLY_CALL = re.compile(rf"\b({'|'.join(_HOST_ONLY)})\b")

_ERROR = re.compile(
    r"^(?P<file>[^\n(]+)\((?P<line>\d+)\): (?:catastrophic )?error(?: #[\w-]+)?: (?P<message>.*)$", re.M
)
_STATIC_ASSERTION = re.compile(r'static assertion failed with "(?:fastvec: )?(.*)"')
_NO_HEADER = re.compile(r'(?:could not|cannot) open source file "([^"]*)"')
_NO_MEMBER = re.compile(r'namespace "std" has no member "(\w+)"')


def reasons_from_log(log: str, source: KernelSource) -> list[Reason]:
    """Why the source does not compile."""
    found = [(match["message"], Path(match["file"]), int(match["line"])) for match in _ERROR.finditer(log)]
    told = [match[1] for message, _, _ in found if (match := _STATIC_ASSERTION.search(message))]
    if any("virtual functions" in message for message in told):
        # These alone make a state that is not plain; members that take memory are worth telling besides.
        told = [message for message in told if "state is not plain" not in message or _members_meant(message, source)]
    if told:
        return _unique(reason for message in told for reason in _with_members(message, source))
    reasons = [_reason(message, file, line) for message, file, line in found[:_MAX_ERRORS]]
    return _unique(reasons) or [Reason(log.strip() or "the compiler failed and says nothing")]


def _reason(message: str, file: Path, line: int) -> Reason:
    if "exception handling" in message:
        message = "`try` and `catch`: a GPU has no exceptions; a `throw` ends the env's turn, and nothing catches it"
    elif match := _NO_HEADER.search(message):
        message = f"<{match[1]}> is not found: a kernel has no such header"
    elif match := _NO_MEMBER.search(message):
        message = f"std::{match[1]}: a kernel's standard library does not have it"
    return Reason(message, file.name, line)


def _with_members(message: str, source: KernelSource) -> Iterator[Reason]:
    """The members that the message is about, each as a reason of its own, where they can be found."""
    members = _members_meant(message, source)
    for member in members:
        yield Reason(f"`{member.text}`: {message}", member.file, member.line)
    if not members:
        yield Reason(message)


def _members_meant(message: str, source: KernelSource) -> list[Member]:
    headers = _authors_headers(source)
    class_name = source.env_class.rpartition("::")[2]
    if "virtual functions" in message:
        return find_virtual_functions(headers, class_name)
    match = re.match(r"the env's (state|Config|Shared) is not plain", message)
    if match is None:
        return []
    return find_heap_members(headers, class_name if match[1] == "state" else match[1])


def _authors_headers(source: KernelSource) -> list[Path]:
    """The env's header and those of the author's that it includes, itself or by others."""
    *folders, _ = source.include_dirs  # the last one is fastvec's
    headers = [source.header]
    for header in headers:  # grows as it goes
        for name in re.findall(r'^\s*#\s*include\s*"([^"]+)"', header.read_text(errors="replace"), re.M):
            found = next((path for folder in (header.parent, *folders) if (path := folder / name).is_file()), None)
            if found is not None and found.resolve() not in headers:
                headers.append(found.resolve())
    return headers


def uses_host_only(ptx: str) -> bool:
    """Does a kernel call what exists on a host only?"""
    return any(_HOST_ONLY_CALL.search(line) for line in ptx.splitlines() if not line.startswith("."))


def reasons_from_ptx(ptx: str, source: KernelSource) -> list[Reason]:
    """What it is, and where, from PTX with line information."""
    files = {number: Path(name) for number, name in re.findall(r'^\t?\.file\t(\d+) "([^"]*)"', ptx, re.M)}
    places = _Places(files, source)
    reasons = []
    for line in ptx.splitlines():
        if line.startswith("\t.loc\t"):
            places.enter(line)
        elif not line.startswith(".") and (match := _HOST_ONLY_CALL.search(line)):
            file, number = places.authors()
            reasons.append(Reason(_HOST_ONLY[match[1]], file, number))
    return _unique(reasons)


class _Places:
    """Follows the positions in PTX: each names a line, and the line that it was inlined into."""

    _LOC = re.compile(r"\.loc\t(\d+) (\d+) \d+(?:.*inlined_at (\d+) (\d+) \d+)?")

    def __init__(self, files: dict[str, Path], source: KernelSource) -> None:
        *authors, _ = source.include_dirs  # the last one is fastvec's
        self._authors = {number for number, path in files.items() if any(path.is_relative_to(own) for own in authors)}
        self._authors -= {number for number, path in files.items() if path.is_relative_to(source.include_dirs[-1])}
        self._authors -= {number for number, path in files.items() if path.suffix == ".cu"}
        self._files = files
        self._into: dict[tuple[str, str], tuple[str, str]] = {}
        self._at: tuple[str, str] | None = None

    def enter(self, line: str) -> None:
        match = self._LOC.search(line)
        if match is None:
            return
        self._at = (match[1], match[2])
        if match[3] is not None:
            self._into[self._at] = (match[3], match[4])

    def authors(self) -> tuple[str, int]:
        """The innermost line of the author's own files at this point; ("", 0) if there is none."""
        at, seen = self._at, set()
        while at is not None and at not in seen:
            if at[0] in self._authors:
                return self._files[at[0]].name, int(at[1])
            seen.add(at)
            at = self._into.get(at)
        return "", 0


def _unique(reasons: Iterator[Reason] | list[Reason]) -> list[Reason]:
    return list(dict.fromkeys(reasons))
