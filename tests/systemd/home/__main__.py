"""Runs the checks and prints TAP. With arguments it runs only the checks whose name contains one of them."""

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


def selected_checks():
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
    except (machine.CheckFailed, OSError, ValueError, LookupError, subprocess.SubprocessError):
        error = traceback.format_exc()
    print(f"{'not ok' if error else 'ok'} {number} - {name} ({time.monotonic() - began:.0f} s)")
    print(output.getvalue(), end="", flush=True)
    if error:
        details = error + "\n" + machine.systemctl_status()
        print("\n".join(f"# {line}" for line in details.splitlines()), flush=True)
        # Restore the initial state after a failed check.
        with contextlib.suppress(machine.CheckFailed, OSError):
            machine.inject_fault(None)
            machine.write_keys()
            unit.PLAIN.start()
    return error is None


def main():
    machine.write_keys()
    listen = machine.UPSTREAM.removeprefix("http://")
    simulator = subprocess.Popen(["moonrelay", "simulate", "--listen", listen], stdout=subprocess.PIPE, text=True)
    for line in simulator.stdout:
        if "simulating on" in line:
            break
    if sys.argv[1:]:
        unit.PLAIN.start()
    began, checks = time.monotonic(), selected_checks()
    failed = sum(not passes(number, *check) for number, check in enumerate(checks, 1))
    simulator.terminate()
    print(f"1..{len(checks)}\n# {len(checks) - failed} passed, {failed} failed, in {time.monotonic() - began:.0f} s")
    return 1 if failed or not checks else 0


if __name__ == "__main__":
    sys.exit(main())
