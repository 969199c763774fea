"""The unit of the home-manager module, run: it serves, falls back, reloads and comes back."""

import json
import os
import signal
import socket
import time

from machine import (
    CONFIG,
    FIRST,
    MOONSHOT_KEY,
    SECOND,
    SERVICE,
    SHARE,
    SOCKET,
    STORE,
    Generation,
    Wrong,
    all_whole,
    answers_from,
    fault,
    journal_says,
    main_pid,
    prop,
    run,
    says,
    slow_streams,
    state,
    stored,
    streams_begun,
    systemctl,
    within,
)

PLAIN = Generation("simulated")
WITH_SOCKET = Generation("simulated-socket")


def every_unit_is_understood():
    """systemd has no word against any unit that an evaluated case has, of the user or of the system."""
    judged = 0
    for text in sorted((SHARE / "eval").glob("*/moonrelay.service")):
        generation = Generation(text.parent.name)
        folder = STORE / f"verify-{text.parent.name}"
        folder.mkdir(exist_ok=True)
        for unit in text.parent.glob("moonrelay.*"):
            (folder / unit.name).write_text(generation.text(unit.name, "/nowhere"))
        manager = "--system" if "DynamicUser" in text.read_text() else "--user"
        found = run("systemd-analyze", manager, "--man=no", "verify", str(folder / SERVICE))
        # What this machine lacks of a machine with NixOS is nothing of ours.
        says("", "\n".join(line for line in found.splitlines() if "moonrelay" in line))
        judged += 1
    if judged < 10:
        raise Wrong(f"only {judged} units were found")


def active_and_ready():
    PLAIN.start()
    says("active/running", state())
    says("notify-reload", prop("Type"))
    says("enabled", prop("UnitFileState"))
    says(f"answering from {FIRST}", prop("StatusText"))
    says(True, "Active: active (running)" in systemctl("status", SERVICE))


def answers():
    answers_from(FIRST)


def falls_back_and_comes_back():
    fault({"provider": "moonshot", "kind": "rate_limit", "times": 1})
    answers_from(SECOND)
    within(5, "the first model counts again", lambda: prop("StatusText") == f"answering from {FIRST}")
    answers_from(FIRST)


def reload_drops_nothing():
    before = main_pid()
    slow_streams()
    clients = streams_begun(50)
    systemctl("reload", SERVICE)
    if not all(client.is_alive() for client in clients):
        raise Wrong("the streams were over before the reload was")
    all_whole(clients)
    fault(None)
    says(before, main_pid())


def killed_comes_back():
    before = main_pid()
    os.kill(int(before), signal.SIGKILL)
    within(20, "another process runs", lambda: state() == "active/running" and main_pid() != before)
    says("1", prop("NRestarts"))
    answers_from(FIRST)


def journal_has_fields():
    answers_from(FIRST)

    def told():
        lines = run("journalctl", "--user", "-u", "moonrelay", "-o", "json", "-n", "5").splitlines()
        return [entry for entry in map(json.loads, lines) if "MOONRELAY_REQUEST_ID" in entry]

    # The client has its answer first.
    within(5, "the journal tells of the request", told)
    entry = told()[-1]
    wanted = {"MOONRELAY_MODEL": FIRST, "MOONRELAY_ATTEMPTS": f"{FIRST}=ok", "PRIORITY": "6", "SYSLOG_IDENTIFIER": "moonrelay"}
    says(wanted, {name: entry.get(name) for name in wanted})


def refused_reload():
    """A file with errors fails the command, and the old settings serve on; a mended one counts."""
    before, began = main_pid(), time.time()
    good = CONFIG.resolve()
    bad = stored("bad.json", good.read_text().replace('"openrouter/auto"', '"opnrouter/auto"'))
    CONFIG.unlink()
    CONFIG.symlink_to(bad)
    systemctl("reload", SERVICE, ok=False)
    journal_says('did you mean "openrouter"', began)
    within(5, "it runs", lambda: state() == "active/running")
    answers_from(FIRST)
    CONFIG.unlink()
    CONFIG.symlink_to(good)
    systemctl("reload", SERVICE)
    says(before, main_pid())


def changed_file_waits_for_the_reload():
    """The module turns the watching off: a new generation counts with the switch's reload."""
    before = main_pid()
    other = Generation("simulated", settings={"agents": {"defaults": {"model": {"primary": SECOND, "fallbacks": []}}}})
    other.link()
    answers_from(FIRST)
    systemctl("daemon-reload")
    systemctl("reload", SERVICE)
    answers_from(SECOND)
    PLAIN.link()
    systemctl("daemon-reload")
    systemctl("reload", SERVICE)
    answers_from(FIRST)
    says(before, main_pid())


def with_a_socket():
    WITH_SOCKET.start()
    says("active/running", state(SOCKET))
    answers_from(FIRST)
    began = time.time()
    systemctl("stop", SERVICE)
    says("inactive/dead", state())
    answers_from(FIRST)
    says("active/running", state())
    journal_says("sockets were handed over", began)


def restart_with_a_socket_refuses_nobody():
    before = main_pid()
    slow_streams()
    clients = streams_begun(10)
    systemctl("restart", "--no-block", SERVICE)
    within(10, "it stops", lambda: prop("ActiveState") == "deactivating")
    waiting = [socket.create_connection(("127.0.0.1", 1969), timeout=60) for _ in range(100)]
    all_whole(clients)
    within(20, "the next process runs", lambda: state() == "active/running" and main_pid() != before)
    for connection in waiting:
        connection.sendall(b"GET /health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
    for connection in waiting:
        with connection, connection.makefile("rb") as answer:
            says("HTTP/1.1 200 OK", answer.readline().decode().strip())
    fault(None)


def on_a_unix_socket():
    """The case whose socket is a UNIX one: systemd makes it, for this user alone."""
    settings = json.loads((SHARE / "eval/simulated/settings.json").read_text())
    del settings["gateway"]
    Generation("sockets", settings=settings | {"models": with_key(settings["models"])}).start()
    path = prop("Listen", SOCKET).split()[0]
    says(0o600, os.stat(path).st_mode & 0o777)
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(path)
        connection.sendall(b"GET /health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
        with connection.makefile("rb") as answer:
            says("HTTP/1.1 200 OK", answer.readline().decode().strip())
    PLAIN.start()


def with_key(models):
    """That case has no credential: the simulated one's key is written out."""
    models["providers"]["moonshot"]["apiKey"] = MOONSHOT_KEY
    return models


CHECKS = [
    ("systemd understands every unit of the evaluated cases", every_unit_is_understood),
    ("the unit is active and ready, and says how it goes", active_and_ready),
    ("it answers a chat request", answers),
    ("it falls back, and comes back", falls_back_and_comes_back),
    ("a reload during 50 streams drops nothing", reload_drops_nothing),
    ("kill -9: it comes back", killed_comes_back),
    ("the journal has our fields", journal_has_fields),
    ("a file with errors fails the reload, and the old settings serve on", refused_reload),
    ("another generation counts with the reload", changed_file_waits_for_the_reload),
    ("the socket starts the service", with_a_socket),
    ("a restart with the socket refuses none of 100 connects", restart_with_a_socket_refuses_nobody),
    ("a UNIX socket that systemd holds", on_a_unix_socket),
]
