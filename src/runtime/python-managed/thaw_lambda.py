"""The module that Lambda's own Python calls where a function is a zip archive: it lies at the archive's root."""

from __future__ import annotations

import os
import sys

_RUNTIME_DIR = os.path.join(os.path.dirname(os.path.abspath(__file__)), "runtime")
sys.path.insert(0, _RUNTIME_DIR)

# First of all: it takes the time.
from thaw_runtime import phases  # noqa: E402, F401
from thaw_runtime.aws.managed import open_handler  # noqa: E402

# Lambda's start lasts until this is there.
handler = open_handler(_RUNTIME_DIR)
