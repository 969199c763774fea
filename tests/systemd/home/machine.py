"""A home as home-manager sets it up, the systemd of its user, and the simulated providers."""

import hashlib
import json
import os
import re
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
SHARE = HERE.parent
sys.path.insert(0, str(SHARE))
import load  # noqa: E402

HOME = Path.home()
RUNTIME = Path(os.environ["XDG_RUNTIME_DIR"])
UNITS = HOME / ".config/systemd/user"
CONFIG = HOME / ".config/moonrelay/config.json5"
STATE = HOME / ".local/state/moonrelay"
KEYS = HOME / "keys"
# Stands for the Nix store: the files of generations, visible in the sandbox.
STORE = SHARE / "store"
SERVICE, SOCKET = "moonrelay.service", "moonrelay.socket"
BASE = "http://127.0.0.1:1969"
UPSTREAM = "http://127.0.0.1:8080"
FIRST, SECOND = "moonshot/kimi-k3", "openrouter/auto"
MOONSHOT_KEY = "sk-simulated-moonshot-0000000000"
OPENROUTER_KEY = "sk-or-v1-simulated-0000000000"


class CheckFailed(Exception):
    """The result differs from the expected one."""


def expect_equal(expected, found):
    if expected != found:
        raise CheckFailed(f"expected: {expected!r}\nfound:    {found!r}")


def run(*command, ok=True, env=None):
    """Returns stdout and stderr of a command, which must succeed, or fail with ok=False."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, env=env)
    if (done.returncode == 0) != ok:
        raise CheckFailed(f"exit {done.returncode}: {' '.join(map(str, command))}\n{done.stdout}{done.stderr}")
    return (done.stdout + done.stderr).strip()


def systemctl(*arguments, ok=True, env=None):
    return run("systemctl", "--user", "--no-pager", *arguments, ok=ok, env=env)


def prop(name, unit=SERVICE, env=None):
    return systemctl("show", f"--property={name}", "--value", unit, env=env)


def state(unit=SERVICE, env=None):
    return "/".join(prop(name, unit, env) for name in ("ActiveState", "SubState"))


def wait_until(seconds, what, condition):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise CheckFailed(f"not within {seconds} s: {what}\n{systemctl_status()}")
        time.sleep(0.05)


def systemctl_status():
    done = subprocess.run(["systemctl", "--user", "status", "--no-pager", SERVICE], capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def wait_for_journal(text, since):
    wait_until(5, f"the journal contains {text!r}", lambda: text in run("journalctl", "--user", "-u", SERVICE, "-o", "cat", f"--since=@{since}"))


@dataclass
class Generation:
    """One evaluated case with a package and additional settings."""

    case: str
    package: str = "one"
    settings: dict = field(default_factory=dict)

    @property
    def program(self):
        return SHARE / "packages" / self.package / "bin/moonrelay"

    def text(self, file, config):
        text = (SHARE / "eval" / self.case / file).read_text()
        text = text.replace("@moonrelay@", str(self.program.parent.parent)).replace("@coreutils@", "/usr")
        text = text.replace("@moonrelay-config.json@", str(config))
        # The module writes the port only to the socket unit and its restart trigger.
        port = self.settings.get("gateway", {}).get("port", 1969)
        return text.replace("127.0.0.1:1969", f"127.0.0.1:{port}")

    def build(self):
        """Creates the generation in the store; returns its directory, like home-manager's `home-files`."""
        settings = json.loads((SHARE / "eval" / self.case / "settings.json").read_text())
        config = stored("moonrelay-config.json", json.dumps(merged(settings, self.settings), indent=2))
        units = [unit for unit in (SERVICE, SOCKET) if (SHARE / "eval" / self.case / unit).exists()]
        files = {f"systemd/user/{unit}": self.text(unit, config) for unit in units}
        directory = STORE / f"{digest(json.dumps([files, str(config)]))}-home-files"
        names = json.loads((SHARE / "eval" / self.case / "links.json").read_text())
        # The cases are evaluated for alice.
        links = {}
        for name in names:
            inside = directory / re.sub("^/home/[^/]+/", "", name)
            links[inside] = config if inside.name == CONFIG.name else stored("empty", "")
        for name, text in files.items():
            unit = stored(Path(name).name, text, inside=True)
            links[directory / ".config" / name] = unit
            for target in re.findall(r"^WantedBy=(.*)$", text, re.MULTILINE):
                links[directory / ".config/systemd/user" / f"{target}.wants" / unit.name] = unit
        for link, target in links.items():
            replace_link(link, target)
        return directory

    def link(self):
        """Links the home to the generation, as home-manager does before it switches units; returns its directory."""
        directory = self.build()
        for link in UNITS.rglob("moonrelay.*"):
            if not (directory / link.relative_to(HOME)).is_symlink():
                link.unlink(missing_ok=True)
        for link in directory.rglob("*"):
            if link.is_symlink():
                replace_link(HOME / link.relative_to(directory), link.resolve())
        return directory

    def start(self):
        """Starts the generation, after a stop of the previous one."""
        for unit in (SOCKET, SERVICE):
            if prop("ActiveState", unit) != "inactive":
                systemctl("stop", unit)
                subprocess.run(["systemctl", "--user", "reset-failed", unit], capture_output=True, check=False)
        self.link()
        systemctl("daemon-reload")
        if (UNITS / SOCKET).exists():
            systemctl("start", SOCKET)
        systemctl("start", SERVICE)


