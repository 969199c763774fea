"""A home as home-manager leaves it, the systemd of its user, and the simulated providers."""

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
# Where everything is that a generation is made of: visible in the sandbox, as the Nix store is.
STORE = SHARE / "store"
SERVICE, SOCKET = "moonrelay.service", "moonrelay.socket"
BASE = "http://127.0.0.1:1969"
UPSTREAM = "http://127.0.0.1:8080"
FIRST, SECOND = "moonshot/kimi-k3", "openrouter/auto"
MOONSHOT_KEY = "sk-simulated-moonshot-0000000000"
OPENROUTER_KEY = "sk-or-v1-simulated-0000000000"


class Wrong(Exception):
    """What was expected did not happen."""


def says(expected, found):
    if expected != found:
        raise Wrong(f"expected: {expected!r}\nfound:    {found!r}")


def run(*command, ok=True, env=None):
    """The output of a command, both kinds, that succeeds, or with ok=False fails."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, env=env)
    if (done.returncode == 0) != ok:
        raise Wrong(f"exit {done.returncode}: {' '.join(map(str, command))}\n{done.stdout}{done.stderr}")
    return (done.stdout + done.stderr).strip()


def systemctl(*arguments, ok=True, env=None):
    return run("systemctl", "--user", "--no-pager", *arguments, ok=ok, env=env)


def prop(name, unit=SERVICE, env=None):
    return systemctl("show", f"--property={name}", "--value", unit, env=env)


def state(unit=SERVICE, env=None):
    return "/".join(prop(name, unit, env) for name in ("ActiveState", "SubState"))


def within(seconds, what, condition):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise Wrong(f"not in {seconds} s: {what}\n{systemctl_status()}")
        time.sleep(0.05)


def systemctl_status():
    done = subprocess.run(["systemctl", "--user", "status", "--no-pager", SERVICE], capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def journal_says(text, since):
    within(5, f"the journal says {text!r}", lambda: text in run("journalctl", "--user", "-u", SERVICE, "-o", "cat", f"--since=@{since}"))


@dataclass
class Generation:
    """One evaluated case, with a package and with settings laid over the case's own."""

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
        # The module writes the port into the socket and its trigger, and nowhere else.
        port = self.settings.get("gateway", {}).get("port", 1969)
        return text.replace("127.0.0.1:1969", f"127.0.0.1:{port}")

    def build(self):
        """Makes it in the store, named after what is in it; its folder, as home-manager's `home-files`."""
        settings = json.loads((SHARE / "eval" / self.case / "settings.json").read_text())
        config = stored("moonrelay-config.json", json.dumps(merged(settings, self.settings), indent=2))
        units = [unit for unit in (SERVICE, SOCKET) if (SHARE / "eval" / self.case / unit).exists()]
        files = {f"systemd/user/{unit}": self.text(unit, config) for unit in units}
        folder = STORE / f"{digest(json.dumps([files, str(config)]))}-home-files"
        names = json.loads((SHARE / "eval" / self.case / "links.json").read_text())
        # The evaluated home is that of alice.
        links = {}
        for name in names:
            inside = folder / re.sub("^/home/[^/]+/", "", name)
            links[inside] = config if inside.name == CONFIG.name else stored("empty", "")
        for name, text in files.items():
            unit = stored(Path(name).name, text, inside=True)
            links[folder / ".config" / name] = unit
            for target in re.findall(r"^WantedBy=(.*)$", text, re.MULTILINE):
                links[folder / ".config/systemd/user" / f"{target}.wants" / unit.name] = unit
        for link, target in links.items():
            point(link, target)
        return folder

    def link(self):
        """Points the home at it, as home-manager does before it looks at units; its folder."""
        folder = self.build()
        for link in UNITS.rglob("moonrelay.*"):
            if not (folder / link.relative_to(HOME)).is_symlink():
                link.unlink(missing_ok=True)
        for link in folder.rglob("*"):
            if link.is_symlink():
                point(HOME / link.relative_to(folder), link.resolve())
        return folder

    def start(self):
        """Runs it, whatever ran before."""
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
    """Its path; a unit lies in a folder, so that it keeps its name."""
    path = STORE / f"{digest(text)}-{name}"
    if inside:
        path.mkdir(exist_ok=True)
        path /= name
    path.write_text(text)
    return path


def point(link, target):
    """A link put in place in one step, as `ln -T` and a rename do."""
    link.parent.mkdir(parents=True, exist_ok=True)
    draft = link.with_name(f".{link.name}.new")
    draft.unlink(missing_ok=True)
    draft.symlink_to(target)
    draft.rename(link)


def keys(moonshot=MOONSHOT_KEY, openrouter=OPENROUTER_KEY):
    """The files of both keys; None takes one away."""
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
    client.join(load.PATIENCE)
    if client.lost:
        raise Wrong(f"no answer: {client.lost}")
    says(model, client.model)


def fault(order):
    """Orders a fault from the simulated providers; None takes all back."""
    method, body = ("DELETE", b"") if order is None else ("POST", json.dumps(order).encode())
    with urllib.request.urlopen(urllib.request.Request(f"{UPSTREAM}/_faults", body, method=method), timeout=10) as answer:
        answer.read()


def slow_streams():
    """An answer takes five seconds, so that a busy machine can act within it."""
    fault({"provider": "moonshot", "kind": "drip", "value": 60})


def streams_begun(count, base=BASE):
    clients = load.start(base, count)
    for client in clients:
        if not client.begun.wait(load.PATIENCE):
            raise Wrong("a stream did not begin")
    return clients


def all_whole(clients):
    for client in clients:
        client.join(load.PATIENCE)
    lost = [client.lost for client in clients if client.lost]
    if lost:
        raise Wrong(f"{len(lost)} of {len(clients)} were lost: {lost[:3]}")
