"""Says what a pyproject.toml (its path is the argument) declares of packages, as JSON; exit code 3 if it is not TOML."""

import json
import sys

try:
    import tomllib
except ImportError:
    try:
        import tomli as tomllib
    except ImportError:
        from pip._vendor import tomli as tomllib


def declared(document):
    project = document.get("project")
    tool = document.get("tool", {})
    uv = tool.get("uv", {})
    indexes = uv.get("index", [])
    return {
        "project": project is not None,
        "dependencies": (project or {}).get("dependencies", []),
        "dynamic": "dependencies" in (project or {}).get("dynamic", []),
        "poetry": bool(tool.get("poetry", {}).get("dependencies")),
        "indexes": [
            {"url": index["url"], "default": bool(index.get("default"))}
            for index in (indexes if isinstance(indexes, list) else [])
            if isinstance(index, dict) and "url" in index
        ],
        # Packages that are to come from a folder or a repository of sources.
        "sources": {
            name: next(kind for kind in ("git", "path", "url", "workspace") if kind in source)
            for name, sources in uv.get("sources", {}).items()
            for source in (sources if isinstance(sources, list) else [sources])
            if isinstance(source, dict) and any(kind in source for kind in ("git", "path", "url", "workspace"))
        },
    }


try:
    with open(sys.argv[1], "rb") as file:
        print(json.dumps(declared(tomllib.load(file))))
except tomllib.TOMLDecodeError as error:
    print(error, file=sys.stderr)
    sys.exit(3)
