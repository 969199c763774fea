"""One named check after the other, as TAP. Arguments: words that the names of the wanted checks have; none is all."""

import contextlib
import io
import subprocess
import sys
import time
import traceback

import credentials
import machine
import sandbox
import switch
import unit


def wanted():
    checks = unit.CHECKS + credentials.CHECKS + sandbox.CHECKS
    if switch.PROGRAM.exists():
        checks += switch.CHECKS
    words = sys.argv[1:]
    return [check for check in checks if not words or any(word in check[0] for word in words)]


def passes(number, name, function):
    began, output = time.monotonic(), io.StringIO()
    try:
        with contextlib.redirect_stdout(output):
            function()
        error = None
    except (machine.Wrong, OSError, ValueError, LookupError, subprocess.SubprocessError):
        error = traceback.format_exc()
    print(f"{'not ok' if error else 'ok'} {number} - {name} ({time.monotonic() - began:.0f} s)")
    print(output.getvalue(), end="", flush=True)
    if error:
        told = error + "\n" + machine.systemctl_status()
        print("\n".join(f"# {line}" for line in told.splitlines()), flush=True)
        # What a check that failed half-way left is not the next one's.
        with contextlib.suppress(machine.Wrong, OSError):
            machine.fault(None)
            machine.keys()
            unit.PLAIN.start()
    return error is None


def main():
    machine.keys()
    listen = machine.UPSTREAM.removeprefix("http://")
    simulator = subprocess.Popen(["moonrelay", "simulate", "--listen", listen], stdout=subprocess.PIPE, text=True)
    for line in simulator.stdout:
        if "simulating on" in line:
            break
    if sys.argv[1:]:
        unit.PLAIN.start()
    began, checks = time.monotonic(), wanted()
    failed = sum(not passes(number, *check) for number, check in enumerate(checks, 1))
    simulator.terminate()
    print(f"1..{len(checks)}\n# {len(checks) - failed} passed, {failed} failed, in {time.monotonic() - began:.0f} s")
    return 1 if failed or not checks else 0


if __name__ == "__main__":
    sys.exit(main())
