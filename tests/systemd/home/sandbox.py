"""What a process in the unit's sandbox can see and do, and where the sandbox cannot be."""

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
    Wrong,
    answers_from,
    main_pid,
    prop,
    run,
    says,
    state,
    systemctl,
    within,
)
from unit import PLAIN

SYSCALLS = Generation("simulated-syscalls")
DIARY = HOME / "diary"


def exposure():
    said = run("systemd-analyze", "--user", "security", "--no-pager", SERVICE).splitlines()[-1]
    found = float(re.search(r": ([0-9.]+) ", said)[1])
    print(f"# exposure {found}")
    if found > 1.5:
        raise Wrong(said)


def the_process_is_confined():
    """The gateway itself, as the kernel sees it."""
    status = dict(line.split(":\t", 1) for line in Path(f"/proc/{main_pid()}/status").read_text().splitlines())
    says({"NoNewPrivs": "1", "Seccomp": "2", "CapBnd": "0" * 16, "CapEff": "0" * 16},
         {name: status[name] for name in ("NoNewPrivs", "Seccomp", "CapBnd", "CapEff")})
    for name in ("user", "mnt", "pid"):
        if os.stat(f"/proc/{main_pid()}/ns/{name}").st_ino == os.stat(f"/proc/self/ns/{name}").st_ino:
            raise Wrong(f"its {name} namespace is everybody's")


def probed(generation, env=None):
    """What the probe finds in the sandbox of a generation's unit."""
    DIARY.write_text("of nobody's business\n")
    DIARY.chmod(0o644)
    Path("/tmp/everybodys").touch()
    Path("/var/tmp/everybodys").touch()
    output = HOME / "probed.json"
    text = generation.text(SERVICE, "/nowhere")
    ours = {
        "Type": "oneshot",
        "ExecStart": f"/usr/bin/python3 -B {HERE}/probe.py {HOME} {RUNTIME} {DIARY}",
        "StandardOutput": f"truncate:{output}",
        "StandardError": "journal",
    }
    text = re.sub(r"^(Type|ExecStart|ExecReload|ExecStopPost|Restart\w*|WatchdogSec|RefreshOnReload)=.*\n", "", text, flags=re.MULTILINE)
    lines = "".join(f"{key}={value}\n" for key, value in ours.items())
    probe = UNITS / "probe.service"
    probe.write_text(text.replace("[Service]\n", f"[Service]\n{lines}"))
    systemctl("daemon-reload")
    try:
        systemctl("start", "probe.service")
    except Wrong as error:
        raise Wrong(f"{error}\n{run('journalctl', '--user', '-u', 'probe.service', '-n', '40', '-o', 'cat')}") from error
    finally:
        probe.unlink()
        systemctl("daemon-reload")
    return json.loads(output.read_text())


FOUND = {}


def probe():
    FOUND.update(probed(PLAIN))


def sees_no_home():
    ledger = [STATE / f"ledger.sqlite{end}" for end in ("", "-shm", "-wal")]
    allowed = [*STATE.parents, STATE, STATE / ".keep", *ledger, *CONFIG.parents, CONFIG]
    says([], sorted(set(FOUND["home"]) - set(map(str, allowed))))
    says(True, str(ledger[0]) in FOUND["home"])
    says("ENOENT []", f"{FOUND['diary']} {FOUND['root']}")
    says(["systemd", "systemd/notify"], [str(Path(path).relative_to(RUNTIME)) for path in FOUND["runtime"] if "credentials" not in path])
    says(True, str(CONFIG) in FOUND["home"])


def sees_no_process():
    says(["python3"], FOUND["processes"])


def cannot_ask_systemd():
    says(True, FOUND["systemd-run"] != 0)
    says("ENOENT ENOENT", f"{FOUND['manager']} {FOUND['bus']}")


def writes_only_its_state():
    """And to folders for temporary files, which are not everybody's."""
    says(sorted([str(STATE), "/tmp", "/var/tmp"]), FOUND["writable"])
    says([], FOUND["temporary"])


def may_do_little():
    refused = ("user namespace", "netlink", "packets", "code at run time", "privileged call", "set-user-id")
    says([], [what for what in refused if FOUND[what] == "done"])


def syscalls_only_confines_calls():
    found = probed(SYSCALLS)
    refused = ("user namespace", "netlink", "packets", "code at run time", "privileged call", "set-user-id")
    says([], [what for what in refused if found[what] == "done"])


class Forbidding:
    """A systemd of this user in which no user namespace can be made, as on a host that forbids them."""

    folder = RUNTIME / "forbidding"
    home = HOME / "forbidding"
    env = {**os.environ, "XDG_RUNTIME_DIR": str(folder), "XDG_CONFIG_HOME": str(home)}
    env.pop("DBUS_SESSION_BUS_ADDRESS", None)

    def __enter__(self):
        self.folder.mkdir(mode=0o700)
        (self.home / "systemd/user").mkdir(parents=True)
        run("systemd-run", "--user", "--quiet", "--unit=forbidding", "-p", "RestrictNamespaces=~user", "-p", "Delegate=yes",
            "-E", f"XDG_RUNTIME_DIR={self.folder}", "-E", f"XDG_CONFIG_HOME={self.home}",
            "/usr/lib/systemd/systemd", "--user", "--unit=basic.target")
        within(20, "the second manager answers", self.is_up)
        return self

    def is_up(self):
        asked = ["systemctl", "--user", "is-system-running"]
        said = subprocess.run(asked, env=self.env, capture_output=True, text=True, check=False).stdout.strip()
        return said in ("running", "degraded")

    def __exit__(self, *_):
        systemctl("stop", "forbidding.service")
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.rmtree(self.home)

    def start(self, generation, ok):
        (self.home / "systemd/user" / SERVICE).write_text(generation.text(SERVICE, "/nowhere"))
        systemctl("daemon-reload", env=self.env)
        systemctl("start", SERVICE, ok=ok, env=self.env)


def where_user_namespaces_are_forbidden():
    """The strict sandbox does not start, with the status that the troubleshooting page has; the other one does."""
    PLAIN.link()
    systemctl("stop", SERVICE)
    with Forbidding() as there:
        there.start(PLAIN, ok=False)
        within(5, "it has failed", lambda: prop("ExecMainStatus", env=there.env) in ("217", "218"))
        print(f"# exit {prop('ExecMainStatus', env=there.env)}")
        systemctl("stop", SERVICE, env=there.env)
        there.start(SYSCALLS, ok=True)
        says("active/running", state(env=there.env))
        answers_from(FIRST)
        systemctl("reload", SERVICE, env=there.env)
        answers_from(FIRST)
    PLAIN.start()


CHECKS = [
    ("the exposure that systemd computes is at most 1.5", exposure),
    ("the gateway's process is confined", the_process_is_confined),
    ("a probe runs in the gateway's place", probe),
    ("inside: no home but the configuration and the state", sees_no_home),
    ("inside: no other process", sees_no_process),
    ("inside: no way to ask the user's systemd", cannot_ask_systemd),
    ("inside: only the state directory can be written to", writes_only_its_state),
    ("inside: no namespace, raw socket, code at run time or privileged call", may_do_little),
    ('sandbox = "syscalls": the same calls are refused', syscalls_only_confines_calls),
    ('where user namespaces are forbidden only sandbox = "syscalls" starts', where_user_namespaces_are_forbidden),
]
