"""A program under callgrind, and how many instructions it has spent."""

import os
import re
import socket
import subprocess
import time

# In seconds, for a program under valgrind to listen, and for valgrind to answer.
READY = 180


class Counted:
    """It, from `with` to its end. It has one processor, as where processors are pinned."""

    def __init__(self, home, port, words, environment=None):
        self.home, self.port, self.words, self.environment = home, port, words, environment or {}

    def __enter__(self):
        self.home.mkdir()
        self.log = open(self.home / "log", "wb")
        processor = str(min(os.sched_getaffinity(0)))
        valgrind = ["valgrind", "--tool=callgrind", "--separate-threads=yes", f"--callgrind-out-file={self.home}/callgrind.out"]
        self.process = subprocess.Popen(
            ["taskset", "-c", processor, *valgrind, *self.words],
            env={"HOME": str(self.home), "PATH": os.environ["PATH"], **self.environment},
            cwd=self.home,
            stdin=subprocess.DEVNULL,
            stdout=self.log,
            stderr=self.log,
        )
        try:
            self.wait()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.log.close()

    def wait(self):
        """Until it listens. Some of the programs say nothing then, so they are asked."""
        end = time.monotonic() + READY
        while time.monotonic() < end and self.process.poll() is None:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.1)
        raise RuntimeError(f"it did not start: {(self.home / 'log').read_text()}")

    def ask(self, *words):
        asked = subprocess.run(["vgdb", f"--pid={self.process.pid}", *words], capture_output=True, text=True, timeout=READY)
        if asked.returncode != 0:
            raise RuntimeError(f"vgdb {words}: {asked.stderr}")
        return asked.stdout

    def instructions(self):
        """Of each thread, in the order in which they were started."""
        return [int(count) for count in re.findall(r"^events-\d+: (\d+)", self.ask("status", "internal"), re.M)]

    def profile(self, file, work):
        """Writes what callgrind_annotate reads, of this work alone."""
        self.ask("zero")
        work()
        self.ask("dump")
        for dump in sorted(self.home.glob("callgrind.out.*")):
            dump.replace(file.with_name(f"{file.name}{dump.name.removeprefix('callgrind.out')}"))


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
