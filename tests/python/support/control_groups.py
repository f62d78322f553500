"""Control groups as containers set them, from faked files of the kernel's."""

from __future__ import annotations

from pathlib import Path

__all__ = ["Machine"]

MOUNT = "31 23 0:28 {root} {point} rw,relatime shared:9 - {kind} {kind} {options}\n"


class Machine:
    """A process in control groups of one or two hierarchies, all of it in a folder."""

    def __init__(self, folder: Path) -> None:
        self.process = folder / "proc"
        self.process.mkdir()
        self.mounts = folder / "mounts"
        self._cgroup = self._mountinfo = ""
        self._write()

    def _write(self) -> None:
        (self.process / "cgroup").write_text(self._cgroup)
        (self.process / "mountinfo").write_text(self._mountinfo)

    def hierarchy(self, version: int, path: str, *, root: str = "/", name: str = "cgroup", controllers="cpu,cpuacct"):
        """Mount a hierarchy whose ``root`` is seen, with this process in the group ``path``; returns its folder."""
        point = self.mounts / name
        kind, options = ("cgroup2", "rw,nsdelegate") if version == 2 else ("cgroup", f"rw,{controllers}")
        self._mountinfo += MOUNT.format(root=root, point=str(point).replace(" ", "\\040"), kind=kind, options=options)
        self._cgroup += f"0::{path}\n" if version == 2 else f"4:{controllers}:{path}\n"
        self._write()
        point.mkdir(parents=True, exist_ok=True)
        return point
