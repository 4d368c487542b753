"""Finding and calling the project's own code, in each of the styles that Python projects have."""

from __future__ import annotations

import os
import sys
import threading

from .failures import StartFailure, describe
from .root_logger import watch_logging
from .serve_manifest import HandlerChoice, Layout

# Where a project does not say which: the first of these, then the one class that has a method
# `predict`.
_NAMES = ("predict", "lambda_handler", "handler")
_LAMBDA_NAMES = ("lambda_handler", "handler")
_CONTEXT_NAMES = ("context", "ctx", "_context", "_ctx", "_")

_VAR_POSITIONAL = 0x04


class Handler:
    """The project's code, ready to be called with an input or an event, and a context.

    `event` is None for a handler of thaw's kind; for a Lambda handler it is what an HTTP request
    becomes for it.
    """

    __slots__ = ("event", "_call", "_context", "_awaiter")

    def __init__(self, event: str | None, call, context: str, awaiter: Awaiter) -> None:
        self.event = event
        self._awaiter = awaiter
        self._call = call
        # How the context is passed: positional, keyword, or none.
        self._context = context

    def __call__(self, given: object, context: object) -> object:
        """Calls the handler; whatever it raises is raised."""
        if self._context == "positional":
            result = self._call(given, context)
        elif self._context == "keyword":
            result = self._call(given, context=context)
        else:
            result = self._call(given)
        return self._awaiter.wait(result)


class Awaiter:
    """Waits for what async handlers return, in an event loop that is made for the first of them."""

    __slots__ = ("_loop", "_gate")

    def __init__(self) -> None:
        self._loop = None
        self._gate = threading.Lock()

    def wait(self, result: object) -> object:
        """A result, once it is there: what can be awaited is."""
        if not hasattr(type(result), "__await__"):
            return result
        with self._gate:
            if self._loop is None:
                # The library takes tens of milliseconds to import.
                from .event_loop import EventLoop

                self._loop = EventLoop()
        return self._loop.wait(result)


class FoundHandler:
    """What an imported file offers: a function, an object, or the class of one."""

    __slots__ = ("where", "style", "_found")

    def __init__(self, where: str, style: str | None, found: object) -> None:
        # `app.py:predict`, for messages.
        self.where = where
        # predict or lambda; None where the first parameter is to tell.
        self.style = style
        self._found = found

    def set_up(self, layout: Layout, event: str) -> Handler:
        """Makes the object of a class and has it load what it needs.

        `event` is what a Lambda handler is to take an HTTP request as.

        Raises StartFailure HANDLER_INVALID.
        """
        awaiter = Awaiter()
        try:
            call = self._made(awaiter) if isinstance(self._found, type) else self._found
        except BaseException as error:
            raise _failed("set up", error, layout.handler_dir) from error
        if not callable(call):
            message = f"{self.where} is {type(call).__name__}, which cannot be called"
            raise StartFailure("HANDLER_INVALID", message)
        parameters = _Parameters(call)
        style = self.style
        if style is None:
            style = "lambda" if parameters.names[:1] == ["event"] else "predict"
        if style == "lambda":
            return Handler(event, call, "positional", awaiter)
        return Handler(None, call, parameters.context(self.where), awaiter)

    def _made(self, awaiter: Awaiter):
        made = self._found()
        for name in ("setup", "load"):
            load = getattr(made, name, None)
            if callable(load):
                awaiter.wait(load())
                break
        predict = getattr(made, "predict", None)
        return predict if callable(predict) else made


def prepare_path(layout: Layout) -> None:
    """Has imports find the project's files first, then its packages, and this program's last."""
    runtime = os.path.realpath(layout.runtime_dir)
    others = [path for path in sys.path if path and os.path.realpath(path) != runtime]
    packages = layout.packages_dir
    try:
        names = os.listdir(packages)
    except OSError:
        names = None
    found = [] if names is None else [packages]
    sys.path[:] = [layout.handler_dir, *found, *others, layout.runtime_dir]
    if names is not None and any(name.endswith(".pth") for name in names):
        import site

        site.addsitedir(packages)
    if os.path.isdir(layout.handler_dir):
        os.chdir(layout.handler_dir)
    # Lambda itself names a folder that nothing of the project lies in.
    os.environ["LAMBDA_TASK_ROOT"] = layout.handler_dir


def import_handler(layout: Layout, choice: HandlerChoice) -> FoundHandler:
    """Imports the project's file and finds what answers.

    Raises StartFailure HANDLER_INVALID if it raises on import or has nothing to answer with.
    """
    watch_logging()
    file = os.path.join(layout.handler_dir, *choice.file.split("/"))
    if not os.path.isfile(file):
        message = f"the handler's file {choice.file} is missing"
        raise StartFailure("HANDLER_INVALID", message)
    try:
        module = _import_file(file, choice.file)
    except BaseException as error:
        raise _failed("imported", error, layout.handler_dir) from error
    return _find(module, choice)


def _import_file(file: str, relative: str):
    """Imports a file by its name, as its neighbours would; by its path if the name is taken."""
    stem = relative[: -len(".py")] if relative.endswith(".py") else relative
    name = stem.replace("/", ".")
    top = name.split(".")[0]
    taken = top in sys.modules or top in getattr(sys, "stdlib_module_names", ())
    if not taken and "." not in os.path.basename(stem) and relative.endswith(".py"):
        __import__(name)
        module = sys.modules[name]
        # A package of that name, installed or of the project, comes before a file.
        if os.path.realpath(getattr(module, "__file__", None) or "") == os.path.realpath(file):
            return module
    from importlib.util import module_from_spec, spec_from_file_location

    alias = f"thaw_handler_{name.replace('.', '_')}"
    spec = spec_from_file_location(alias, file)
    if spec is None or spec.loader is None:
        raise ImportError(f"{relative} is no Python file")
    module = module_from_spec(spec)
    sys.modules[alias] = module
    spec.loader.exec_module(module)
    return module


