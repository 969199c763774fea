"""Runs the unit of the home-manager module: requests, failover, reload and restart."""

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
    CheckFailed,
    expect_complete,
    answers_from,
    inject_fault,
    wait_for_journal,
    main_pid,
    prop,
    run,
    expect_equal,
    slow_streams,
    state,
    stored,
    start_streams,
    systemctl,
    wait_until,
)

PLAIN = Generation("simulated")
WITH_SOCKET = Generation("simulated-socket")


def every_unit_is_valid():
    """systemd-analyze verify accepts the user and system units of every case."""
    count = 0
    for text in sorted((SHARE / "eval").glob("*/moonrelay.service")):
        generation = Generation(text.parent.name)
        directory = STORE / f"verify-{text.parent.name}"
        directory.mkdir(exist_ok=True)
        for unit in text.parent.glob("moonrelay.*"):
            (directory / unit.name).write_text(generation.text(unit.name, "/nowhere"))
        manager = "--system" if "DynamicUser" in text.read_text() else "--user"
        found = run("systemd-analyze", manager, "--man=no", "verify", str(directory / SERVICE))
        # Ignore messages about other units, which only NixOS has.
        expect_equal("", "\n".join(line for line in found.splitlines() if "moonrelay" in line))
        count += 1
    if count < 10:
        raise CheckFailed(f"expected at least 10 units, found {count}")


def active_and_ready():
    PLAIN.start()
    expect_equal("active/running", state())
    expect_equal("notify-reload", prop("Type"))
    expect_equal("enabled", prop("UnitFileState"))
    expect_equal(f"answering from {FIRST}", prop("StatusText"))
    expect_equal(True, "Active: active (running)" in systemctl("status", SERVICE))


def answers():
    answers_from(FIRST)


def fallback_answers_during_cooldown():
    inject_fault({"provider": "moonshot", "kind": "rate_limit", "times": 1})
    answers_from(SECOND)
    wait_until(5, "the primary model is available again", lambda: prop("StatusText") == f"answering from {FIRST}")
    answers_from(FIRST)


def reload_keeps_streams():
    before = main_pid()
    slow_streams()
    clients = start_streams(50)
    systemctl("reload", SERVICE)
    if not all(client.is_alive() for client in clients):
        raise CheckFailed("the streams ended before the reload")
    expect_complete(clients)
    inject_fault(None)
    expect_equal(before, main_pid())


def killed_restarts():
    before = main_pid()
    os.kill(int(before), signal.SIGKILL)
    wait_until(20, "another process runs", lambda: state() == "active/running" and main_pid() != before)
    expect_equal("1", prop("NRestarts"))
    answers_from(FIRST)


def journal_has_fields():
    answers_from(FIRST)

    def entries_with_request_id():
        lines = run("journalctl", "--user", "-u", "moonrelay", "-o", "json", "-n", "5").splitlines()
        return [entry for entry in map(json.loads, lines) if "MOONRELAY_REQUEST_ID" in entry]

    # The entry is written after the response.
    wait_until(5, "the journal contains the request", entries_with_request_id)
    entry = entries_with_request_id()[-1]
    expected = {"MOONRELAY_MODEL": FIRST, "MOONRELAY_ATTEMPTS": f"{FIRST}=ok", "PRIORITY": "6", "SYSLOG_IDENTIFIER": "moonrelay"}
    expect_equal(expected, {name: entry.get(name) for name in expected})


def invalid_file_fails_reload():
    """An invalid file fails the command and keeps the old settings; a fixed file is loaded."""
    before, began = main_pid(), time.time()
    valid = CONFIG.resolve()
    invalid = stored("invalid.json", valid.read_text().replace('"openrouter/auto"', '"opnrouter/auto"'))
    CONFIG.unlink()
    CONFIG.symlink_to(invalid)
    systemctl("reload", SERVICE, ok=False)
    wait_for_journal('did you mean "openrouter"', began)
    wait_until(5, "it runs", lambda: state() == "active/running")
    answers_from(FIRST)
    CONFIG.unlink()
    CONFIG.symlink_to(valid)
    systemctl("reload", SERVICE)
    expect_equal(before, main_pid())


def changed_file_is_loaded_on_reload():
    """The module disables the file watcher: a new generation is loaded by the reload of the switch."""
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
    expect_equal(before, main_pid())


def with_a_socket():
    WITH_SOCKET.start()
    expect_equal("active/running", state(SOCKET))
    answers_from(FIRST)
    began = time.time()
    systemctl("stop", SERVICE)
    expect_equal("inactive/dead", state())
    answers_from(FIRST)
    expect_equal("active/running", state())
    wait_for_journal("using the sockets of systemd", began)


def restart_with_a_socket_refuses_no_connection():
    before = main_pid()
    slow_streams()
    clients = start_streams(10)
    systemctl("restart", "--no-block", SERVICE)
    wait_until(10, "it stops", lambda: prop("ActiveState") == "deactivating")
    waiting = [socket.create_connection(("127.0.0.1", 1969), timeout=60) for _ in range(100)]
    expect_complete(clients)
    wait_until(20, "the next process runs", lambda: state() == "active/running" and main_pid() != before)
    for connection in waiting:
        connection.sendall(b"GET /health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
    for connection in waiting:
        with connection, connection.makefile("rb") as response:
            expect_equal("HTTP/1.1 200 OK", response.readline().decode().strip())
    inject_fault(None)


def on_a_unix_socket():
    """systemd creates the UNIX socket, which only this user can access."""
    settings = json.loads((SHARE / "eval/simulated/settings.json").read_text())
    del settings["gateway"]
    Generation("sockets", settings=settings | {"models": with_key(settings["models"])}).start()
    path = prop("Listen", SOCKET).split()[0]
    expect_equal(0o600, os.stat(path).st_mode & 0o777)
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(path)
        connection.sendall(b"GET /health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
        with connection.makefile("rb") as response:
            expect_equal("HTTP/1.1 200 OK", response.readline().decode().strip())
    PLAIN.start()


def with_key(models):
    """The case has no credential, so the simulated key is in the settings."""
    models["providers"]["moonshot"]["apiKey"] = MOONSHOT_KEY
    return models


CHECKS = [
    ("systemd accepts every unit of the evaluated cases", every_unit_is_valid),
    ("the unit is active and reports its status", active_and_ready),
    ("a chat request is answered", answers),
    ("a fallback answers during the cooldown of the primary", fallback_answers_during_cooldown),
    ("a reload does not interrupt 50 active streams", reload_keeps_streams),
    ("the unit restarts after kill -9", killed_restarts),
    ("journal entries have the gateway's fields", journal_has_fields),
    ("an invalid file fails the reload and keeps the old settings", invalid_file_fails_reload),
    ("a reload loads another generation", changed_file_is_loaded_on_reload),
    ("a connection to the socket starts the service", with_a_socket),
    ("a restart with the socket refuses none of 100 connections", restart_with_a_socket_refuses_no_connection),
    ("a UNIX socket is created by systemd", on_a_unix_socket),
]