def merged(base, over):
    if isinstance(base, dict) and isinstance(over, dict):
        return base | {key: merged(base.get(key), value) for key, value in over.items()}
    return over


def digest(text):
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def stored(name, text, inside=False):
    """Writes a file to the store and returns its path. A unit needs a directory to keep its name."""
    path = STORE / f"{digest(text)}-{name}"
    if inside:
        path.mkdir(exist_ok=True)
        path /= name
    path.write_text(text)
    return path


def replace_link(link, target):
    """Replaces a link atomically."""
    link.parent.mkdir(parents=True, exist_ok=True)
    new_link = link.with_name(f".{link.name}.new")
    new_link.unlink(missing_ok=True)
    new_link.symlink_to(target)
    new_link.rename(link)


def write_keys(moonshot=MOONSHOT_KEY, openrouter=OPENROUTER_KEY):
    """Writes the files of both keys; None removes a file."""
    KEYS.mkdir(mode=0o700, exist_ok=True)
    for name, text in (("moonshot", moonshot), ("openrouter.env", openrouter and f"OPENROUTER_API_KEY={openrouter}")):
        path = KEYS / name
        path.unlink(missing_ok=True)
        if text is not None:
            path.touch(mode=0o600)
            path.write_text(f"{text}\n")


def main_pid():
    return prop("MainPID")


def answers_from(model, base=BASE):
    (client,) = load.start(base, 1)
    client.join(load.TIMEOUT_SECONDS)
    if client.failure:
        raise CheckFailed(f"no complete response: {client.failure}")
    expect_equal(model, client.model)


def inject_fault(fault):
    """Makes the simulated providers fail; None removes all faults."""
    method, body = ("DELETE", b"") if fault is None else ("POST", json.dumps(fault).encode())
    with urllib.request.urlopen(urllib.request.Request(f"{UPSTREAM}/_faults", body, method=method), timeout=10) as response:
        response.read()


def slow_streams():
    """Slows responses down to five seconds, long enough for a slow machine to act."""
    inject_fault({"provider": "moonshot", "kind": "drip", "value": 60})


def start_streams(count, base=BASE):
    clients = load.start(base, count)
    for client in clients:
        if not client.started.wait(load.TIMEOUT_SECONDS):
            raise CheckFailed("a stream did not start")
    return clients


def expect_complete(clients):
    for client in clients:
        client.join(load.TIMEOUT_SECONDS)
    failures = [client.failure for client in clients if client.failure]
    if failures:
        raise CheckFailed(f"{len(failures)} of {len(clients)} responses failed: {failures[:3]}")
