"""What a process in the unit's sandbox can access, and hosts on which the sandbox does not start."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

from machine import (
    CONFIG,
    FIRST,
    HERE,
    HOME,
    RUNTIME,
    SERVICE,
    STATE,
    UNITS,
    Generation,
    CheckFailed,
    answers_from,
    main_pid,
    prop,
    run,
    expect_equal,
    state,
    systemctl,
    wait_until,
)
from unit import PLAIN

SYSCALLS = Generation("simulated-syscalls")
PRIVATE_FILE = HOME / "private"


def exposure():
    output = run("systemd-analyze", "--user", "security", "--no-pager", SERVICE).splitlines()[-1]
    found = float(re.search(r": ([0-9.]+) ", output)[1])
    print(f"# exposure {found}")
    if found > 1.5:
        raise CheckFailed(output)


def the_process_is_confined():
    """The kernel reports the restrictions of the gateway's process."""
    status = dict(line.split(":\t", 1) for line in Path(f"/proc/{main_pid()}/status").read_text().splitlines())
    expect_equal({"NoNewPrivs": "1", "Seccomp": "2", "CapBnd": "0" * 16, "CapEff": "0" * 16},
         {name: status[name] for name in ("NoNewPrivs", "Seccomp", "CapBnd", "CapEff")})
    for name in ("user", "mnt", "pid"):
        if os.stat(f"/proc/{main_pid()}/ns/{name}").st_ino == os.stat(f"/proc/self/ns/{name}").st_ino:
            raise CheckFailed(f"the service shares the {name} namespace of the user")


def run_probe(generation, env=None):
    """Returns what the probe finds in the sandbox of a generation's unit."""
    PRIVATE_FILE.write_text("private\n")
    PRIVATE_FILE.chmod(0o644)
    Path("/tmp/temporary").touch()
    Path("/var/tmp/temporary").touch()
    output = HOME / "probe.json"
    text = generation.text(SERVICE, "/nowhere")
    overrides = {
        "Type": "oneshot",
        "ExecStart": f"/usr/bin/python3 -B {HERE}/probe.py {HOME} {RUNTIME} {PRIVATE_FILE}",
        "StandardOutput": f"truncate:{output}",
        "StandardError": "journal",
    }
    text = re.sub(r"^(Type|ExecStart|ExecReload|ExecStopPost|Restart\w*|WatchdogSec|RefreshOnReload)=.*\n", "", text, flags=re.MULTILINE)
    lines = "".join(f"{key}={value}\n" for key, value in overrides.items())
    probe = UNITS / "probe.service"
    probe.write_text(text.replace("[Service]\n", f"[Service]\n{lines}"))
    systemctl("daemon-reload")
    try:
        systemctl("start", "probe.service")
    except CheckFailed as error:
        raise CheckFailed(f"{error}\n{run('journalctl', '--user', '-u', 'probe.service', '-n', '40', '-o', 'cat')}") from error
    finally:
        probe.unlink()
        systemctl("daemon-reload")
    return json.loads(output.read_text())


FOUND = {}


def probe():
    FOUND.update(run_probe(PLAIN))


def sees_no_home():
    database = [STATE / f"ledger.sqlite{end}" for end in ("", "-shm", "-wal")]
    allowed = [*STATE.parents, STATE, STATE / ".keep", *database, *CONFIG.parents, CONFIG]
    expect_equal([], sorted(set(FOUND["home"]) - set(map(str, allowed))))
    expect_equal(True, str(database[0]) in FOUND["home"])
    expect_equal("ENOENT []", f"{FOUND['private_file']} {FOUND['root']}")
    expect_equal(["systemd", "systemd/notify"], [str(Path(path).relative_to(RUNTIME)) for path in FOUND["runtime"] if "credentials" not in path])
    expect_equal(True, str(CONFIG) in FOUND["home"])


def sees_no_process():
    expect_equal(["python3"], FOUND["processes"])


def cannot_reach_systemd():
    expect_equal(True, FOUND["systemd-run"] != 0)
    expect_equal("ENOENT ENOENT", f"{FOUND['manager']} {FOUND['bus']}")


