"""drive.py BINARY SCRATCH [client…]: runs the installed programs, and prints what each of them did.

Started by tests/clients/run, which installs them and sees to it that there is no network but the loopback device.
"""

import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from programs import MODEL, TEXT, Place, chosen
from stand import ANY, KEY, Stand

# Kimi answers as a subscription and from the platform: where it fails, both do.
FAILING = ({"provider": "kimi", "kind": "rate_limit"}, {"provider": "moonshot", "kind": "server_error"})


@dataclass(frozen=True)
class Case:
    """One thing that a program must do."""

    title: str
    tool: bool
    faults: tuple[dict, ...] = ()
    # The one protocol of the provider that is asked, where it is not the chain of Kimi and OpenRouter.
    over: str = ""

    def model(self):
        return f"over-{self.over}/{ANY}" if self.over else MODEL

    def provider(self, program):
        """Which provider must answer."""
        if self.faults or self.over:
            return "openrouter"
        return "moonshot" if program.gated else "kimi"

    def why_not(self, program):
        """Why it says nothing about this program."""
        if self.over == program.api:
            return "its own"
        return "slow" if self.over and program.slow else ""


CASES = [
    Case("text", False),
    Case("tool", True),
    Case("failing text", False, FAILING),
    Case("failing tool", True, FAILING),
    *(Case(f"over {api}", True, over=api) for api in ("chat", "messages", "responses")),
]


def ended(process, limit):
    """Its output, when it and what it started in its session have ended, by themselves or at the limit."""
    try:
        output, _ = process.communicate(timeout=limit)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        output, _ = process.communicate()
        raise AssertionError(f"no end after {limit} s\n{output}") from None
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    return output


def run(program, case, stand, place, project):
    """Runs the program once; an AssertionError says what was wrong."""
    prompt = program.tool if case.tool else TEXT
    process = subprocess.Popen(
        [*program.command(place), prompt],
        cwd=project,
        env={
            "HOME": str(place.home),
            "PATH": place.path,
            "LANG": "C.UTF-8",
            "TERM": "dumb",
            "DO_NOT_TRACK": "1",
            **program.environment(place),
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    output = ended(process, program.limit)
    assert process.returncode == 0, f"exit code {process.returncode}\n{output}"
    check(program, case, stand, project.parent, output)


def check(program, case, stand, folder, output):
    provider = case.provider(program)
    if case.tool:
        made = folder / program.folder / "made.txt"
        assert made.is_file(), f"made.txt was not written\n{output}"
        assert made.read_text().strip() == "captured", f"made.txt holds {made.read_text()!r}\n{output}"
    said = "" if case.tool else f".*{TEXT}"
    assert re.search(f"via {provider}: {said}", output), f"the answer of {provider} is missing\n{output}"
    calls = stand.calls()
    answered = {(name, api) for name, api, status in calls if status == 200}
    expected = {(provider, case.over or program.api)}
    assert answered == expected, f"answered by {answered}, not {expected}: {calls}\n{output}"
    if not case.over:
        assert calls[0][0] == "kimi", f"Kimi was not asked first: {calls}"


def played(program, case, binary, scratch, installed, path):
    """The cell of the table, and whether it is good."""
    folder = scratch / f"{program.name}-{case.title.replace(' ', '-')}"
    home, project = folder / "home", folder / "project"
    for directory in (home, project):
        directory.mkdir(parents=True)
    began = time.monotonic()
    with Stand(binary, folder) as stand:
        for fault in case.faults:
            stand.simulator("POST", "/_faults", fault)
        place = Place(stand.base, KEY, home, installed, path, case.model())
        try:
            run(program, case, stand, place, project)
            return f"ok {time.monotonic() - began:.1f} s", True
        except AssertionError as error:
            print(f"--- {program.name}: {case.title}\n{error}")
            for log in ("gateway", "simulator"):
                lines = (folder / f"{log}.log").read_text().splitlines()
                print(f"--- {log}", *(line[:600] for line in lines[-25:]), sep="\n", flush=True)
            return f"FAILED {time.monotonic() - began:.1f} s", False


def main(binary, scratch, *names):
    scratch = Path(scratch)
    installed = json.loads((scratch / "installed.json").read_text())
    failed = False
    rows = [["client", "API", *(case.title for case in CASES)]]
    for program in chosen(names):
        place = installed["programs"][program.name]
        if "why" in place:
            failed |= program.required
            word = "FAILED" if program.required else "skipped"
            rows.append([program.name, program.api, f"{word}: {place['why']}"])
            print(f"{program.name}: {word}: {place['why']}", flush=True)
            continue
        cells = []
        for case in CASES:
            if word := case.why_not(program):
                cells.append(word)
                continue
            cell, good = played(program, case, binary, scratch, Path(place["path"]), installed["PATH"])
            failed |= not good
            cells.append(cell)
        rows.append([program.name, program.api, *cells])
        print("  ".join(rows[-1]), flush=True)
    print()
    for row in rows:
        print("".join(f"{cell:<22}" if index == 0 else f"{cell:<16}" for index, cell in enumerate(row)).rstrip())
    return 1 if failed else 0


sys.exit(main(*sys.argv[1:]))
