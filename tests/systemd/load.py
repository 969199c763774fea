#!/usr/bin/env python3
"""Sends concurrent requests to the gateway while a command runs.

load.py request BASE                  sends one request and prints the model that answered
load.py streams BASE N COMMAND…       starts N streams, then runs COMMAND; every stream must be complete
load.py connects BASE N COMMAND…      starts streams and COMMAND, which restarts the unit; N more clients connect while the
                                      unit is stopping; every response must be complete

Exits with 1 and prints the reasons if a response is not complete.
"""

import http.client
import json
import subprocess
import sys
import threading
import time
from urllib.parse import urlsplit

TIMEOUT_SECONDS = 60
WORD_COUNT = 150


class Client(threading.Thread):
    """One connection that sends one request and reads the whole response."""

    def __init__(self, base):
        super().__init__(daemon=True)
        self.base = base
        self.started = threading.Event()
        self.model = None
        self.failure = "the response did not end"

    def run(self):
        try:
            self.failure = self.send()
        except (OSError, http.client.HTTPException, ValueError) as error:
            self.failure = f"{type(error).__name__}: {error}"
        finally:
            self.started.set()

    def send(self):
        """Returns why the response is not complete; None if it is."""
        body = {
            "model": "default",
            "stream": True,
            "messages": [{"role": "user", "content": f"reply with {WORD_COUNT} words"}],
        }
        connection = http.client.HTTPConnection(urlsplit(self.base).netloc, timeout=TIMEOUT_SECONDS)
        connection.request("POST", "/v1/chat/completions", json.dumps(body), {"content-type": "application/json"})
        response = connection.getresponse()
        self.model = response.getheader("x-moonrelay-model")
        if response.status != 200:
            return f"status {response.status}: {response.read(500)}"
        text, finishes, done = "", [], 0
        for line in response:
            data = line.decode().strip().removeprefix("data:").strip()
            if not line.startswith(b"data:"):
                continue
            if data == "[DONE]":
                done += 1
                continue
            event = json.loads(data)
            if "error" in event:
                return f"error event: {data[:500]}"
            for choice in event.get("choices", []):
                piece = choice.get("delta", {}).get("content")
                if piece:
                    text += piece
                    self.started.set()
                if choice.get("finish_reason"):
                    finishes.append(choice["finish_reason"])
        words = len(text.split())
        if (words, finishes, done) != (WORD_COUNT, ["stop"], 1):
            return f"{words} words, finish reasons {finishes}, {done} [DONE] events"
        return None


def start(base, count):
    clients = [Client(base) for _ in range(count)]
    for client in clients:
        client.start()
    return clients


def wait_until_all_started(clients):
    for client in clients:
        if not client.started.wait(TIMEOUT_SECONDS):
            sys.exit("a stream did not start")


def report(clients, what):
    for client in clients:
        client.join(TIMEOUT_SECONDS)
    failures = [client.failure for client in clients if client.failure]
    for reason in failures[:5]:
        print(f"failed: {reason}")
    print(f"{len(clients) - len(failures)} of {len(clients)} {what}")
    return 1 if failures else 0


def is_stopping():
    show = ["systemctl", "--user", "show", "--property=ActiveState", "--value", "moonrelay.service"]
    return subprocess.run(show, capture_output=True, text=True, check=True).stdout.strip() == "deactivating"


def streams(base, count, command):
    clients = start(base, count)
    wait_until_all_started(clients)
    done = subprocess.run(command, timeout=TIMEOUT_SECONDS, check=False).returncode
    active = sum(client.is_alive() for client in clients)
    print(f"{active} streams were active after: {' '.join(command)}")
    if done != 0 or active != count:
        report(clients, "streams are complete")
        return 1
    return report(clients, "streams are complete")


def connects(base, count, command):
    clients = start(base, 10)
    wait_until_all_started(clients)
    restart = subprocess.Popen(command)
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while not is_stopping():
        if restart.poll() is not None or time.monotonic() > deadline:
            sys.exit("the unit did not reach the state deactivating")
    clients += start(base, count)
    active = sum(client.is_alive() for client in clients[:10])
    print(f"{count} clients connected while {active} streams kept the old process alive")
    code = report(clients, "responses are complete")
    # Without active streams the check proves nothing.
    return code or int(active == 0) or restart.wait(TIMEOUT_SECONDS)


def main():
    mode, base = sys.argv[1], sys.argv[2]
    if mode == "request":
        (client,) = start(base, 1)
        client.join(TIMEOUT_SECONDS)
        print(client.failure or client.model)
        return 1 if client.failure else 0
    return {"streams": streams, "connects": connects}[mode](base, int(sys.argv[3]), sys.argv[4:])


if __name__ == "__main__":
    sys.exit(main())
