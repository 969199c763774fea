"""Keys that are missing, come late or are rotated, as docs/how-to/keep-secrets.md says."""

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
    Wrong,
    answers_from,
    fault,
    journal_says,
    keys,
    load,
    main_pid,
    prop,
    run,
    says,
    state,
    systemctl,
    within,
)
from unit import PLAIN


def missing_key():
    began = time.time()
    keys(moonshot=None)
    PLAIN.start()
    says(f"moonshot off, answering from {SECOND}", prop("StatusText"))
    journal_says("MOONSHOT_API_KEY is not set or empty", began)
    answers_from(SECOND)


def late_key():
    """Follows missing_key."""
    before = main_pid()
    keys()
    systemctl("reload", SERVICE)
    answers_from(FIRST)
    says(before, main_pid())


def rotated_key():
    before = main_pid()
    keys(moonshot="no-key-of-moonshot")
    answers_from(FIRST)
    systemctl("reload", SERVICE)
    answers_from(SECOND)
    keys()
    systemctl("reload", SERVICE)
    answers_from(FIRST)
    says(before, main_pid())


def environment_file_counts_at_the_start():
    keys(openrouter=None)
    PLAIN.start()
    says(f"answering from {FIRST}", prop("StatusText"))
    fault({"provider": "moonshot", "kind": "overloaded"})
    keys()
    systemctl("reload", SERVICE)
    (client,) = load.start(BASE, 1)
    client.join(load.PATIENCE)
    says("status 429", (client.lost or client.model)[:10])
    fault(None)
    PLAIN.start()
    fault({"provider": "moonshot", "kind": "overloaded", "times": 1})
    answers_from(SECOND)
    fault(None)


def no_key_at_all():
    began = time.time()
    keys(moonshot=None, openrouter=None)
    with contextlib.suppress(Wrong):
        PLAIN.start()
    says("failed/failed", state())
    says("78 0", f"{prop('ExecMainStatus')} {prop('NRestarts')}")
    journal_says("no provider has a key", began)
    keys()
    systemctl("restart", SERVICE)
    answers_from(FIRST)


def unreadable_key():
    (KEYS / "moonshot").chmod(0)
    systemctl("restart", SERVICE, ok=False)
    says("243", prop("ExecMainStatus"))
    keys()
    PLAIN.start()
    answers_from(FIRST)


def draft_in_the_way():
    """What systemd leaves of credentials that it was reading when the service was stopped keeps it down no longer than a
    restart takes."""
    draft = RUNTIME / "systemd/temporary-credentials" / SERVICE

    def leave():
        draft.mkdir()
        (draft / "moonshot").write_text("cut o")
        (draft / "moonshot").chmod(0o400)

    leave()
    systemctl("restart", SERVICE)
    answers_from(FIRST)
    says(False, draft.exists())
    systemctl("stop", SERVICE)
    leave()
    systemctl("start", SERVICE, ok=False)
    within(20, "it runs", lambda: state() == "active/running")
    answers_from(FIRST)


def keys_are_nowhere():
    """Not in the process's arguments nor, of a credential, in its environment, nor in the journal and the state."""
    pid = main_pid()
    own = subprocess.run(["cat", f"/proc/{pid}/cmdline", f"/proc/{pid}/environ"], capture_output=True, check=False).stdout
    says(False, MOONSHOT_KEY.encode() in own)
    for line in run("ps", "-e", "-ww", "-o", "args").splitlines():
        says(False, MOONSHOT_KEY in line or OPENROUTER_KEY in line)
    journal = run("journalctl", "--user", "-o", "export")
    says(False, MOONSHOT_KEY in journal or OPENROUTER_KEY in journal)
    for path in filter(Path.is_file, STATE.rglob("*")):
        says(False, MOONSHOT_KEY.encode() in path.read_bytes())
    says(0o700, os.stat(STATE).st_mode & 0o777)


CHECKS = [
    ("a key that is missing is a provider that is off", missing_key),
    ("a key that arrives late counts with a reload", late_key),
    ("a key that is rotated counts with a reload", rotated_key),
    ("an environment file counts at the start only, and may be missing", environment_file_counts_at_the_start),
    ("no key at all: 78, and it is not started again", no_key_at_all),
    ("a key that may not be read: 243", unreadable_key),
    ("what a cut off reading of keys leaves is in nobody's way", draft_in_the_way),
    ("keys are in no argument, no journal and no state", keys_are_nowhere),
]
