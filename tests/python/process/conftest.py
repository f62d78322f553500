"""Box2D, imported before the tests of the process backend."""

from __future__ import annotations

import contextlib
import warnings

# Box2D warns while it is imported, and crashes where warnings are errors.
with contextlib.suppress(ImportError), warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import Box2D  # noqa: F401
