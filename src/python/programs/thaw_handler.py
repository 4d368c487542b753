"""Says what a handler file holds and needs, from its text alone: nothing of the user's is run."""

import ast
import json
import os
import platform
import re
import sys
import sysconfig
from importlib import metadata

# Names that serve without being told, in this order.
SERVING_NAMES = ("predict", "lambda_handler", "handler")
EVENT_NAMES = ("lambda_handler", "handler")

# Who looks for these in an event, or answers with them, expects an HTTP request.
HTTP_KEYS = {
    "body",
    "httpMethod",
    "isBase64Encoded",
    "multiValueHeaders",
    "pathParameters",
    "queryStringParameters",
    "rawPath",
    "rawQueryString",
    "requestContext",
    "statusCode",
}
# Who looks for this expects what a queue or a bucket sends, whose records have a body too.
RECORDS_KEY = "Records"
# Of these only an HTTP request has any.
HTTP_ONLY_KEYS = {"httpMethod", "queryStringParameters", "rawPath", "requestContext"}

# Distributions whose name is not that of the module, for where the module is not installed.
DISTRIBUTIONS = {
    "Crypto": "pycryptodome",
    "OpenSSL": "pyOpenSSL",
    "PIL": "Pillow",
    "attr": "attrs",
    "bs4": "beautifulsoup4",
    "cv2": "opencv-python-headless",
    "dateutil": "python-dateutil",
    "docx": "python-docx",
    "dotenv": "python-dotenv",
    "fitz": "PyMuPDF",
    "google.protobuf": "protobuf",
    "jose": "python-jose",
    "jwt": "PyJWT",
    "magic": "python-magic",
    "multipart": "python-multipart",
    "psycopg2": "psycopg2-binary",
    "pkg_resources": "setuptools",
    "serial": "pyserial",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "slugify": "python-slugify",
    "tflite_runtime": "tflite-runtime",
    "umap": "umap-learn",
    "yaml": "PyYAML",
    "zmq": "pyzmq",
}
# Those whose module and distribution are called alike, as far as handlers mostly use them.
SAME_NAME = {
    "aiohttp", "boto3", "botocore", "cachetools", "catboost", "fasttext", "flatbuffers", "gensim", "httpx", "imageio",
    "jinja2", "joblib", "keras", "librosa", "lightgbm", "msgpack", "networkx", "nltk", "numba", "numpy", "onnx",
    "onnxruntime", "openai", "orjson", "pandas", "polars", "psutil", "pyarrow", "pydantic", "pymysql", "redis", "regex",
    "requests", "safetensors", "scipy", "sentence_transformers", "sentencepiece", "shap", "soundfile", "spacy",
    "sqlalchemy", "statsmodels", "tensorflow", "tiktoken", "timm", "tokenizers", "torch", "torchaudio", "torchvision",
    "tqdm", "transformers", "ultralytics", "ujson", "xgboost",
}  # fmt: skip
# What draws windows, and the same without.
WITHOUT_WINDOWS = {
    "opencv-python": "opencv-python-headless",
    "opencv-contrib-python": "opencv-contrib-python-headless",
}

# Modules that distributions of many names have parts of.
SHARED = ("azure", "azure.ai", "azure.storage", "google", "google.cloud")

# Files of which a handler hardly speaks without needing them.
MODEL_SUFFIXES = (
    ".bin", ".h5", ".joblib", ".keras", ".npy", ".npz", ".onnx", ".pkl", ".pt", ".pth", ".safetensors", ".tflite",
)  # fmt: skip
LINKED_SUFFIXES = (".so", ".pyd")


class Refusal(Exception):
    def __init__(self, reason, message, **facts):
        super().__init__(message)
        self.answer = {"ok": False, "reason": reason, "message": message, **facts}


def inspect(root, file, name):
    """
    @param root the folder that paths are relative to
    @param file the handler, relative to it and with `/`
    @param name what serves in it, or None
    """
    project = Project(root, os.path.dirname(file))
    project.read(file)
    if project.beside:
        module, folder = project.beside[0], os.path.dirname(file)
        message = "%s imports %s as from %s, and a project's modules are found from its own folder" % (file, module, folder)
        raise Refusal("nested", message, file=file, folder=folder)
    tree = project.trees[file]
    names = names_in(tree)
    serving = find_serving(names, name, file)
    style = event_style(project.trees.values(), serving) if serving["takes"] == "event" else None
    return {
        "ok": True,
        "python": platform.python_version(),
        "serving": serving,
        "event": style,
        "requestKeys": request_keys(tree, serving, style),
        "modules": sorted(project.trees),
        "folders": project.outermost_folders(),
        "files": sorted(project.files - set(project.trees)),
        "absent": project.still_absent(),
        "packages": find_packages(project.foreign),
    }


