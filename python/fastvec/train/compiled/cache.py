"""Native code that was built for this user, in files that the next process loads."""

from __future__ import annotations

import hashlib
import os
import tempfile
import time
from contextlib import suppress
from pathlib import Path

MAX_BYTES = 256 << 20
"""What all files together may take: some hundreds of programs."""

STALE_SECONDS = 3600.0
"""Age after which a file that was never finished is removed: its writer has died."""

DIGEST_BYTES = hashlib.sha256().digest_size


def default_directory() -> Path:
    """``$FASTVEC_CACHE_DIR``, or "fastvec" in ``$XDG_CACHE_HOME`` or ``~/.cache``; in it, "compiled"."""
    own = os.environ.get("FASTVEC_CACHE_DIR")
    root = Path(own) if own else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "fastvec"
    return root / "compiled"


class ArtifactCache:
    """Shared libraries by key, for one user.

    Any number of processes may use one directory at once. A file is written beside its place and renamed into it, and
    ends in a digest of what is before (which the loader of shared libraries does not look at): what is found is whole,
    or counts as not there. A file is removed while others use it without harm to them.

    Args:
        directory: made when something is put into it, for this user alone.
        max_bytes: what all files together may take; those that were not used for longest go first.
    """

    def __init__(self, directory: Path | None = None, *, max_bytes: int = MAX_BYTES) -> None:
        self.directory = default_directory() if directory is None else directory
        self.max_bytes = max_bytes

    def has_any(self) -> bool:
        """Whether there is a file at all, whatever its key."""
        return any(self.directory.glob("*.so"))

    def get(self, key: str) -> Path | None:
        """The file of that key, now the most recently used; None where there is none, or a damaged one."""
        path = self.directory / f"{key}.so"
        try:
            content = path.read_bytes()
        except OSError:
            return None
        if hashlib.sha256(content[:-DIGEST_BYTES]).digest() != content[-DIGEST_BYTES:]:
            path.unlink(missing_ok=True)
            return None
        with suppress(OSError):  # read-only, or gone just now: loading it will tell
            os.utime(path)
        return path

    def put(self, key: str, built: Path) -> Path:
        """Keep a copy of the file ``built``, and remove old ones where there are too many.

        Returns:
            The copy.

        Raises:
            OSError: it cannot be written.
        """
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        content = built.read_bytes()
        path = self.directory / f"{key}.so"
        handle, name = tempfile.mkstemp(prefix=f"{key}.", suffix=".unfinished", dir=self.directory)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.write(hashlib.sha256(content).digest())
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
        self._evict(path)
        return path

    def _evict(self, newest: Path) -> None:
        """Remove what was not used for longest until the rest fits; ``newest`` stays."""
        files = []
        for entry in os.scandir(self.directory):
            try:
                stat = entry.stat()
            except FileNotFoundError:  # another process removed it
                continue
            if entry.name.endswith(".unfinished"):
                if time.time() - stat.st_mtime > STALE_SECONDS:
                    Path(entry.path).unlink(missing_ok=True)
            elif entry.name.endswith(".so"):
                files.append((stat.st_mtime_ns, entry.path, stat.st_size))
        total = sum(size for _, _, size in files)
        for _, path, size in sorted(files):
            if total <= self.max_bytes:
                break
            if path != str(newest):
                Path(path).unlink(missing_ok=True)
                total -= size
