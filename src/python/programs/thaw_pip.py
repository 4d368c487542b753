"""
Runs pip for another platform. What a package asks for only under some conditions (`; sys_platform == "linux"`) pip
decides for the machine that it runs on, whatever platform it was told: here the target's values stand in their place.
"""

import json
import os
import sys


def stand_in(target):
    from pip._vendor.packaging import markers

    own = markers.default_environment
    markers.default_environment = lambda: {**own(), **target}


if __name__ == "__main__":
    # Its own folder is no place to find modules in.
    sys.path.pop(0)
    stand_in(json.loads(os.environ.pop("THAW_TARGET")))
    from pip._internal.cli.main import main

    sys.exit(main(sys.argv[1:]))
