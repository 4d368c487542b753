"""Says in every answer which process gave it. For WSGI (Flask, Django): app = wsgi(app);
for ASGI (FastAPI, Starlette): app = asgi(app); for functions: handler = function(handler)."""

import itertools, json, os, time, uuid

HEALTH_CHECKS = {"/healthz"}


def _reborn():
    global _boot, _born, _requests
    _boot, _born, _requests = str(uuid.uuid4()), (time.monotonic(), time.time()), itertools.count(1)


_reborn()
if hasattr(os, "register_at_fork"):  # each worker of a pre-forking server is an instance of its own
    os.register_at_fork(after_in_child=_reborn)


def _begin():
    ordinal, came = next(_requests), time.monotonic()

    def evidence():
        # A frozen machine stops one clock, and the other may be set.
        age = max(time.monotonic() - _born[0], time.time() - _born[1])
        return [
            ("thaw-boot", _boot),
            ("thaw-ordinal", str(ordinal)),
            ("thaw-boot-age", f"{age * 1000:.3f}"),
            ("server-timing", f"infer;dur={(time.monotonic() - came) * 1000:.3f}"),
        ]

    return evidence


def wsgi(app):
    def with_evidence(environ, start_response):
        if environ.get("PATH_INFO") in HEALTH_CHECKS:
            return app(environ, start_response)
        evidence = _begin()
        return app(environ, lambda status, headers, *rest: start_response(status, headers + evidence(), *rest))

    return with_evidence


def asgi(app):
    async def with_evidence(scope, receive, send):
        if scope["type"] != "http" or scope["path"] in HEALTH_CHECKS:
            return await app(scope, receive, send)
        evidence = _begin()

        async def send_with_evidence(message):
            if message["type"] == "http.response.start":
                headers = [(name.encode(), value.encode()) for name, value in evidence()]
                message = {**message, "headers": [*message.get("headers", []), *headers]}
            await send(message)

        await app(scope, receive, send_with_evidence)

    return with_evidence


def function(handler):
    def with_evidence(event, context):
        evidence = _begin()
        answer = handler(event, context)
        if not isinstance(answer, dict) or "statusCode" not in answer:
            answer = {"statusCode": 200, "body": json.dumps(answer)}
        return {**answer, "headers": {**(answer.get("headers") or {}), **dict(evidence())}}

    return with_evidence
