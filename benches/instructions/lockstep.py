"""The client and the upstream in one thread: an event is sent when the one before it has arrived, so that nothing that a
program under test reads or writes depends on how fast it is."""

import select
import socket

# In seconds. Valgrind makes a program some fifty times slower.
PATIENCE = 60
PIECE = 1 << 18


class Answer:
    """What the upstream says: a head, then pieces. A piece with a mark waits until the mark has reached the client."""

    def __init__(self, head, pieces):
        self.head = head
        self.pieces = pieces


def whole(body, status="200 OK", *headers):
    lines = [f"HTTP/1.1 {status}", "content-type: application/json", f"content-length: {len(body)}", *headers]
    head = "\r\n".join(lines) + "\r\n\r\n"
    return Answer(head.encode() + body, [])


def stream(events):
    """Events with their marks, each a chunk of its own."""
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    pieces = [(b"%x\r\n%s\r\n" % (len(text), text), mark) for text, mark in events]
    return Answer(head, [*pieces, (b"0\r\n\r\n", None)])


class Lockstep:
    """An upstream on a port of its own, and a client with one connection that is kept."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.upstreams = {}
        self.client = None
        # For calls that no request asked for.
        self.spare = None

    def connect(self, port):
        self.client = socket.create_connection(("127.0.0.1", port))
        self.client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.client.setblocking(False)
        self.heard = bytearray()

    def close(self):
        for each in (self.listener, self.client, *self.upstreams):
            if each is not None:
                each.close()

    def exchange(self, request, answers):
        """Sends a request; each call that reaches the upstream gets the next of the answers. Returns the client's."""
        unsent, answers, self.heard = memoryview(request), list(answers), bytearray()
        while not (answers == [] and unsent == b"" and ended(self.heard)):
            reads = [self.listener, self.client, *self.upstreams]
            ready, free, _ = select.select(reads, [self.client] if unsent else [], [], PATIENCE)
            if not ready and not free:
                raise TimeoutError(f"nothing came for {PATIENCE} s; the client has {bytes(self.heard[:400])}")
            if free:
                unsent = unsent[self.client.send(unsent[:PIECE]) :]
            for each in ready:
                if each is self.listener:
                    self.accept()
                elif each is self.client:
                    self.listen()
                elif self.asked(each):
                    self.answer(each, answers.pop(0) if answers else self.unasked())
        return bytes(self.heard)

    def unasked(self):
        if self.spare is None:
            raise RuntimeError("the upstream was called more often than it should have been")
        return self.spare

    def accept(self):
        peer, _ = self.listener.accept()
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.upstreams[peer] = bytearray()

    def listen(self):
        piece = self.client.recv(PIECE)
        if not piece:
            raise ConnectionError(f"the client's connection ended after {bytes(self.heard[:400])}")
        self.heard += piece

    def asked(self, peer):
        """Whether a whole request has come."""
        piece = peer.recv(PIECE)
        if not piece:
            del self.upstreams[peer]
            peer.close()
            return False
        held = self.upstreams[peer]
        held += piece
        if not ended(held):
            return False
        held.clear()
        return True

    def answer(self, peer, answer):
        """What stands between two marks goes out in one write."""
        unsent, seen = answer.head, 0
        for piece, mark in answer.pieces:
            unsent += piece
            if mark is None:
                continue
            peer.sendall(unsent)
            unsent = b""
            while (at := self.heard.find(mark, seen)) < 0:
                ready, _, _ = select.select([self.client], [], [], PATIENCE)
                if not ready:
                    raise TimeoutError(f"{mark} did not come; the client has {bytes(self.heard[-400:])}")
                self.listen()
            seen = at
        peer.sendall(unsent)


def ended(message):
    """Whether a request or an answer is whole."""
    end = message.find(b"\r\n\r\n")
    if end < 0:
        return False
    head = bytes(message[:end]).lower()
    at = head.find(b"\r\ncontent-length:")
    if at >= 0:
        length = int(head[at + 17 :].split(b"\r\n", 1)[0])
        return len(message) >= end + 4 + length
    return b"\r\ntransfer-encoding: chunked" not in head or message.endswith(b"\r\n0\r\n\r\n")