def _find(module, choice: HandlerChoice) -> FoundHandler:
    if choice.name is not None:
        return _find_named(module, choice.file, choice.name)
    for name in _NAMES:
        found = getattr(module, name, None)
        if callable(found):
            style = "lambda" if name in _LAMBDA_NAMES else "predict"
            return FoundHandler(f"{choice.file}:{name}", style, found)
    classes = [
        member
        for member in vars(module).values()
        if isinstance(member, type)
        and member.__module__ == module.__name__
        and callable(getattr(member, "predict", None))
    ]
    if len(classes) == 1:
        where = f"{choice.file}:{classes[0].__name__}"
        return FoundHandler(where, "predict", classes[0])
    if classes:
        names = ", ".join(member.__name__ for member in classes)
        message = f"{choice.file} has several classes with a method predict: {names}"
        raise StartFailure("HANDLER_INVALID", message)
    wanted = "predict, lambda_handler or handler, or one class with a method predict"
    message = f"the handler must define {wanted}; {choice.file} defines {_defined(module)}"
    raise StartFailure("HANDLER_INVALID", message)


def _find_named(module, file: str, name: str) -> FoundHandler:
    found = module
    for part in name.split("."):
        found = getattr(found, part, None)
    if found is None:
        message = f"{file} defines no {name}; it defines {_defined(module)}"
        raise StartFailure("HANDLER_INVALID", message)
    style = "lambda" if name.split(".")[-1] in _LAMBDA_NAMES else None
    return FoundHandler(f"{file}:{name}", style, found)


def _defined(module) -> str:
    """What a file defines itself, for messages."""
    names = [
        name
        for name, member in vars(module).items()
        if not name.startswith("_")
        and not isinstance(member, type(sys))
        and getattr(member, "__module__", module.__name__) == module.__name__
    ]
    return ", ".join(sorted(names)) or "nothing"


class _Parameters:
    """The parameters of something that can be called, without what it is bound to."""

    __slots__ = ("names", "required", "keywords", "any")

    def __init__(self, call) -> None:
        function, bound = _function_of(call)
        code = getattr(function, "__code__", None)
        if code is None:
            self._inspect(call)
            return
        count = code.co_argcount
        # Names of the positional ones.
        self.names = list(code.co_varnames[bound:count])
        # How many of them have no default.
        self.required = count - bound - len(function.__defaults__ or ())
        # Names of those that are passed by name only.
        self.keywords = code.co_varnames[count : count + code.co_kwonlyargcount]
        # Whether any number of positional ones is taken.
        self.any = bool(code.co_flags & _VAR_POSITIONAL)

    def _inspect(self, call) -> None:
        """For what is no plain function. The library takes milliseconds to import."""
        import inspect

        self.names, self.required, self.keywords, self.any = [], 0, (), False
        try:
            parameters = inspect.signature(call).parameters.values()
        except (TypeError, ValueError):
            # Compiled code that does not say.
            self.names, self.required = ["input"], 1
            return
        for parameter in parameters:
            if parameter.kind is parameter.VAR_POSITIONAL:
                self.any = True
            elif parameter.kind is parameter.KEYWORD_ONLY:
                self.keywords = (*self.keywords, parameter.name)
            elif parameter.kind is not parameter.VAR_KEYWORD:
                self.names.append(parameter.name)
                self.required += parameter.default is parameter.empty

    def context(self, where: str) -> str:
        """How a context is passed.

        Raises StartFailure HANDLER_INVALID where an input alone cannot be, either.
        """
        if self.required > 2:
            names = ", ".join(self.names)
            message = f"{where} takes {names}, and is called with an input and a context"
            raise StartFailure("HANDLER_INVALID", message)
        if self.any or self.required == 2:
            return "positional"
        if len(self.names) >= 2 and self.names[1] in _CONTEXT_NAMES:
            return "positional"
        if not self.names:
            message = f"{where} takes no argument, and is called with an input"
            raise StartFailure("HANDLER_INVALID", message)
        return "keyword" if "context" in self.keywords else "none"


def _function_of(call) -> tuple:
    """The function behind a method or an object, and how many of its parameters are bound."""
    function = call
    if not hasattr(function, "__code__") and not hasattr(function, "__func__"):
        function = type(call).__call__
        if not hasattr(function, "__code__"):
            return None, 0
        return function, 1
    bound = 0
    if hasattr(function, "__func__"):
        function, bound = function.__func__, 1
    while hasattr(function, "__wrapped__"):
        function = function.__wrapped__
    return function, bound


def _failed(doing: str, error: BaseException, handler_dir: str) -> StartFailure:
    if isinstance(error, SystemExit):
        code = error.code if isinstance(error.code, int) else 0 if error.code is None else 1
        message = f"the handler ended the process with code {code}"
        return StartFailure("HANDLER_INVALID", message)
    place = _place_of(error, handler_dir)
    message = f"the handler threw while it was {doing}: {describe(error)}{place}"
    return StartFailure("HANDLER_INVALID", message)


def _place_of(error: BaseException, handler_dir: str) -> str:
    """The last line of the project's files that an exception came through: ` (app.py, line 3)`."""
    # The words of a syntax error name its place.
    if isinstance(error, SyntaxError):
        return ""
    folder = os.path.realpath(handler_dir) + os.sep
    place = ""
    trace = error.__traceback__
    while trace is not None:
        file = os.path.realpath(trace.tb_frame.f_code.co_filename)
        if file.startswith(folder):
            place = f" ({file[len(folder) :]}, line {trace.tb_lineno})"
        trace = trace.tb_next
    return place
