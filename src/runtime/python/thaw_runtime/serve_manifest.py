"""What the packager decided, in `config/serve.json`: applied word for word."""

from __future__ import annotations

import json
import os

from .failures import StartFailure


class Layout:
    """Where the parts of an image lie, as seen from its folder `opt/thaw/runtime`."""

    __slots__ = ("runtime_dir", "packages_dir", "model_dir", "handler_dir", "manifest_file")

    def __init__(self, runtime_dir: str) -> None:
        thaw_dir = os.path.dirname(runtime_dir)
        self.runtime_dir = runtime_dir
        self.packages_dir = os.path.join(thaw_dir, "packages")
        self.model_dir = os.path.join(thaw_dir, "model")
        self.handler_dir = os.path.join(thaw_dir, "handler")
        self.manifest_file = os.path.join(thaw_dir, "config", "serve.json")


class HandlerChoice:
    """Which of the project's files and names answers."""

    __slots__ = ("file", "name", "event")

    def __init__(self, file: str, name: str | None, event: str) -> None:
        # Relative to the handler folder.
        self.file = file
        # None: the first of the names that are known.
        self.name = name
        # What an HTTP request becomes for a Lambda handler: `http` or `direct`.
        self.event = event


class ServeManifest:
    """The decisions.

    `file`, `model` and `onnxruntime` are None where the handler loads its own model.
    """

    __slots__ = ("name", "file", "onnxruntime", "session", "shaped", "handler")

    def __init__(self, members: dict) -> None:
        self.name: str = members["name"]
        # The model file, relative to the model folder.
        self.file: str | None = members.get("file")
        self.onnxruntime: str | None = members.get("onnxruntime")
        # Session options, as ONNX Runtime's binding for JavaScript spells them.
        self.session: dict = members.get("session") or {}
        # The options instead, `{session, cpu}`, where ONNX Runtime is the one that measured and the
        # CPU of the class.
        self.shaped: dict | None = members.get("shaped")
        handler = members.get("handler")
        self.handler = None
        if handler is not None:
            event = handler.get("event") or "http"
            self.handler = HandlerChoice(handler["file"], handler.get("name"), event)


def read_serve_manifest(file: str) -> ServeManifest:
    """Reads the manifest.

    Raises StartFailure MODEL_INVALID: without it nobody knows what to serve.
    """
    try:
        with open(file, encoding="utf-8") as text:
            members = json.load(text)
        schema = members.get("schema")
        if schema != "thaw.serve/1":
            raise ValueError(f"its schema is {schema}, not thaw.serve/1")
        manifest = ServeManifest(members)
        if manifest.file is None and manifest.handler is None:
            raise ValueError("it names neither a model nor a handler")
        return manifest
    except KeyError as error:
        message = f"{file} cannot be read: it has no member {error.args[0]}"
        raise StartFailure("MODEL_INVALID", message) from error
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise StartFailure("MODEL_INVALID", f"{file} cannot be read: {error}") from error
