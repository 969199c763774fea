"""How many instructions a case costs."""

import json
import statistics
import time

import cases
from callgrind import Counted, free_port
from lockstep import PATIENCE

SAMPLES = 3


class UsageDatabase:
    """Its file, as seen from outside."""

    def __init__(self, home):
        self.home = home

    def written(self):
        return [file.stat().st_mtime_ns for file in self.home.rglob("ledger.sqlite-wal")]

    def settle(self, before):
        """Until what was asked last is written."""
        end = time.monotonic() + PATIENCE
        while self.written() == before:
            if time.monotonic() > end:
                raise TimeoutError("the database was not written")
            time.sleep(0.002)
        # A commit is several writes; the thread that did them goes to sleep after the last.
        while (now := self.written()) != before:
            before = now
            time.sleep(0.02)


class Floor:
    def written(self):
        return None

    def settle(self, _):
        pass


def ask(wire, case, database):
    before = database.written()
    answer = wire.exchange(case.asked, case.answers)
    if not answer.startswith(b"HTTP/1.1 200 "):
        raise RuntimeError(f"{case.name}: {answer[:600]}")
    database.settle(before)


def sample(counted, wire, case, database):
    """Instructions a request: of the thread that serves, and of the others."""
    before = counted.instructions()
    for _ in range(case.count):
        ask(wire, case, database)
    after = counted.instructions()
    before += [0] * (len(after) - len(before))
    spent = sorted((now - then) / case.count for now, then in zip(after, before))
    return spent[-1], sum(spent[:-1])


def measure(counted, wire, every, database):
    """Medians by case."""
    for case in every:
        ask(wire, case, database)
        ask(wire, case, database)
    rounds = [{case.name: sample(counted, wire, case, database) for case in every} for _ in range(SAMPLES)]
    return {name: tuple(statistics.median(each[name][part] for each in rounds) for part in (0, 1)) for name in rounds[0]}


def start_gateway(binary, folder, wire, configuration=cases.gateway):
    port, config = free_port(), folder / "config.json5"
    config.write_text(json.dumps(configuration(port, wire.port)))
    return Counted(folder / "gateway", port, [binary, "gateway", "run", "--config", config])


def start_floor(binary, folder, wire):
    port = free_port()
    words = [binary, f"127.0.0.1:{port}", f"http://127.0.0.1:{wire.port}"]
    return Counted(folder / "floor", port, words, {"UPSTREAM_KEY": cases.KEY})
