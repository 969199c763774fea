"""Generations of a home, switched between by sd-switch as home-manager does."""

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
    Wrong,
    all_whole,
    answers_from,
    fault,
    journal_says,
    load,
    main_pid,
    prop,
    run,
    says,
    slow_streams,
    state,
    streams_begun,
    within,
)

PROGRAM = SHARE / "sd-switch"
OTHER_CHAIN = {"agents": {"defaults": {"model": {"primary": SECOND, "fallbacks": []}}}}
OTHER_PORT = {"gateway": {"port": 1970}}
CASE = "simulated"
WITH_SOCKET = "simulated-socket"


def switch_command(old, new):
    """The home points at the new generation from here on."""
    folders = [generation / ".config/systemd/user" for generation in (old.build(), new.link())]
    return [str(PROGRAM), "--verbose", "--old-units", str(folders[0]), "--new-units", str(folders[1])]


def switch(old, new):
    """What it planned, a line a unit."""
    said = run(*switch_command(old, new))
    print("".join(f"# {line.strip()}\n" for line in said.splitlines() if "moonrelay." in line and "(" in line), end="")


def which_package():
    return Path(f"/proc/{main_pid()}/cmdline").read_bytes().split(b"\0")[0].decode().split("/")[-3]


def starts_in(journal_since):
    said = run("journalctl", "--user", "-u", SERVICE, "-o", "cat", f"--since=@{journal_since}")
    return said.count("Started moonrelay.service")


def switched(old, new, *, restarts, model=FIRST, base="http://127.0.0.1:1969"):
    """From one to the other: how often the service was started, and what answers then."""
    begun = time.time()
    old.start()
    # systemd writes that behind the start.
    journal_says("Started moonrelay.service", begun)
    before = main_pid()
    began = time.time()
    switch(old, new)
    says("active/running", state())
    says(restarts == 0, main_pid() == before)
    says(restarts, starts_in(began))
    says(new.package, which_package())
    answers_from(model, base)


def configuration():
    switched(Generation(CASE), Generation(CASE, settings=OTHER_CHAIN), restarts=0, model=SECOND)


def nothing():
    switched(Generation(CASE), Generation(CASE), restarts=0)


def package():
    switched(Generation(CASE), Generation(CASE, "two"), restarts=1)


def both():
    switched(Generation(CASE), Generation(CASE, "two", OTHER_CHAIN), restarts=1, model=SECOND)


def port():
    switched(Generation(CASE), Generation(CASE, settings=OTHER_PORT), restarts=0, base="http://127.0.0.1:1970")


def port_of_the_socket():
    switched(Generation(WITH_SOCKET), Generation(WITH_SOCKET, settings=OTHER_PORT), restarts=1, base="http://127.0.0.1:1970")
    says("active/running", state(SOCKET))


def socket_switched_on():
    switched(Generation(CASE), Generation(WITH_SOCKET), restarts=1)
    says("active/running", state(SOCKET))
    says("moonrelay.service", prop("Triggers", SOCKET))


def socket_switched_off():
    switched(Generation(WITH_SOCKET), Generation(CASE), restarts=1)
    says("inactive/dead", state(SOCKET))


def refused_configuration():
    """Could it come past the build, the switch shows it, and the old one serves on."""
    bad = Generation(CASE, settings={"agents": {"defaults": {"model": {"fallbacks": ["opnrouter/auto"]}}}})
    Generation(CASE).start()
    before = main_pid()
    done = subprocess.run(switch_command(Generation(CASE), bad), capture_output=True, text=True, timeout=60, check=False)
    # sd-switch says so and ends well all the same.
    says(True, "moonrelay.service failed" in done.stdout + done.stderr)
    says(before, main_pid())
    answers_from(FIRST)
    switch(bad, Generation(CASE))
    answers_from(FIRST)


def crowded(new, model):
    """A stream is under way and 100 clients connect while the switch runs: each gets a whole answer."""
    old = Generation(WITH_SOCKET)
    old.start()
    before = main_pid()
    slow_streams()
    clients = streams_begun(1)
    switching = subprocess.Popen(switch_command(old, new), stdout=subprocess.DEVNULL)
    for _ in range(10):
        time.sleep(0.02)
        clients += load.start("http://127.0.0.1:1969", 10)
    if not clients[0].is_alive():
        raise Wrong("the stream was over before the clients came")
    if new.package != old.package and switching.poll() is not None:
        raise Wrong("the restart was over before the clients came")
    all_whole(clients)
    says(0, switching.wait(load.PATIENCE))
    fault(None)
    within(10, "it runs", lambda: state() == "active/running")
    says(new.package == old.package, main_pid() == before)
    says(new.package, which_package())
    answers_from(model)


def crowded_configuration():
    crowded(Generation(WITH_SOCKET, settings=OTHER_CHAIN), SECOND)


def crowded_package():
    crowded(Generation(WITH_SOCKET, "two"), FIRST)


def crowded_both():
    crowded(Generation(WITH_SOCKET, "two", OTHER_CHAIN), SECOND)


CHECKS = [
    ("switch to the same: nothing happens", nothing),
    ("switch to another configuration: the same process, reloaded", configuration),
    ("switch to another package: one restart", package),
    ("switch to another package and configuration: one restart", both),
    ("switch to another port: the same process moves", port),
    ("switch to another port that systemd holds", port_of_the_socket),
    ("switch socketActivation on", socket_switched_on),
    ("switch socketActivation off", socket_switched_off),
    ("switch to a configuration that is refused: the old one serves on", refused_configuration),
    ("a stream and 100 connects while the configuration is switched", crowded_configuration),
    ("a stream and 100 connects while the package is switched", crowded_package),
    ("a stream and 100 connects while both are switched", crowded_both),
]
