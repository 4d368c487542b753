"""Decodes events with the Python runtime.

The first argument is the folder that holds it. Cases come on stdin as a JSON array of
`[decoder, ...arguments]`; on stdout goes an array with what each decoder made of them.
"""

import json
import sys

sys.path.insert(0, sys.argv[1])

from thaw_runtime.aws.http_event import read_http_event  # noqa: E402
from thaw_runtime.aws.runtime_api import reason_of  # noqa: E402
from thaw_runtime.azure import host_route_of  # noqa: E402
from thaw_runtime.events.aws import decode_aws_event  # noqa: E402
from thaw_runtime.events.azure import decode_trigger  # noqa: E402
from thaw_runtime.events.cloud_events import pushed_message, read_pushed_events  # noqa: E402
from thaw_runtime.failures import RequestFailure  # noqa: E402
from thaw_runtime.input import carries_events  # noqa: E402
from thaw_runtime.routes import route_of  # noqa: E402


def given(event):
    return {"source": event.source, "input": event.input, "event": event.event}


def aws(event):
    decoded = decode_aws_event(event)
    return decoded and {
        "source": decoded.source,
        "failing": decoded.failing,
        "records": [{"input": one.input, "event": one.event, "id": one.id} for one in decoded.records],
    }


def http(event):
    request = read_http_event(event)
    return request and {
        "method": request.method,
        "url": request.url,
        "headers": request.headers,
        "body": request.body,
        "severalValues": request.several_values,
    }


def trigger(data, metadata):
    decoded = decode_trigger(data, metadata)
    records = [{"input": one.input, "event": one.event} for one in decoded.records]
    return {"source": decoded.source, "records": records}


def pushed(headers, body):
    try:
        read = read_pushed_events(headers, bytes(body))
    except RequestFailure as failure:
        return {"status": failure.status, "code": failure.code}
    return {"given": [given(one) for one in read]} if isinstance(read, list) else {"answer": read.answer}


def message(event):
    found = pushed_message(event)
    return found and given(found)


def route(method, url):
    found = [read(method, url, "a b") for read in (route_of, host_route_of)]
    return [{"kind": one.kind, "code": one.failure and one.failure.code} for one in found]


DECODERS = {
    "aws": aws,
    "http": http,
    "trigger": trigger,
    "pushed": pushed,
    "message": message,
    "carries": carries_events,
    "route": route,
    "reason": reason_of,
}


def plain(value):
    """Bytes for JSON, and what JSON has no word for."""
    if isinstance(value, dict):
        return {name: plain(member) for name, member in value.items()}
    if isinstance(value, list):
        return [plain(member) for member in value]
    if isinstance(value, bytes):
        return {"$bytes": value.hex()}
    if isinstance(value, float) and value - value != 0:
        return {"$number": "NaN" if value != value else f"{'-' if value < 0 else ''}Infinity"}
    return value


json.dump([plain(DECODERS[name](*given)) for name, *given in json.load(sys.stdin)], sys.stdout)
