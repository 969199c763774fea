"""Many streams that are open at one time, through a gateway that runs at its own speed."""

import json
import os
import pathlib
import re
import resource
import selectors
import signal
import socket
import subprocess
import time

import cases
from callgrind import free_port
from lockstep import ended

PATIENCE = 60
QUIET = 2
READY = 30
PIECE = 1 << 16


class Gateway:
    """It, from `with` to its end."""

    def __init__(self, binary, home, configuration, upstream, descriptors, prepare=lambda home: None):
        self.binary, self.home, self.port, self.descriptors = binary, home, free_port(), descriptors
        home.mkdir()
        prepare(home)
        (home / "config.json5").write_text(json.dumps(configuration(self.port, upstream)))

    def __enter__(self):
        self.log = open(self.home / "log", "wb")
        words = ["taskset", "-c", str(min(os.sched_getaffinity(0))), self.binary, "gateway", "run", "--config", self.home / "config.json5"]
        self.process = subprocess.Popen(
            words,
            env={"HOME": str(self.home), "PATH": os.environ["PATH"]},
            stdin=subprocess.DEVNULL,
            stdout=self.log,
            stderr=self.log,
            # Both: the gateway raises the soft limit as far as the hard one lets it.
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (self.descriptors, self.descriptors)),
        )
        end = time.monotonic() + READY
        while time.monotonic() < end and self.process.poll() is None:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return self
            time.sleep(0.02)
        self.__exit__()
        raise RuntimeError(f"it did not start: {(self.home / 'log').read_text()}")

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.log.close()

    def memory(self):
        """Resident, in bytes."""
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) * 1024

    def processor(self):
        """Seconds."""
        tasks = pathlib.Path(f"/proc/{self.process.pid}/task").glob("*/schedstat")
        return sum(int(task.read_text().split()[0]) for task in tasks) / 1e9


class Clients:
    """Clients and the upstream behind the gateway, in one thread."""

    def __init__(self):
        self.selector = selectors.DefaultSelector()
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
        self.port = self.listener.getsockname()[1]
        self.listener.setblocking(False)
        self.selector.register(self.listener, selectors.EVENT_READ)
        self.begun, self.clients = [], {}
        self.heads = {}
        self.refused = None
        opening, (self.event, self.mark) = [*cases.chat_events(1)][:2]
        head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
        self.event = chunk(self.event)
        self.opening = head + chunk(opening[0]) + self.event
        self.heard = 0

    def close(self):
        for key in list(self.selector.get_map().values()):
            key.fileobj.close()
        self.selector.close()

    def turn(self, patience=PATIENCE):
        """Whatever is ready; whether something was."""
        ready = self.selector.select(patience)
        if not ready and patience == PATIENCE:
            raise TimeoutError(f"nothing came for {PATIENCE} s, with {len(self.clients)} clients and {self.heard} events")
        for key, _ in ready:
            each = key.fileobj
            if each is self.listener:
                self.accept()
            elif each in self.heads:
                self.asked(each)
            else:
                self.listen(each)
        return bool(ready)

    def accept(self):
        try:
            peer, _ = self.listener.accept()
        except BlockingIOError:
            return
        peer.setblocking(False)
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.heads[peer] = bytearray()
        self.selector.register(peer, selectors.EVENT_READ)

    def asked(self, peer):
        piece = read(peer)
        if piece == b"":
            self.selector.unregister(peer)
            del self.heads[peer]
            peer.close()
            return
        self.heads[peer] += piece or b""
        if ended(self.heads[peer]):
            self.heads[peer].clear()
            peer.sendall(self.opening)
            self.begun.append(peer)

    def listen(self, client):
        piece = read(client)
        if piece is None:
            return
        before = self.clients[client]
        if piece == b"" or (before == b"" and not piece.startswith(b"HTTP/1.1 200 ")):
            # Of several the one that says most.
            self.refused = max(self.refused or "closed", piece[:600].decode(errors="replace"), key=len)
            self.selector.unregister(client)
            del self.clients[client]
            client.close()
            return
        held = before + piece
        self.heard += held.count(self.mark)
        # A mark may lie across two pieces.
        self.clients[client] = held[1 - len(self.mark) :]

    def open(self, port, count, step=50):
        """Until there are so many streams, each with its first event, or one is refused. Returns how many there are."""
        request = cases.request([cases.user("Say hello")], stream=True)
        while len(self.clients) < count and not self.refused:
            for _ in range(min(step, count - len(self.clients))):
                client = socket.create_connection(("127.0.0.1", port))
                client.sendall(request)
                client.setblocking(False)
                self.clients[client] = b""
                self.selector.register(client, selectors.EVENT_READ)
            while self.heard < len(self.clients) and not self.refused:
                self.turn()
        # Who is neither served nor refused waits for a place.
        while self.refused and self.heard < len(self.clients) and self.turn(QUIET):
            pass
        return self.heard

    def rounds(self, count):
        """An event on each stream, so many times, each when all have the one before."""
        for _ in range(count):
            self.heard = 0
            for peer in self.begun:
                peer.sendall(self.event)
            while self.heard < len(self.clients):
                self.turn()


def chunk(event):
    return b"%x\r\n%s\r\n" % (len(event), event)


def read(peer):
    try:
        return peer.recv(PIECE)
    except BlockingIOError:
        return None
    except ConnectionResetError:
        return b""


def open_streams(binary, folder, configuration, counts, descriptors, step=50):
    """For each count: how many stood, memory in bytes, processor seconds an event, and what the first refusal said."""
    for count in counts:
        clients = Clients()
        try:
            with Gateway(binary, folder / f"streams-{count}", configuration, clients.port, descriptors) as gateway:
                # What the first request alone brings up is no stream's.
                warm = clients.open(gateway.port, 1)
                empty = gateway.memory()
                clients.open(gateway.port, count, step)
                if clients.refused:
                    yield count, clients.heard, None, None, clients.refused
                    continue
                memory = gateway.memory() - empty if count > warm else 0
                rounds = max(4, 2000 // count)
                before = gateway.processor()
                clients.rounds(rounds)
                yield count, count, memory, (gateway.processor() - before) / rounds / count, None
        finally:
            clients.close()