# Modules and files


class Project:
    """What a handler takes from its own folder, and what from elsewhere."""

    def __init__(self, root, handler_folder):
        self.root = root
        self.handler_folder = handler_folder
        # Folders that modules are looked for in, as sys.path will have them; the last one only to say that it will not.
        self.search = list(dict.fromkeys(["", handler_folder]))
        # Modules that were found there alone.
        self.beside = []
        self.trees = {}
        self.folders = set()
        self.files = set()
        self.absent = []
        # Of each module from elsewhere, where it is imported first.
        self.foreign = {}

    def read(self, file):
        """Reads a module, and all of the project that it imports."""
        if file in self.trees:
            return
        tree = self.trees[file] = parse(os.path.join(self.root, file), file)
        self.note_constants(tree, file)
        package = os.path.dirname(file)
        for node, optional in reached(tree):
            for module, is_sure in imports_of(node, package):
                self.follow(module, is_sure, optional, file, node.lineno)

    def follow(self, module, is_sure, optional, file, line):
        own = self.find(module)
        if own is None:
            if is_sure and not is_standard(module.split(".")[0]):
                first = self.foreign.setdefault(module, {"file": file, "line": line, "optional": optional})
                first["optional"] = first["optional"] and optional
            return
        for path in own:
            if path.endswith(".py"):
                self.read(path)
            else:
                self.files.add(path)

    def find(self, module):
        """The files of a module that is the project's own, packages above it first; None if it is not."""
        parts = module.split(".")
        for folder in self.search:
            found, is_whole = self.walk(folder, parts)
            # What has no __init__.py steps back behind any other module of its name.
            if found or (is_whole and not is_standard(parts[0])):
                top = join(folder, parts[0])
                if folder and folder == self.handler_folder:
                    self.beside.append(module)
                if self.is_folder(top):
                    self.folders.add(top)
                return found
        return None

    def walk(self, folder, parts):
        """The files on the way to a module, and whether the way leads to its end."""
        found = []
        for part in parts:
            folder, file = join(folder, part), join(folder, part + ".py")
            if self.is_file(join(folder, "__init__.py")):
                found.append(join(folder, "__init__.py"))
            elif self.is_file(file):
                return [*found, file], True
            elif self.linked(folder):
                return [*found, *self.linked(folder)], True
            elif not self.is_folder(folder):
                return found, False
            elif not found and (part in known_modules() or not self.has_modules(folder)):
                return [], False
        return found, True

    def linked(self, path):
        """The compiled modules of a name."""
        folder, name = os.path.split(path)
        return [
            join(folder, each)
            for each in self.names_in(folder)
            if each.startswith(name + ".") and each.endswith(LINKED_SUFFIXES)
        ]

    def has_modules(self, folder):
        names = self.names_in(folder)
        return any(
            each.endswith(".py") for each in [*names, *(more for name in names for more in self.names_in(join(folder, name)))]
        )

    def note_constants(self, tree, file):
        """Notes the files and folders that a module's texts name. Modules are looked for in such folders, too."""
        beside = list(dict.fromkeys(["", *self.search, os.path.dirname(file)]))
        for node in ast.walk(tree):
            if not isinstance(node, ast.Constant) or not isinstance(node.value, str):
                continue
            path = plain_path(node.value)
            if path is None:
                continue
            for folder in beside:
                if self.is_file(join(folder, path)):
                    self.files.add(join(folder, path))
                    break
                if self.is_folder(join(folder, path)):
                    self.folders.add(join(folder, path))
                    if join(folder, path) not in self.search:
                        self.search.append(join(folder, path))
                    break
            else:
                if path.endswith(MODEL_SUFFIXES) and path not in MODEL_SUFFIXES:
                    self.absent.append({"path": path, "file": file, "line": node.lineno})

    def still_absent(self):
        """The models that are nowhere in what is taken either: paths are put together of several texts."""
        present = {os.path.basename(path) for path in self.files}
        for folder in self.folders:
            for _, _, names in os.walk(os.path.join(self.root, folder)):
                present.update(names)
        return [each for each in self.absent if os.path.basename(each["path"]) not in present]

    def outermost_folders(self):
        folders = sorted(self.folders)
        return [each for each in folders if not any(each.startswith(other + "/") for other in folders)]

    def is_file(self, path):
        return os.path.isfile(os.path.join(self.root, path))

    def is_folder(self, path):
        return os.path.isdir(os.path.join(self.root, path))

    def names_in(self, folder):
        try:
            return sorted(os.listdir(os.path.join(self.root, folder)))
        except OSError:
            return []


