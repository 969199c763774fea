"""The simulated providers behind the gateway: faults on order, and what they were asked for."""

import json
import os
import urllib.request

UPSTREAM = os.environ["MOONRELAY_UPSTREAM"]


def simulator(method, path, value=None):
    """One question to the simulator, past every proxy of the environment."""
    data = None if value is None else json.dumps(value).encode()
    request = urllib.request.Request(UPSTREAM + path, data=data, method=method)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=60) as response:
        return json.load(response)


class Faults:
    """Faults for the length of a block."""

    def __init__(self, *faults):
        self.faults = faults

    def __enter__(self):
        simulator("DELETE", "/_requests")
        for fault in self.faults:
            simulator("POST", "/_faults", fault)
        return self

    def __exit__(self, *_):
        simulator("DELETE", "/_faults")

    def calls(self):
        return [request["provider"] for request in simulator("GET", "/_requests")["requests"]]


def raises(kind, call):
    try:
        call()
    except kind as error:
        return error
    raise AssertionError(f"{kind.__name__} was not raised")
