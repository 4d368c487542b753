"""
Says where this Python has its parts, and where the packages lie that are named as arguments, with all that they need: for
that, these are imported.
"""

import importlib
import json
import os
import platform
import re
import site
import sys
import sysconfig
from importlib import metadata


def normalized(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def needs_of(distribution):
    for need in distribution.requires or ():
        if "extra ==" not in need:
            yield re.match(r"[\w.-]+", need).group()


def with_needs(names):
    found, ahead = {}, list(names)
    while ahead:
        name = ahead.pop()
        if normalized(name) in found:
            continue
        try:
            distribution = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            continue
        found[normalized(name)] = distribution
        ahead.extend(needs_of(distribution))
    return found


def tops_of(name, distribution):
    return (distribution.read_text("top_level.txt") or name.replace("-", "_")).split()


def imported_by(found):
    """The packages that those import: what a distribution's own packages need is written down elsewhere than here."""
    before = set(sys.modules)
    for name, distribution in found.items():
        for top in tops_of(name, distribution):
            try:
                importlib.import_module(top)
            except Exception:
                pass
    tops = {module.split(".")[0] for module in set(sys.modules) - before}
    owners = getattr(metadata, "packages_distributions", dict)()
    return sorted({owner for top in tops for owner in owners.get(top, [top])})


def files_under(folder, root):
    for parent, folders, names in os.walk(folder, followlinks=True):
        folders[:] = sorted(each for each in folders if each != "__pycache__")
        for name in sorted(names):
            yield os.path.relpath(os.path.join(parent, name), root)


def paths_of(name, distribution, root):
    """Distributions of a system have no list of their files: then it is the modules, and what tells of them."""
    listed = [str(path) for path in distribution.files or ()]
    if any(path.endswith(".py") for path in listed):
        return [path for path in listed if not path.startswith("..") and "__pycache__" not in path]
    tops = tops_of(name, distribution)
    about = getattr(distribution, "_path", None)
    members = [*tops, *(top + ".py" for top in tops), *([os.path.basename(about)] if about else [])]
    paths = []
    for member in members:
        full = os.path.join(root, member)
        paths.extend(files_under(full, root) if os.path.isdir(full) else [member])
    return paths


def package(name, distribution):
    root = str(distribution.locate_file(""))
    files = [
        {"path": path.replace(os.sep, "/"), "file": os.path.join(root, path)}
        for path in paths_of(name, distribution, root)
        if os.path.isfile(os.path.join(root, path))
    ]
    return {"name": distribution.metadata["Name"], "version": distribution.version, "files": files}


packages = with_needs(sys.argv[1:])
if packages:
    packages = with_needs([*packages, *imported_by(packages)])
print(
    json.dumps(
        {
            "executable": os.path.realpath(getattr(sys, "_base_executable", sys.executable)),
            "version": platform.python_version(),
            "system": sys.platform,
            "stdlib": sysconfig.get_path("stdlib"),
            "siteFolder": site.getsitepackages([os.sep])[-1].lstrip(os.sep).replace(os.sep, "/"),
            "packages": [package(name, found) for name, found in sorted(packages.items())],
        }
    )
)
