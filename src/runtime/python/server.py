"""The program that serves a model with its Python handler: the entrypoint of an image, and of a
local instance.
"""

from __future__ import annotations

import os
import sys

_RUNTIME_DIR = os.path.dirname(os.path.abspath(__file__))

if __name__ == "__main__":
    # Python is told by some entrypoints to leave the folder of the program out.
    if _RUNTIME_DIR not in sys.path:
        sys.path.insert(0, _RUNTIME_DIR)
    # First of all: it takes the time.
    from thaw_runtime import phases  # noqa: F401
    from thaw_runtime.start import run

    run(_RUNTIME_DIR)
