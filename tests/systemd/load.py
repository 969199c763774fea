#!/usr/bin/env python3
"""Clients of the gateway, many at once, while something is done to it.

load.py ask BASE                      one request; prints the model that answered
load.py streams BASE N COMMAND…       N streams; once each has begun COMMAND runs; every one must end whole
load.py connects BASE N COMMAND…      streams under way and COMMAND, which restarts the unit; once it is stopping N more
                                      connect; every one must be served whole

Exit 1, and what was lost, when any answer was.
"""

import http.client
import json
import subprocess
import sys
import threading
import time
from urllib.parse import urlsplit

PATIENCE = 60
WORDS = 150


class Client(threading.Thread):
    """One connection, one request, read to its end."""

    def __init__(self, base):
        super().__init__(daemon=True)
        self.base = base
        self.begun = threading.Event()
        self.model = None
        self.lost = "it did not end"

    def run(self):
        try:
            self.lost = self.ask()
        except (OSError, http.client.HTTPException, ValueError) as error:
            self.lost = f"{type(error).__name__}: {error}"
        finally:
            self.begun.set()

    def ask(self):
        """Why the answer is not whole; None when it is."""
        body = {
            "model": "default",
            "stream": True,
            "messages": [{"role": "user", "content": f"reply with {WORDS} words"}],
        }
        connection = http.client.HTTPConnection(urlsplit(self.base).netloc, timeout=PATIENCE)
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
                return f"an error event: {data[:500]}"
            for choice in event.get("choices", []):
                piece = choice.get("delta", {}).get("content")
                if piece:
                    text += piece
                    self.begun.set()
                if choice.get("finish_reason"):
                    finishes.append(choice["finish_reason"])
        words = len(text.split())
        if (words, finishes, done) != (WORDS, ["stop"], 1):
            return f"{words} words, finishes {finishes}, {done} times [DONE]"
        return None


def start(base, count):
    clients = [Client(base) for _ in range(count)]
    for client in clients:
        client.start()
    return clients


def all_begun(clients):
    for client in clients:
        if not client.begun.wait(PATIENCE):
            sys.exit("a stream did not begin")


def verdict(clients, what):
    for client in clients:
        client.join(PATIENCE)
    lost = [client.lost for client in clients if client.lost]
    for reason in lost[:5]:
        print(f"lost: {reason}")
    print(f"{len(clients) - len(lost)} of {len(clients)} {what}")
    return 1 if lost else 0


def is_stopping():
    show = ["systemctl", "--user", "show", "--property=ActiveState", "--value", "moonrelay.service"]
    return subprocess.run(show, capture_output=True, text=True, check=True).stdout.strip() == "deactivating"


def streams(base, count, command):
    clients = start(base, count)
    all_begun(clients)
    done = subprocess.run(command, timeout=PATIENCE, check=False).returncode
    under_way = sum(client.is_alive() for client in clients)
    print(f"{under_way} streams were still under way after: {' '.join(command)}")
    if done != 0 or under_way != count:
        verdict(clients, "streams ended whole")
        return 1
    return verdict(clients, "streams ended whole")


def connects(base, count, command):
    clients = start(base, 10)
    all_begun(clients)
    restart = subprocess.Popen(command)
    deadline = time.monotonic() + PATIENCE
    while not is_stopping():
        if restart.poll() is not None or time.monotonic() > deadline:
            sys.exit("the unit was never seen stopping")
    clients += start(base, count)
    under_way = sum(client.is_alive() for client in clients[:10])
    print(f"{count} connected while {under_way} streams held the old process")
    code = verdict(clients, "answers are whole")
    # Of streams that were all over nothing was shown.
    return code or int(under_way == 0) or restart.wait(PATIENCE)


def main():
    mode, base = sys.argv[1], sys.argv[2]
    if mode == "ask":
        (client,) = start(base, 1)
        client.join(PATIENCE)
        print(client.lost or client.model)
        return 1 if client.lost else 0
    return {"streams": streams, "connects": connects}[mode](base, int(sys.argv[3]), sys.argv[4:])


if __name__ == "__main__":
    sys.exit(main())