def writes_only_to_its_state():
    """And to private directories for temporary files."""
    expect_equal(sorted([str(STATE), "/tmp", "/var/tmp"]), FOUND["writable"])
    expect_equal([], FOUND["temporary"])


def forbidden_calls_fail():
    refused = ("user namespace", "netlink", "packets", "code at run time", "privileged call", "set-user-id")
    expect_equal([], [what for what in refused if FOUND[what] == "done"])


def syscalls_sandbox_forbids_the_same_calls():
    found = run_probe(SYSCALLS)
    refused = ("user namespace", "netlink", "packets", "code at run time", "privileged call", "set-user-id")
    expect_equal([], [what for what in refused if found[what] == "done"])


class ManagerWithoutUserNamespaces:
    """A second systemd of this user without user namespaces, as on a host that forbids them."""

    directory = RUNTIME / "forbidding"
    home = HOME / "forbidding"
    env = {**os.environ, "XDG_RUNTIME_DIR": str(directory), "XDG_CONFIG_HOME": str(home)}
    env.pop("DBUS_SESSION_BUS_ADDRESS", None)

    def __enter__(self):
        self.directory.mkdir(mode=0o700)
        (self.home / "systemd/user").mkdir(parents=True)
        run("systemd-run", "--user", "--quiet", "--unit=forbidding", "-p", "RestrictNamespaces=~user", "-p", "Delegate=yes",
            "-E", f"XDG_RUNTIME_DIR={self.directory}", "-E", f"XDG_CONFIG_HOME={self.home}",
            "/usr/lib/systemd/systemd", "--user", "--unit=basic.target")
        wait_until(20, "the second manager answers", self.is_up)
        return self

    def is_up(self):
        command = ["systemctl", "--user", "is-system-running"]
        output = subprocess.run(command, env=self.env, capture_output=True, text=True, check=False).stdout.strip()
        return output in ("running", "degraded")

    def __exit__(self, *_):
        systemctl("stop", "forbidding.service")
        shutil.rmtree(self.directory, ignore_errors=True)
        shutil.rmtree(self.home)

    def start(self, generation, ok):
        (self.home / "systemd/user" / SERVICE).write_text(generation.text(SERVICE, "/nowhere"))
        systemctl("daemon-reload", env=self.env)
        systemctl("start", SERVICE, ok=ok, env=self.env)


def where_user_namespaces_are_forbidden():
    """The strict sandbox fails with the documented status; the syscalls sandbox starts."""
    PLAIN.link()
    systemctl("stop", SERVICE)
    with ManagerWithoutUserNamespaces() as manager:
        manager.start(PLAIN, ok=False)
        wait_until(5, "it has failed", lambda: prop("ExecMainStatus", env=manager.env) in ("217", "218"))
        print(f"# exit {prop('ExecMainStatus', env=manager.env)}")
        systemctl("stop", SERVICE, env=manager.env)
        manager.start(SYSCALLS, ok=True)
        expect_equal("active/running", state(env=manager.env))
        answers_from(FIRST)
        systemctl("reload", SERVICE, env=manager.env)
        answers_from(FIRST)
    PLAIN.start()


CHECKS = [
    ("the exposure level of systemd-analyze is at most 1.5", exposure),
    ("the gateway's process is confined", the_process_is_confined),
    ("a probe runs in the sandbox", probe),
    ("the sandbox hides homes except for the configuration and the state", sees_no_home),
    ("the sandbox hides other processes", sees_no_process),
    ("the sandbox cannot reach the user's systemd", cannot_reach_systemd),
    ("only the state directory is writable in the sandbox", writes_only_to_its_state),
    ("namespaces, raw sockets, run-time code and privileged calls fail in the sandbox", forbidden_calls_fail),
    ('the same calls fail with sandbox = "syscalls"', syscalls_sandbox_forbids_the_same_calls),
    ('without user namespaces only sandbox = "syscalls" starts', where_user_namespaces_are_forbidden),
]
