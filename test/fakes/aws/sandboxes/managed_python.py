"""What Lambda's managed runtime for Python does with a zip archive, as far as the fake of AWS needs it: it imports the
handler that _HANDLER names, and answers one event after the other.
"""

import http.client
import importlib
import json
import os
import sys
import threading
import time
import uuid


class Context:
    """What Lambda says of an invocation."""

    def __init__(self, headers):
        self.aws_request_id = headers["lambda-runtime-aws-request-id"]
        self.invoked_function_arn = headers["lambda-runtime-invoked-function-arn"]
        self.function_name = os.environ.get("AWS_LAMBDA_FUNCTION_NAME")
        self.client_context = None
        self._deadline_ms = int(headers["lambda-runtime-deadline-ms"])

    def get_remaining_time_in_millis(self):
        return max(0, self._deadline_ms - int(time.time() * 1000))


def ask(method, path, body=None, headers=None):
    connection = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
    text = None if body is None else json.dumps(body)
    connection.request(method, f"/2018-06-01/runtime/{path}", text, headers or {})
    answer = connection.getresponse()
    return answer, answer.read()


def error_of(error):
    return {"errorType": type(error).__name__, "errorMessage": str(error), "stackTrace": []}


def load():
    sys.path.insert(0, os.environ["LAMBDA_TASK_ROOT"])
    module, _, name = os.environ["_HANDLER"].rpartition(".")
    return getattr(importlib.import_module(module.replace("/", ".")), name)


def serve(handler):
    while True:
        answer, body = ask("GET", "invocation/next")
        context = Context(answer.headers)
        path = f"invocation/{context.aws_request_id}"
        try:
            result = handler(json.loads(body), context)
        except Exception as error:
            kind = {"lambda-runtime-function-error-type": type(error).__name__}
            ask("POST", f"{path}/error", error_of(error), kind)
            continue
        ask("POST", f"{path}/response", result)


def end_with_stdin():
    sys.stdin.buffer.read()
    os._exit(0)


threading.Thread(target=end_with_stdin, daemon=True).start()
try:
    found = load()
except BaseException as error:
    kind = {"lambda-runtime-function-error-type": "Runtime.ImportModuleError"}
    ask("POST", "init/error", error_of(error), kind)
    os._exit(1)
print(json.dumps({"event": "ready", "port": None, "bootId": str(uuid.uuid4())}), flush=True)
serve(found)
