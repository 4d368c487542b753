"""
Says what a Python is and has, and runs nothing of anybody else's: version, folders, packages (those that matter to thaw
and those named as arguments), a way to make environments.
"""

import importlib.util
import json
import platform
import site
import sys

WANTED = ("torch", "onnx", "onnxscript", "numpy", "scikit-learn", "xgboost", "lightgbm")


def package_versions():
    try:
        from importlib import metadata
    except ImportError:
        return {}
    versions = {}
    for name in (*WANTED, *sys.argv[1:]):
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            pass
    return versions


def site_folders():
    folders = list(getattr(site, "getsitepackages", lambda: [])())
    if getattr(site, "ENABLE_USER_SITE", False):
        folders.append(site.getusersitepackages())
    return [folder for folder in folders if folder in sys.path]


print(
    json.dumps(
        {
            "executable": sys.executable,
            "version": platform.python_version(),
            "implementation": platform.python_implementation(),
            "machine": platform.machine(),
            "system": sys.platform,
            "siteFolders": site_folders(),
            "packages": package_versions(),
            "hasVenv": all(importlib.util.find_spec(name) for name in ("venv", "ensurepip")),
        }
    )
)