def join(folder, name):
    return folder + "/" + name if folder else name


def plain_path(text):
    """A text as a path below a folder; None if it can be none, or is one of a hidden file, such as .env."""
    if not text or len(text) > 255 or "\0" in text or "\n" in text or ":" in text:
        return None
    parts = text.replace("\\", "/").split("/")
    parts = [*(part for part in parts[:1] if part != "."), *parts[1:]]
    while parts and parts[-1] == "":
        parts.pop()
    if not parts or any(part == "" or part.startswith(".") or part == "__pycache__" for part in parts):
        return None
    return "/".join(parts)


def parse(path, file):
    try:
        with open(path, "rb") as source:
            return ast.parse(source.read(), filename=file)
    except SyntaxError as error:
        raise Refusal(
            "syntax",
            "%s is no Python %s: %s" % (place(file, error.lineno, error.offset), minor_version(), error.msg),
            file=file,
            line=error.lineno,
            column=error.offset,
            text=(error.text or "").strip()[:200],
        )
    except (ValueError, RecursionError, MemoryError) as error:
        raise Refusal("syntax", "%s cannot be read: %s" % (file, error or type(error).__name__), file=file)
    except OSError as error:
        raise Refusal("unreadable", "%s cannot be read: %s" % (file, error.strerror), file=file)


def place(file, line, column):
    return ":".join(str(part) for part in (file, line, column) if part)


def minor_version():
    return "%d.%d" % sys.version_info[:2]


# Imports


