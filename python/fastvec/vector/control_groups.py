"""The control groups that a process is in: what containers limit it by."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple


class ControlGroup(NamedTuple):
    """A group of version 1 or 2, by its folder."""

    folder: Path
    is_version_2: bool

    def words(self, name: str) -> list[str]:
        """What is in one of its files; nothing where there is none, or where it may not be read."""
        return " ".join(_lines(self.folder / name)).split()


def control_groups(process: Path, controller: str) -> Iterator[ControlGroup]:
    """Each group that a process is in, and the groups above it as far as the process sees them.

    Args:
        process: its folder in ``/proc``.
        controller: what the groups have to limit, as the kernel calls it: "cpu", "memory".
    """
    groups = _groups(process, controller)
    for root, mount_point, is_version_2 in _mounts(process, controller):
        if is_version_2 not in groups:
            continue
        folder = mount_point / _below(groups[is_version_2], root)
        for group in (folder, *folder.parents):
            yield ControlGroup(group, is_version_2)
            if group == mount_point:
                break


def _groups(process: Path, controller: str) -> dict[bool, str]:
    """The path of the process's group as it sees it, in version 2's hierarchy (True) and in version 1's."""
    groups = {}
    for line in _lines(process / "cgroup"):
        _, _, rest = line.partition(":")
        controllers, separator, path = rest.partition(":")
        if separator and (not controllers or controller in controllers.split(",")):
            groups[not controllers] = path
    return groups


def _mounts(process: Path, controller: str) -> Iterator[tuple[str, Path, bool]]:
    """``(root, mount point, is version 2)`` of the hierarchies with the controller; above ``root`` nothing is seen."""
    for line in _lines(process / "mountinfo"):
        before, separator, after = line.partition(" - ")
        fields, kind = before.split(" "), after.split(" ")
        if not separator or len(fields) < 6 or len(kind) < 3:
            continue
        if kind[0] == "cgroup2" or (kind[0] == "cgroup" and controller in kind[2].split(",")):
            yield _unescaped(fields[3]), Path(_unescaped(fields[4])), kind[0] == "cgroup2"


def _below(path: str, root: str) -> PurePosixPath:
    """``path`` as seen from ``root``; ``root`` itself where it lies elsewhere, so that what can be seen counts."""
    try:
        below = PurePosixPath(path).relative_to(root)
    except ValueError:
        below = PurePosixPath()
    return PurePosixPath() if ".." in below.parts else below


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="utf-8", errors="surrogateescape").split("\n")
    except OSError:
        return []


def _unescaped(text: str) -> str:
    """A path of mountinfo, where blanks, tabs, line ends and backslashes are octal numbers."""
    for escape, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        text = text.replace(escape, character)
    return text
