"""
Runs pip for another platform. Two things pip decides by the Python that it runs in, whatever target it was told: what a
package asks for under conditions only (`; sys_platform == "linux"`), and whether a package is for that Python at all. Here
the target's values stand in their place.
"""

import json
import os
import sys


def stand_in(target):
    from pip._vendor.packaging import markers

    own = markers.default_environment
    markers.default_environment = lambda: {**own(), **target}
    try:
        from pip._internal.resolution.resolvelib.candidates import RequiresPythonCandidate
    except ImportError:
        return
    version = tuple(int(part) for part in target["python_full_version"].split("."))
    create = RequiresPythonCandidate.__init__
    RequiresPythonCandidate.__init__ = lambda self, _: create(self, version)


if __name__ == "__main__":
    # Its own folder is no place to find modules in.
    sys.path[:] = [folder for folder in sys.path if folder != os.path.dirname(os.path.abspath(__file__))]
    stand_in(json.loads(os.environ.pop("THAW_TARGET")))
    from pip._internal.cli.main import main

    sys.exit(main(sys.argv[1:]))