def reached(node, optional=False):
    """The nodes that may run in a service, and whether one may fail there: an import that is tried, say."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and is_never_served(child.test):
            for other in child.orelse:
                yield other, optional
                yield from reached(other, optional)
        elif isinstance(child, ast.Try) and any(catches_imports(each, child.body) for each in child.handlers):
            yield from reached(child, True)
        else:
            yield child, optional
            yield from reached(child, optional)


def is_never_served(test):
    """`if TYPE_CHECKING:`, and `if __name__ == "__main__":`."""
    if isinstance(test, ast.Compare):
        return isinstance(test.left, ast.Name) and test.left.id == "__name__" and isinstance(test.ops[0], ast.Eq)
    return getattr(test, "id", getattr(test, "attr", None)) == "TYPE_CHECKING"


def catches_imports(handler, tried):
    """Whether it is there for imports that fail. What catches everything is, if nothing much else is tried."""
    caught = handler.type
    types = caught.elts if isinstance(caught, ast.Tuple) else [caught]
    names = {getattr(each, "id", None) for each in types}
    if names & {"ImportError", "ModuleNotFoundError"}:
        return True
    only_imports = all(isinstance(each, (ast.Import, ast.ImportFrom, ast.Assign)) for each in tried)
    return only_imports and bool(names & {None, "Exception", "BaseException"})


def imports_of(node, package):
    """The modules that a node imports. One that may be a mere name in a module is not sure."""
    if isinstance(node, ast.Import):
        for alias in node.names:
            yield alias.name, True
    elif isinstance(node, ast.ImportFrom):
        above = package.split("/") if package and node.level else []
        above = above[: len(above) - node.level + 1] if node.level else []
        module = ".".join([*above, *([node.module] if node.module else [])])
        is_shared = module in SHARED
        if module:
            yield module, node.level == 0 and not is_shared
        for alias in node.names:
            if alias.name != "*":
                yield ".".join(part for part in (module, alias.name) if part), is_shared
    elif isinstance(node, ast.Call) and node.args and is_text(node.args[0]):
        called = getattr(node.func, "id", getattr(node.func, "attr", None))
        if called in ("import_module", "__import__") and re.fullmatch(r"\w+(\.\w+)*", node.args[0].value):
            yield node.args[0].value, True


def is_text(node):
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def is_standard(name):
    known = getattr(sys, "stdlib_module_names", None)
    if known is not None:
        return name in known
    folder = sysconfig.get_path("stdlib")
    return name in sys.builtin_module_names or any(
        each.split(".")[0] == name
        for place in (folder, os.path.join(folder, "lib-dynload"))
        if os.path.isdir(place)
        for each in os.listdir(place)
    )


# What serves


def names_in(tree):
    """What a module defines, by name: functions and classes, and names of anything else."""
    names = {}
    for node in defining(tree.body):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            names[node.name] = {"kind": "function", "line": node.lineno, "parameters": parameters_of(node)}
        elif isinstance(node, ast.ClassDef):
            methods = {each.name for each in node.body if isinstance(each, (ast.FunctionDef, ast.AsyncFunctionDef))}
            for base in node.bases:
                methods |= names.get(getattr(base, "id", None), {}).get("methods", set())
            names[node.name] = {"kind": "class", "line": node.lineno, "methods": methods}
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            for alias in node.names:
                names[(alias.asname or alias.name).split(".")[0]] = {"kind": "value", "line": node.lineno}
        else:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for target in targets:
                if isinstance(target, ast.Name):
                    names[target.id] = {"kind": "value", "line": node.lineno}
    return names


def defining(body):
    """The statements of a module that define something, those under conditions included."""
    for node in body:
        if isinstance(node, (ast.If, ast.Try, ast.With)):
            for part in ("body", "handlers", "orelse", "finalbody"):
                for each in getattr(node, part, []):
                    yield from defining(each.body if isinstance(each, ast.ExceptHandler) else [each])
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom, ast.Assign)):
            yield node
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            yield node


def parameters_of(function):
    return [each.arg for each in [*function.args.posonlyargs, *function.args.args]]


def find_serving(names, name, file):
    known = [each for each, what in names.items() if what["kind"] != "value" and not each.startswith("_")]
    if name is not None:
        if name not in names:
            raise Refusal("name-missing", "%s has no %s" % (file, name), file=file, name=name, known=known)
        return serving_of(name, names[name], is_named=True)
    for each in SERVING_NAMES:
        if each in names:
            return serving_of(each, names[each])
    classes = [each for each, what in names.items() if what["kind"] == "class" and "predict" in what["methods"]]
    if len(classes) == 1:
        return serving_of(classes[0], names[classes[0]])
    if classes:
        message = "%s has several classes with a predict: %s" % (file, ", ".join(classes))
        raise Refusal("several", message, file=file, known=classes)
    message = "%s has no %s, and no class with a predict" % (file, ", ".join(SERVING_NAMES))
    raise Refusal("none", message, file=file, known=known)


def serving_of(name, what, is_named=False):
    first = (what.get("parameters") or [None])[0]
    takes_event = what["kind"] != "class" and (name in EVENT_NAMES or (first == "event" and is_named))
    return {"name": name, "kind": what["kind"], "line": what["line"], "takes": "event" if takes_event else "input"}


# What it is asked


def event_style(trees, serving):
    keys = {key for tree in trees for key in keys_in(tree)}
    # Made by somebody else's code, such as an adapter for web frameworks.
    if serving["kind"] == "value":
        return "http"
    if RECORDS_KEY in keys and not keys & HTTP_ONLY_KEYS:
        return "direct"
    return "http" if keys & HTTP_KEYS else "direct"


def keys_in(tree):
    """The texts that a module uses as keys, in looking up as well as in making."""
    for node in ast.walk(tree):
        key = looked_up(node)[1]
        if key is not None:
            yield key
        elif isinstance(node, ast.Dict):
            yield from (each.value for each in node.keys if each is not None and is_text(each))
        elif isinstance(node, ast.Compare) and is_text(node.left) and isinstance(node.ops[0], (ast.In, ast.NotIn)):
            yield node.left.value


def looked_up(node):
    """What `x["key"]` and `x.get("key")` look in, and for what; twice None for anything else."""
    if isinstance(node, ast.Subscript) and is_text(node.slice):
        return node.value, node.slice.value
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ("get", "pop"):
        if node.args and is_text(node.args[0]):
            return node.func.value, node.args[0].value
    return None, None


def request_keys(tree, serving, style):
    """What a request's JSON is asked for, as far as the text tells: a start for a sample."""
    given = input_names(tree, serving) if style != "http" else bodies_in(tree)
    needed, asked = [], []
    for node in ast.walk(tree):
        source, key = looked_up(node)
        is_given = isinstance(source, ast.Name) and source.id in given
        if is_given or (style == "http" and is_json_call(source)):
            (needed if isinstance(node, ast.Subscript) else asked).append(key)
    return list(dict.fromkeys(needed or asked))


