"""How a converting program and thaw talk: one JSON request on standard input, JSON lines on standard output."""

import json
import math
import os
import sys
import traceback


class Refusal(Exception):
    """Something is wrong with what the user gave: a code, one sentence, and the values that it speaks of."""

    def __init__(self, reason, message, **facts):
        super().__init__(message)
        self.reason = reason
        self.facts = facts


class Conversation:
    """Standard output belongs to the protocol: whatever a model or a library prints goes to standard error."""

    def __init__(self):
        self._lines = os.fdopen(os.dup(1), "w", encoding="utf-8")
        os.dup2(2, 1)
        sys.stdout = sys.stderr

    def say(self, event, **members):
        self._lines.write(json.dumps({"event": event, **members}) + "\n")
        self._lines.flush()

    def step(self, text):
        self.say("step", text=text)

    def note(self, text):
        self.say("note", text=text)


def converse(work):
    """
    Reads the request, does the work, and says how it ended: with a result, a refusal, or an unforeseen failure. Rows to
    compare by go into a file of their own: those of pictures are large.
    """
    conversation = Conversation()
    try:
        request = json.load(sys.stdin)
        rows, expected, result = work(request, conversation)
        with open(request["rowsFile"], "w", encoding="utf-8") as file:
            json.dump({"rows": rows, "expected": expected}, file)
        conversation.say("result", **result)
    except Refusal as refusal:
        conversation.say("refused", reason=refusal.reason, message=str(refusal), facts=refusal.facts)
    except MemoryError:
        conversation.say("refused", reason="memory", message="there is not enough memory", facts={})
    except Exception as error:
        traceback.print_exc()
        conversation.say("refused", reason="failed", message=one_line(error), facts={"type": type(error).__name__})


def one_line(error, chars_max=400):
    """What an exception says, on one line."""
    text = " ".join(str(error).split())
    return (text if len(text) <= chars_max else text[: chars_max - 1] + "…") or type(error).__name__


TYPE_NAMES = {
    "float32": "FP32",
    "float64": "FP64",
    "float16": "FP16",
    "int64": "INT64",
    "int32": "INT32",
    "int16": "INT16",
    "int8": "INT8",
    "uint8": "UINT8",
    "bool": "BOOL",
}


# The largest integer that JSON's readers take exactly.
INTEGER_MAX = 2**53 - 1


def plain_tensor(array):
    """A NumPy array as thaw's measuring program gives tensors: what is not finite is null, large integers are text."""
    kind = str(array.dtype)
    values = array.reshape(-1).tolist()
    if array.dtype.kind in "OUS":
        return {"type": "BYTES", "shape": list(array.shape), "data": [str(value) for value in values]}
    if array.dtype.kind == "f":
        values = [value if math.isfinite(value) else None for value in values]
    elif array.dtype.kind in "iu":
        values = [value if abs(value) <= INTEGER_MAX else str(value) for value in values]
    return {"type": TYPE_NAMES.get(kind, kind.upper()), "shape": list(array.shape), "data": values}
