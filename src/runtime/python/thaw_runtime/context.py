"""What a handler is told of the call: the context of thaw's handlers, and Lambda's."""

from __future__ import annotations

import json
import os
import sys
import time
from functools import lru_cache

from .call import Call, GivenEvent, Invocation

# What Lambda gives a call at most, for a platform that does not say when it will give up.
_LAMBDA_MS_MAX = 900_000


class HandlerContext:
    """The second argument of `predict`."""

    def __init__(self, function: str, call: Call, given: GivenEvent, model) -> None:
        self.request_id = call.request_id
        # When the platform will give up, in milliseconds since the epoch; None where it does not
        # say.
        self.deadline_ms = call.deadline_ms
        self.function = function
        # Names in lower case.
        self.headers = call.headers
        # Where the input came from: `http`, `invoke` for a direct call, or the event's source:
        # `sqs`, `s3`, …
        self.source = given.source
        # The event, or one record of it, as it came; None for what is none.
        self.event = given.event
        # The declared model, with `inputs`, `outputs` and `run(feeds)`; None without one.
        self.model = model


class LambdaContext:
    """The second argument of a Lambda handler, with the attributes that Lambda's own has.

    Outside of Lambda they say what is true here: the function's own name, the request's id, the
    memory there is; or what AWS's own emulator says, so that what takes them apart can.
    """

    def __init__(self, function: str, call: Call, model) -> None:
        environ = os.environ
        invocation = call.invocation or Invocation()
        name = environ.get("AWS_LAMBDA_FUNCTION_NAME") or function
        self.function_name = name
        self.function_version = environ.get("AWS_LAMBDA_FUNCTION_VERSION") or "$LATEST"
        self.invoked_function_arn = invocation.function_arn or _local_arn(name)
        self.memory_limit_in_mb = environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE") or _memory_mb()
        self.aws_request_id = call.request_id
        self.log_group_name = environ.get("AWS_LAMBDA_LOG_GROUP_NAME") or f"/aws/lambda/{name}"
        self.log_stream_name = environ.get("AWS_LAMBDA_LOG_STREAM_NAME") or "$LATEST"
        self.identity = CognitoIdentity(_object_of(invocation.identity) or {})
        client_context = _object_of(invocation.client_context)
        self.client_context = None if client_context is None else ClientContext(client_context)
        self.tenant_id = invocation.tenant_id
        # The declared model, as thaw's own context has it.
        self.model = model
        now_ms = time.time() * 1000
        self._deadline_ms = (
            now_ms + _LAMBDA_MS_MAX if call.deadline_ms is None else call.deadline_ms
        )

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until the platform gives up; Lambda's maximum where it does not say."""
        return max(0, int(self._deadline_ms - time.time() * 1000))

    def log(self, message: object) -> None:
        """Writes a line of the log."""
        sys.stdout.write(f"{message}\n")


def _local_arn(name: str) -> str:
    environ = os.environ
    region = environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION") or "us-east-1"
    return f"arn:aws:lambda:{region}:012345678912:function:{name}"


@lru_cache(maxsize=None)
def _memory_mb() -> str:
    """What the container may take, or what the machine has, in MB, as text: so Lambda says it."""
    try:
        with open("/sys/fs/cgroup/memory.max", encoding="ascii") as file:
            return str(int(file.read()) >> 20)
    except (OSError, ValueError):
        pass
    try:
        return str(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20)
    except (AttributeError, OSError, ValueError):
        # Windows has no such function.
        return "3008"


class CognitoIdentity:
    """Who calls, if a mobile app of AWS does."""

    __slots__ = ("cognito_identity_id", "cognito_identity_pool_id")

    def __init__(self, members: dict) -> None:
        self.cognito_identity_id = members.get("cognitoIdentityId")
        self.cognito_identity_pool_id = members.get("cognitoIdentityPoolId")


class ClientContext:
    """What the caller says of itself."""

    __slots__ = ("custom", "env", "client")

    def __init__(self, members: dict) -> None:
        self.custom = members.get("custom")
        self.env = members.get("env")
        client = members.get("client")
        self.client = Client(client) if isinstance(client, dict) else None


class Client:
    """The app that calls."""

    __slots__ = (
        "installation_id",
        "app_title",
        "app_version_name",
        "app_version_code",
        "app_package_name",
    )

    def __init__(self, members: dict) -> None:
        for name in self.__slots__:
            setattr(self, name, members.get(name))


def _object_of(text: str | None) -> dict | None:
    try:
        value = json.loads(text) if text else None
    except ValueError:
        return None
    return value if isinstance(value, dict) else None
