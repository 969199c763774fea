"""Switches between generations of a home with sd-switch, as home-manager does."""

import subprocess
import time
from pathlib import Path

from machine import (
    FIRST,
    SECOND,
    SERVICE,
    SHARE,
    SOCKET,
    Generation,
    CheckFailed,
    expect_complete,
    answers_from,
    inject_fault,
    wait_for_journal,
    load,
    main_pid,
    prop,
    run,
    expect_equal,
    slow_streams,
    state,
    start_streams,
    wait_until,
)

PROGRAM = SHARE / "sd-switch"
OTHER_CHAIN = {"agents": {"defaults": {"model": {"primary": SECOND, "fallbacks": []}}}}
OTHER_PORT = {"gateway": {"port": 1970}}
CASE = "simulated"
WITH_SOCKET = "simulated-socket"


def switch_command(old, new):
    """Links the home to the new generation and returns the command that switches."""
    directories = [generation / ".config/systemd/user" for generation in (old.build(), new.link())]
    return [str(PROGRAM), "--verbose", "--old-units", str(directories[0]), "--new-units", str(directories[1])]


def switch(old, new):
    """Switches, and prints one line for each changed unit."""
    output = run(*switch_command(old, new))
    print("".join(f"# {line.strip()}\n" for line in output.splitlines() if "moonrelay." in line and "(" in line), end="")


def running_package():
    return Path(f"/proc/{main_pid()}/cmdline").read_bytes().split(b"\0")[0].decode().split("/")[-3]


def starts_in(journal_since):
    output = run("journalctl", "--user", "-u", SERVICE, "-o", "cat", f"--since=@{journal_since}")
    return output.count("Started moonrelay.service")


def check_switch(old, new, *, restarts, model=FIRST, base="http://127.0.0.1:1969"):
    """Switches and checks the number of starts and the model that answers."""
    begun = time.time()
    old.start()
    # systemd logs the start with a delay.
    wait_for_journal("Started moonrelay.service", begun)
    before = main_pid()
    switch_time = time.time()
    switch(old, new)
    expect_equal("active/running", state())
    expect_equal(restarts == 0, main_pid() == before)
    expect_equal(restarts, starts_in(switch_time))
    expect_equal(new.package, running_package())
    answers_from(model, base)


def configuration():
    check_switch(Generation(CASE), Generation(CASE, settings=OTHER_CHAIN), restarts=0, model=SECOND)


def nothing():
    check_switch(Generation(CASE), Generation(CASE), restarts=0)


def package():
    check_switch(Generation(CASE), Generation(CASE, "two"), restarts=1)


def both():
    check_switch(Generation(CASE), Generation(CASE, "two", OTHER_CHAIN), restarts=1, model=SECOND)


def port():
    check_switch(Generation(CASE), Generation(CASE, settings=OTHER_PORT), restarts=0, base="http://127.0.0.1:1970")


def port_of_the_socket():
    check_switch(Generation(WITH_SOCKET), Generation(WITH_SOCKET, settings=OTHER_PORT), restarts=1, base="http://127.0.0.1:1970")
    expect_equal("active/running", state(SOCKET))


def socket_switched_on():
    check_switch(Generation(CASE), Generation(WITH_SOCKET), restarts=1)
    expect_equal("active/running", state(SOCKET))
    expect_equal("moonrelay.service", prop("Triggers", SOCKET))


def socket_switched_off():
    check_switch(Generation(WITH_SOCKET), Generation(CASE), restarts=1)
    expect_equal("inactive/dead", state(SOCKET))


def invalid_configuration():
    """The switch reports an invalid configuration, and the gateway keeps the old one."""
    invalid = Generation(CASE, settings={"agents": {"defaults": {"model": {"fallbacks": ["opnrouter/auto"]}}}})
    Generation(CASE).start()
    before = main_pid()
    done = subprocess.run(switch_command(Generation(CASE), invalid), capture_output=True, text=True, timeout=60, check=False)
    # sd-switch reports the failure but exits with 0.
    expect_equal(True, "moonrelay.service failed" in done.stdout + done.stderr)
    expect_equal(before, main_pid())
    answers_from(FIRST)
    switch(invalid, Generation(CASE))
    answers_from(FIRST)


def switch_under_load(new, model):
    """A stream is active and 100 clients connect during the switch: every response is complete."""
    old = Generation(WITH_SOCKET)
    old.start()
    before = main_pid()
    slow_streams()
    clients = start_streams(1)
    switching = subprocess.Popen(switch_command(old, new), stdout=subprocess.DEVNULL)
    for _ in range(10):
        time.sleep(0.02)
        clients += load.start("http://127.0.0.1:1969", 10)
    if not clients[0].is_alive():
        raise CheckFailed("the stream ended before the clients connected")
    if new.package != old.package and switching.poll() is not None:
        raise CheckFailed("the restart ended before the clients connected")
    expect_complete(clients)
    expect_equal(0, switching.wait(load.TIMEOUT_SECONDS))
    inject_fault(None)
    wait_until(10, "it runs", lambda: state() == "active/running")
    expect_equal(new.package == old.package, main_pid() == before)
    expect_equal(new.package, running_package())
    answers_from(model)


def switch_under_load_configuration():
    switch_under_load(Generation(WITH_SOCKET, settings=OTHER_CHAIN), SECOND)


def switch_under_load_package():
    switch_under_load(Generation(WITH_SOCKET, "two"), FIRST)


def switch_under_load_both():
    switch_under_load(Generation(WITH_SOCKET, "two", OTHER_CHAIN), SECOND)


CHECKS = [
    ("a switch to the same generation does nothing", nothing),
    ("a switch to another configuration reloads the same process", configuration),
    ("a switch to another package restarts once", package),
    ("a switch to another package and configuration restarts once", both),
    ("a switch to another port keeps the process", port),
    ("a switch to another socket port restarts once", port_of_the_socket),
    ("a switch can enable socketActivation", socket_switched_on),
    ("a switch can disable socketActivation", socket_switched_off),
    ("a switch to an invalid configuration keeps the old one", invalid_configuration),
    ("a switch of the configuration loses none of 101 responses", switch_under_load_configuration),
    ("a switch of the package loses none of 101 responses", switch_under_load_package),
    ("a switch of both loses none of 101 responses", switch_under_load_both),
]
