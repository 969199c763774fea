"""install.py FILE [client…]: installs the programs, and writes where each stands, or why it could not be installed."""

import fcntl
import json
import os
import platform
import shutil
import subprocess
import sys
import time
from pathlib import Path

from programs import chosen

ARCH = {"x86_64": "x64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "moonrelay" / "clients"


# The programs need a newer one than distributions have; npm's registry holds it.
NODE = f"node-linux-{ARCH}@24.21.0"


def npm(directory, package):
    (directory / "package.json").write_text('{"private": true}')
    return [["npm", "install", "--no-package-lock", "--no-audit", "--no-fund", "--loglevel=error", package]]


def pip(directory, package):
    install = [str(directory / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check", package]
    return [[sys.executable, "-m", "venv", str(directory)], install]


def installed(manager, package, path):
    """The folder with the package in it: of an earlier run, or of this one."""
    made_with = "" if manager is npm else f"-python{sys.version_info.major}.{sys.version_info.minor}"
    folder = package.replace("/", "-").lstrip("@") + made_with
    directory = CACHE / folder
    complete = directory / ".complete"
    CACHE.mkdir(parents=True, exist_ok=True)
    with open(CACHE / f"{folder}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if complete.exists():
            return directory
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir()
        for command in manager(directory, package):
            done = subprocess.run(
                command,
                cwd=directory,
                env={**os.environ, "PATH": path},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
            )
            if done.returncode != 0:
                raise RuntimeError(" ".join((done.stderr or done.stdout).split()[-30:]) or f"exit code {done.returncode}")
        complete.touch()
    return directory


def main(file, *names):
    path = os.environ["PATH"]
    try:
        node = installed(npm, NODE, path) / "node_modules" / NODE.split("@")[0] / "bin"
    except (RuntimeError, OSError) as error:
        raise SystemExit(f"{NODE} could not be installed: {error}") from None
    path = f"{node}:{path}"
    found = {}
    for program in chosen(names):
        began = time.monotonic()
        try:
            directory = installed(npm if program.manager == "npm" else pip, program.package, path)
            found[program.name] = {"path": str(directory)}
            print(f"{program.name:20} {program.package} ({time.monotonic() - began:.0f} s)", flush=True)
        except (RuntimeError, OSError) as error:
            found[program.name] = {"why": f"{program.package} could not be installed: {error}"}
            print(f"{program.name:20} {error}", flush=True)
    Path(file).write_text(json.dumps({"PATH": path, "programs": found}))


main(*sys.argv[1:])
