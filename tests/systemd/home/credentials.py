"""Keys that are missing, added late or rotated, as docs/how-to/keep-secrets.md describes."""

import contextlib
import os
import subprocess
import time
from pathlib import Path

from machine import (
    BASE,
    FIRST,
    KEYS,
    MOONSHOT_KEY,
    OPENROUTER_KEY,
    RUNTIME,
    SECOND,
    SERVICE,
    STATE,
    CheckFailed,
    answers_from,
    inject_fault,
    wait_for_journal,
    write_keys,
    load,
    main_pid,
    prop,
    run,
    expect_equal,
    state,
    systemctl,
    wait_until,
)
from unit import PLAIN


def missing_key():
    began = time.time()
    write_keys(moonshot=None)
    PLAIN.start()
    expect_equal(f"moonshot off, answering from {SECOND}", prop("StatusText"))
    wait_for_journal("MOONSHOT_API_KEY is not set or empty", began)
    answers_from(SECOND)


def late_key():
    """Depends on missing_key."""
    before = main_pid()
    write_keys()
    systemctl("reload", SERVICE)
    answers_from(FIRST)
    expect_equal(before, main_pid())


def rotated_key():
    before = main_pid()
    write_keys(moonshot="no-key-of-moonshot")
    answers_from(FIRST)
    systemctl("reload", SERVICE)
    answers_from(SECOND)
    write_keys()
    systemctl("reload", SERVICE)
    answers_from(FIRST)
    expect_equal(before, main_pid())


def environment_file_is_read_at_the_start():
    write_keys(openrouter=None)
    PLAIN.start()
    expect_equal(f"answering from {FIRST}", prop("StatusText"))
    inject_fault({"provider": "moonshot", "kind": "overloaded"})
    write_keys()
    systemctl("reload", SERVICE)
    (client,) = load.start(BASE, 1)
    client.join(load.TIMEOUT_SECONDS)
    expect_equal("status 429", (client.failure or client.model)[:10])
    inject_fault(None)
    PLAIN.start()
    inject_fault({"provider": "moonshot", "kind": "overloaded", "times": 1})
    answers_from(SECOND)
    inject_fault(None)


def no_key_at_all():
    began = time.time()
    write_keys(moonshot=None, openrouter=None)
    with contextlib.suppress(CheckFailed):
        PLAIN.start()
    expect_equal("failed/failed", state())
    expect_equal("78 0", f"{prop('ExecMainStatus')} {prop('NRestarts')}")
    wait_for_journal("no provider has a key", began)
    write_keys()
    systemctl("restart", SERVICE)
    answers_from(FIRST)


def unreadable_key():
    (KEYS / "moonshot").chmod(0)
    systemctl("restart", SERVICE, ok=False)
    expect_equal("243", prop("ExecMainStatus"))
    write_keys()
    PLAIN.start()
    answers_from(FIRST)


def stale_credentials_directory():
    """A stop while systemd reads credentials leaves a directory. The next restart removes it."""
    directory = RUNTIME / "systemd/temporary-credentials" / SERVICE

    def leave_directory():
        directory.mkdir()
        (directory / "moonshot").write_text("incomplete")
        (directory / "moonshot").chmod(0o400)

    leave_directory()
    systemctl("restart", SERVICE)
    answers_from(FIRST)
    expect_equal(False, directory.exists())
    systemctl("stop", SERVICE)
    leave_directory()
    systemctl("start", SERVICE, ok=False)
    wait_until(20, "it runs", lambda: state() == "active/running")
    answers_from(FIRST)


def keys_are_not_exposed():
    """Keys are not in process arguments, the journal or the state directory; credentials are not in the environment."""
    pid = main_pid()
    own = subprocess.run(["cat", f"/proc/{pid}/cmdline", f"/proc/{pid}/environ"], capture_output=True, check=False).stdout
    expect_equal(False, MOONSHOT_KEY.encode() in own)
    for line in run("ps", "-e", "-ww", "-o", "args").splitlines():
        expect_equal(False, MOONSHOT_KEY in line or OPENROUTER_KEY in line)
    journal = run("journalctl", "--user", "-o", "export")
    expect_equal(False, MOONSHOT_KEY in journal or OPENROUTER_KEY in journal)
    for path in filter(Path.is_file, STATE.rglob("*")):
        expect_equal(False, MOONSHOT_KEY.encode() in path.read_bytes())
    expect_equal(0o700, os.stat(STATE).st_mode & 0o777)


CHECKS = [
    ("a missing key disables its provider", missing_key),
    ("a reload reads a key that was added later", late_key),
    ("a reload reads a rotated key", rotated_key),
    ("an environment file is read only at the start and can be missing", environment_file_is_read_at_the_start),
    ("without any key the service exits with 78 and is not restarted", no_key_at_all),
    ("an unreadable key fails the start with 243", unreadable_key),
    ("a stale credentials directory does not prevent a restart", stale_credentials_directory),
    ("keys are not in arguments, the journal or the state directory", keys_are_not_exposed),
]
