"""Shows what a handler logs as Lambda does: the root logger has a handler before the code runs.

Python's own way, without one, shows warnings and worse alone, whatever level is set. The library
takes milliseconds to import, so that it is prepared only if something imports it.
"""

from __future__ import annotations

import sys
import time


def watch_logging() -> None:
    """Prepares logging, or has it prepared by whoever imports it first."""
    module = sys.modules.get("logging")
    if module is None:
        sys.meta_path.insert(0, _Finder())
    else:
        _prepare(module)


class _Finder:
    """Finds logging as the others do, and prepares it once it is loaded."""

    def find_spec(self, name, path=None, target=None):
        if name != "logging":
            return None
        sys.meta_path.remove(self)
        for finder in sys.meta_path:
            spec = finder.find_spec(name, path, target)
            if spec is not None:
                break
        else:
            return None
        loader = spec.loader
        # One that is an instance is this module's alone.
        if loader is not None and not isinstance(loader, type):
            execute = loader.exec_module

            def exec_module(module):
                execute(module)
                _prepare(module)

            loader.exec_module = exec_module
        return spec


def _prepare(logging) -> None:
    # A project's own module of that name is nobody else's business.
    if not hasattr(logging, "StreamHandler") or logging.root.handlers:
        return
    handler = logging.StreamHandler(sys.stdout)
    line = "[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(message)s"
    formatter = logging.Formatter(line, "%Y-%m-%dT%H:%M:%S")
    formatter.converter = time.gmtime
    handler.setFormatter(formatter)
    logging.root.addHandler(handler)
    configure = logging.basicConfig

    def basicConfig(**options):
        """Sets up what nobody has set up, as elsewhere; on Lambda it surprises by doing nothing."""
        if logging.root.handlers == [handler]:
            logging.root.removeHandler(handler)
        configure(**options)

    logging.basicConfig = basicConfig
