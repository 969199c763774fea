"""What is asked, and what the upstream says."""

import json

from lockstep import stream, whole

TOKEN = "client-token-0000"
KEY = "sk-moonshot-0000000000"
# The floor passes on what it gets; what it cannot do stands beside what it does in its place.
BESIDE = {
    "fallback": "small",
    "translated": "small",
    "translated stream": "stream",
    "translated stream, an event": "stream, an event",
}
AGENT_BYTES = 230_000
IMAGE_BYTES = 5_000_000
SHORT, LONG = 100, 300
# As long as those of Moonshot.
ID = "chatcmpl-6a2f0c51d94e7b3801c5e9f2"
TEXT = "The path of a request through modules. "
USAGE = {"prompt_tokens": 64, "completion_tokens": 128, "total_tokens": 192, "cached_tokens": 32}
# As the documentation names the figures.
TITLES = {
    "small": "small request",
    "agent": "agent's conversation, 230 KB",
    "image": "image, 5 MB",
    "translated": "small request, translated: chat in, messages out (floor: not translated)",
    "fallback": "small request, the first target refuses (floor: it answers)",
    "stream": "stream of 100 events, one a read",
    "burst": "stream of 100 events that come together",
    "translated stream": "stream of 100 events, one a read, translated (floor: not translated)",
    "stream, an event": "an event, one a read",
    "burst, an event": "an event that comes with others",
    "translated stream, an event": "an event, one a read, translated (floor: not translated)",
}


def gateway(port, upstream):
    """Authentication, a chain, the usage database, log and metrics, as in a usual configuration."""
    base = f"http://127.0.0.1:{upstream}"
    spare = {"baseUrl": f"{base}/spare/v1", "apiKey": "sk-spare-0000000000", "models": [{"id": "kimi-k3"}]}
    claude = {**spare, "baseUrl": f"{base}/claude", "api": "anthropic-messages", "models": [{"id": "opus"}]}
    moonshot = {"baseUrl": f"{base}/v1", "apiKey": KEY}
    return {
        "agents": {"defaults": {"model": {"primary": "moonshot/kimi-k3", "fallbacks": ["spare/kimi-k3", "claude/opus"]}}},
        "models": {"providers": {"moonshot": moonshot, "spare": spare, "claude": claude}},
        "gateway": {"port": port, "workerThreads": 1, "auth": {"mode": "token", "token": TOKEN}},
    }


def request(messages, model="default", **more):
    body = json.dumps({"model": model, "messages": messages, **more}, separators=(",", ":")).encode()
    head = (
        "POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\nuser-agent: bench/1.0\r\naccept: */*\r\n"
        f"authorization: Bearer {TOKEN}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def user(text):
    return {"role": "user", "content": text}


def conversation(size):
    """What an agent sends: turns with tool calls, until there are so many bytes."""
    turns = [{"role": "system", "content": TEXT * min(100, size // 50)}]
    room = size - len(json.dumps(turns))
    while room > 0:
        call = {"id": f"call_{len(turns)}", "type": "function", "function": {"name": "read", "arguments": '{"path":"src/main.rs"}'}}
        step = [
            user(TEXT * 5),
            {"role": "assistant", "content": "", "reasoning_content": TEXT * 3, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": call["id"], "content": "fn main() {\n    let \"x\" = 1;\n}\n" * 60},
        ]
        turns += step
        room -= len(json.dumps(step))
    return turns


def picture(size):
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "iVBORw0K" * (size // 8)}}
    return [{"role": "user", "content": [{"type": "text", "text": "What is this?"}, image]}]


def chat_answer():
    message = {"role": "assistant", "content": TEXT * 4}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    text = {"id": ID, "object": "chat.completion", "created": 1, "model": "kimi-k3", "choices": [choice], "usage": USAGE}
    return whole(json.dumps(text).encode())


def messages_answer():
    usage = {"input_tokens": 32, "output_tokens": 128, "cache_read_input_tokens": 32, "cache_creation_input_tokens": 0}
    content = [{"type": "text", "text": TEXT * 4}]
    text = {"id": "msg_1", "type": "message", "role": "assistant", "model": "opus", "content": content, "stop_reason": "end_turn", "stop_sequence": None, "usage": usage}
    return whole(json.dumps(text).encode())


def refusal():
    """A failure without a cooldown, so that each request starts with the same target."""
    error = {"message": "Not found the model kimi-k3 or Permission denied", "type": "resource_not_found_error"}
    return whole(json.dumps({"error": error}).encode(), "404 Not Found")


def chat_events(count):
    def event(delta, finish=None, **more):
        choice = {"index": 0, "delta": delta, "finish_reason": finish, **more}
        return b"data: %s\n\n" % json.dumps(
            {"id": ID, "object": "chat.completion.chunk", "created": 1, "model": "kimi-k3", "choices": [choice]},
            separators=(",", ":"),
        ).encode()

    yield event({"role": "assistant", "content": ""}), None
    for number in range(count):
        word = f"word{number:05} "
        yield event({"content": word}), word.encode()
    yield event({}, "stop", usage=USAGE) + b"data: [DONE]\n\n", None


def messages_events(count):
    def event(kind, **more):
        return b"event: %s\ndata: %s\n\n" % (kind.encode(), json.dumps({"type": kind, **more}, separators=(",", ":")).encode())

    usage = {"input_tokens": 32, "output_tokens": 1, "cache_read_input_tokens": 32, "cache_creation_input_tokens": 0}
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": "opus", "content": [], "stop_reason": None, "stop_sequence": None, "usage": usage}
    yield event("message_start", message=message), None
    yield event("content_block_start", index=0, content_block={"type": "text", "text": ""}), None
    for number in range(count):
        word = f"word{number:05} "
        yield event("content_block_delta", index=0, delta={"type": "text_delta", "text": word}), word.encode()
    yield event("content_block_stop", index=0) + event("message_delta", delta={"stop_reason": "end_turn", "stop_sequence": None}, usage={"output_tokens": 128}) + event("message_stop"), None


def together(events):
    """All of them in one write."""
    return [(text, None) for text, _ in events]


class Case:
    """What is asked `count` times for one figure, and what is answered each time."""

    def __init__(self, name, count, asked, answers, floor=True):
        self.name, self.count, self.asked, self.answers, self.floor = name, count, asked, answers, floor


def streams(name, count, asked, events, floor=True):
    """Two lengths: their difference is what events cost."""
    for length in (SHORT, LONG):
        yield Case(f"{name} {length}", count, asked, [stream(events(length))], floor)


def all_cases():
    hello = [user("Say hello")]
    small, agent = request(hello), request(conversation(AGENT_BYTES))
    streamed, elsewhere = request(hello, stream=True), request(hello, "claude/opus", stream=True)
    return [
        Case("small", 16, small, [chat_answer()]),
        Case("agent", 4, agent, [chat_answer()]),
        Case("image", 2, request(picture(IMAGE_BYTES)), [chat_answer()]),
        *streams("stream", 4, streamed, lambda length: list(chat_events(length))),
        *streams("burst", 4, streamed, lambda length: together(chat_events(length))),
        Case("translated", 16, request(hello, "claude/opus"), [messages_answer()], floor=False),
        *streams("translated stream", 4, elsewhere, lambda length: list(messages_events(length)), floor=False),
        Case("fallback", 16, small, [refusal(), chat_answer()], floor=False),
    ]