def bodies_in(tree):
    """The names that what json.loads gives is given."""
    return {
        target.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and parses_json(node.value)
        for target in node.targets
        if isinstance(target, ast.Name)
    }


def input_names(tree, serving):
    """How the function, or the method, that serves calls what it is given."""
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    for node in ast.walk(tree):
        if getattr(node, "name", None) != serving["name"] or getattr(node, "lineno", None) != serving["line"]:
            continue
        if isinstance(node, functions):
            return set(parameters_of(node)[:1])
        if isinstance(node, ast.ClassDef):
            methods = [each for each in node.body if isinstance(each, functions) and each.name == "predict"]
            return {name for each in methods for name in parameters_of(each)[1:2]}
    return set()


def parses_json(node):
    """Whether a value is what json.loads gives, be it in one branch of a condition only."""
    if isinstance(node, ast.IfExp):
        return parses_json(node.body) or parses_json(node.orelse)
    return is_json_call(node)


def is_json_call(node):
    return isinstance(node, ast.Call) and getattr(node.func, "attr", getattr(node.func, "id", None)) == "loads"


# Packages


def find_packages(foreign):
    """The distributions that modules from elsewhere come in: as installed here, else as they are known to be called."""
    installed = distributions_by_module()
    found = {}
    for module, where in sorted(foreign.items(), key=lambda item: item[0].lower()):
        name, version, source = distribution_of(module, installed)
        first = found.setdefault(name, {"name": name, "version": version, "source": source, "module": module, **where})
        first["optional"] = first["optional"] and where["optional"]
    return sorted(found.values(), key=lambda each: each["name"].lower())


def distribution_of(module, installed):
    top = module.split(".")[0]
    candidates = installed.get(top, [])
    if len(candidates) > 1 or top in SHARED:
        folder = module.replace(".", "/")
        holding = [each for each in candidates if any(file.as_posix().startswith(folder) for file in each.files or [])]
        candidates = holding if top in SHARED else holding or candidates
    if candidates:
        name = candidates[0].metadata["Name"]
        return WITHOUT_WINDOWS.get(name, name), pinned_version(candidates[0]), "installed"
    parts = module.split(".")
    for size in range(len(parts), 0, -1):
        known = DISTRIBUTIONS.get(".".join(parts[:size]))
        if known is not None:
            return known, None, "known"
    if ".".join(parts[:1]) in SHARED and len(parts) > 1:
        size = 3 if ".".join(parts[:2]) in SHARED else 2
        return "-".join(parts[:size]).replace("_", "-"), None, "known"
    return top, None, "known" if top in SAME_NAME else "guessed"


def known_modules():
    return SAME_NAME | set(DISTRIBUTIONS)


def distributions_by_module():
    found = {}
    for distribution in metadata.distributions():
        if distribution.metadata["Name"] is None:
            continue
        listed = (distribution.read_text("top_level.txt") or "").split()
        for module in set(listed) or modules_of(distribution):
            found.setdefault(module, []).append(distribution)
    return found


def modules_of(distribution):
    paths = [file.parts for file in distribution.files or []]
    folders = {parts[0] for parts in paths if len(parts) > 1 and parts[-1].endswith((".py", *LINKED_SUFFIXES))}
    files = {parts[0].split(".")[0] for parts in paths if len(parts) == 1 and parts[0].endswith((".py", *LINKED_SUFFIXES))}
    return folders | files


def pinned_version(distribution):
    """The version to ask an index for; None if what is installed is a build that none has."""
    version = distribution.version.split("+")[0]
    installer = (distribution.read_text("INSTALLER") or "").strip()
    is_release = re.fullmatch(r"[\d.!]+(\.?post\d+)?", version) is not None
    return version if is_release or installer in ("pip", "uv") else None


def main():
    request = json.load(sys.stdin)
    try:
        answer = inspect(request["root"], request["file"], request["name"])
    except Refusal as refusal:
        answer = refusal.answer
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
