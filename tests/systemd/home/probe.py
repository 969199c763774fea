"""Runs inside the sandbox in the gateway's place, and prints what it finds as JSON."""

import errno
import json
import mmap
import os
import socket
import subprocess
import sys
from pathlib import Path

# The system's own, where nothing is anybody's file.
API = {"/proc", "/sys"}


def seen(folder):
    """Every path below a folder."""
    return sorted(str(path) for path in Path(folder).rglob("*"))


def tried(action):
    """The name of the error that it meets, or "done"."""
    try:
        action()
    except OSError as error:
        return errno.errorcode.get(error.errno, str(error))
    return "done"


def writable():
    """Folders in which a file can be made."""
    found = []
    for folder, below, _ in os.walk("/"):
        if folder in API:
            below.clear()
            continue
        name = os.path.join(folder, "probe-of-the-sandbox")
        if tried(lambda: os.close(os.open(name, os.O_CREAT | os.O_EXCL | os.O_WRONLY))) == "done":
            os.unlink(name)
            found.append(folder)
    return sorted(found)


def connect(path):
    with socket.socket(socket.AF_UNIX) as one:
        one.connect(path)


def asks_systemd():
    asked = ["systemd-run", "--user", "--wait", "--quiet", "true"]
    return subprocess.run(asked, capture_output=True, text=True, timeout=30, check=False).returncode


home, runtime, diary = sys.argv[1:]
json.dump(
    {
        "home": seen("/home"),
        "root": seen("/root"),
        "diary": tried(lambda: open(diary, "rb").close()),
        "runtime": seen(runtime),
        "processes": sorted({Path(f"/proc/{pid}/comm").read_text().strip() for pid in os.listdir("/proc") if pid.isdigit()}),
        "writable": writable(),
        "temporary": sorted(name for folder in ("/tmp", "/var/tmp") for name in os.listdir(folder)),
        "systemd-run": asks_systemd(),
        "manager": tried(lambda: connect(f"{runtime}/systemd/private")),
        "bus": tried(lambda: connect(f"{runtime}/bus")),
        "user namespace": tried(lambda: os.unshare(os.CLONE_NEWUSER)),
        "netlink": tried(lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0).close()),
        "packets": tried(lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0).close()),
        "code at run time": tried(lambda: mmap.mmap(-1, 4096, prot=mmap.PROT_WRITE | mmap.PROT_EXEC).close()),
        "privileged call": tried(lambda: os.chroot("/tmp")),
        "set-user-id": tried(lambda: os.chmod(os.environ["STATE_DIRECTORY"], 0o4700)),
        "devices": sorted(os.listdir("/dev")),
        "environment": sorted(os.environ),
    },
    sys.stdout,
)
