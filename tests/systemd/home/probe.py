"""Runs in the sandbox instead of the gateway and prints what it can access as JSON."""

import errno
import json
import mmap
import os
import socket
import subprocess
import sys
from pathlib import Path

# Kernel file systems, which contain no user's files.
KERNEL_FILE_SYSTEMS = {"/proc", "/sys"}


def list_paths(directory):
    """Returns every path below a directory."""
    return sorted(str(path) for path in Path(directory).rglob("*"))


def attempt(action):
    """Returns the name of the error of an action, or "done"."""
    try:
        action()
    except OSError as error:
        return errno.errorcode.get(error.errno, str(error))
    return "done"


def writable_directories():
    """Returns the directories in which a file can be created."""
    found = []
    for directory, below, _ in os.walk("/"):
        if directory in KERNEL_FILE_SYSTEMS:
            below.clear()
            continue
        name = os.path.join(directory, "sandbox-probe")
        if attempt(lambda: os.close(os.open(name, os.O_CREAT | os.O_EXCL | os.O_WRONLY))) == "done":
            os.unlink(name)
            found.append(directory)
    return sorted(found)


def connect(path):
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(path)


def run_systemd_run():
    command = ["systemd-run", "--user", "--wait", "--quiet", "true"]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False).returncode


home, runtime, private_file = sys.argv[1:]
json.dump(
    {
        "home": list_paths("/home"),
        "root": list_paths("/root"),
        "private_file": attempt(lambda: open(private_file, "rb").close()),
        "runtime": list_paths(runtime),
        "processes": sorted({Path(f"/proc/{pid}/comm").read_text().strip() for pid in os.listdir("/proc") if pid.isdigit()}),
        "writable": writable_directories(),
        "temporary": sorted(name for directory in ("/tmp", "/var/tmp") for name in os.listdir(directory)),
        "systemd-run": run_systemd_run(),
        "manager": attempt(lambda: connect(f"{runtime}/systemd/private")),
        "bus": attempt(lambda: connect(f"{runtime}/bus")),
        "user namespace": attempt(lambda: os.unshare(os.CLONE_NEWUSER)),
        "netlink": attempt(lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0).close()),
        "packets": attempt(lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0).close()),
        "code at run time": attempt(lambda: mmap.mmap(-1, 4096, prot=mmap.PROT_WRITE | mmap.PROT_EXEC).close()),
        "privileged call": attempt(lambda: os.chroot("/tmp")),
        "set-user-id": attempt(lambda: os.chmod(os.environ["STATE_DIRECTORY"], 0o4700)),
        "devices": sorted(os.listdir("/dev")),
        "environment": sorted(os.environ),
    },
    sys.stdout,
)
