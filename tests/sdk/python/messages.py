"""The `anthropic` package for Python against the gateway: what it parses, streams, retries and raises.

Started by tests/sdk/run, which sets MOONRELAY_BASE, MOONRELAY_KEY and MOONRELAY_UPSTREAM. Run with both generations:
the second sends its key as a bearer, another version header, and no `?beta=true`.
"""

import asyncio
import os

import anthropic

from simulator import Faults, raises

# The package adds /v1 itself.
BASE = os.environ["MOONRELAY_BASE"].removesuffix("/v1")
KEY = os.environ["MOONRELAY_KEY"]
PROMPT = [{"role": "user", "content": "Say hello"}]
TOOLS = [
    {
        "name": "get_weather",
        "description": "The weather of a city",
        "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    }
]
KIMI = "kimi/kimi-for-coding"
ANSWER = "kimi-for-coding via kimi: Say hello"

client = anthropic.Anthropic(base_url=BASE, api_key=KEY, timeout=60)


def text_of(message):
    return "".join(block.text for block in message.content if block.type == "text")


def lists_models():
    ids = [model.id for model in client.models.list(limit=3)]
    assert KIMI in ids and len(ids) > 3, f"pages are joined: {ids}"
    assert len(ids) == len(set(ids)), "an id twice"
    model = client.models.retrieve(KIMI)
    assert model.id == KIMI and model.type == "model" and model.display_name, model
    assert model.created_at.year >= 1970, model


def answers_whole():
    raw = client.messages.with_raw_response.create(model=KIMI, max_tokens=1024, messages=PROMPT)
    assert raw.headers["x-moonrelay-attempts"] == f"{KIMI}=ok", raw.headers
    message = raw.parse()
    assert text_of(message) == ANSWER, message
    assert message.type == "message" and message.role == "assistant" and message.stop_reason == "end_turn", message
    assert message.usage.input_tokens > 0 and message.usage.output_tokens > 0, message.usage


def streams():
    kinds, text = [], ""
    for event in client.messages.create(model=KIMI, max_tokens=1024, messages=PROMPT, stream=True):
        kinds.append(event.type)
        if event.type == "content_block_delta" and event.delta.type == "text_delta":
            text += event.delta.text
    assert text == ANSWER, text
    assert kinds[0] == "message_start" and kinds[-2:] == ["message_delta", "message_stop"], kinds
    assert kinds.count("content_block_start") == kinds.count("content_block_stop") > 0, kinds


def streams_with_the_helper():
    with client.messages.stream(model=KIMI, max_tokens=1024, messages=PROMPT) as stream:
        assert "".join(stream.text_stream) == ANSWER
        message = stream.get_final_message()
    assert message.stop_reason == "end_turn" and message.usage.output_tokens > 0, message


def calls_a_tool_and_goes_on(thinks=True):
    thinking = {"type": "enabled", "budget_tokens": 1024}
    messages = [{"role": "user", "content": "Please call get_weather"}]
    asked = {"model": KIMI, "max_tokens": 4096, "thinking": thinking, "tools": TOOLS}
    with client.messages.stream(**asked, messages=messages) as stream:
        message = stream.get_final_message()
    assert message.stop_reason == "tool_use", message
    assert any(block.type == "thinking" and block.thinking for block in message.content) == thinks, message
    (call,) = [block for block in message.content if block.type == "tool_use"]
    assert call.name == "get_weather" and isinstance(call.input["city"], str), call
    result = {"type": "tool_result", "tool_use_id": call.id, "content": "sunny"}
    messages += [{"role": "assistant", "content": message.content}, {"role": "user", "content": [result]}]
    answer = client.messages.create(**asked, messages=messages)
    assert "sunny" in text_of(answer) and answer.stop_reason == "end_turn", answer


def counts_tokens():
    short = client.messages.count_tokens(model=KIMI, messages=PROMPT).input_tokens
    long = client.messages.count_tokens(
        model=KIMI, messages=[{"role": "user", "content": "hello " * 500}], tools=TOOLS, system="Be short."
    ).input_tokens
    assert 0 < short < 100 < long, (short, long)


def falls_back_without_the_client_noticing():
    with Faults({"provider": "kimi", "kind": "rate_limit"}):
        raw = client.messages.with_raw_response.create(model=KIMI, max_tokens=1024, messages=PROMPT)
        attempts = raw.headers["x-moonrelay-attempts"]
        assert attempts.startswith(f"{KIMI}=rate_limit, ") and attempts.endswith("openrouter/auto=ok"), attempts
        assert "via openrouter: Say hello" in text_of(raw.parse()), raw.parse()
        with client.messages.stream(model=KIMI, max_tokens=1024, messages=PROMPT) as stream:
            assert "via openrouter: Say hello" in text_of(stream.get_final_message())
        # What OpenRouter chooses in the simulator does not think.
        calls_a_tool_and_goes_on(thinks=False)


def parses_our_errors():
    unknown = raises(
        anthropic.NotFoundError,
        lambda: client.messages.create(model="kimi-k33", max_tokens=64, messages=PROMPT),
    )
    assert unknown.body["type"] == "error" and unknown.body["error"]["type"] == "not_found_error", unknown.body
    assert "kimi-k3" in unknown.message, unknown
    assert unknown.response.headers["x-moonrelay-request-id"]

    stranger = anthropic.Anthropic(base_url=BASE, api_key="wrong", max_retries=0)
    refused = raises(anthropic.AuthenticationError, lambda: stranger.messages.create(model=KIMI, max_tokens=64, messages=PROMPT))
    assert refused.body["error"]["type"] == "authentication_error" and "wrong" not in refused.message, refused.body
    raises(anthropic.AuthenticationError, lambda: stranger.models.list())

    wrong = raises(anthropic.BadRequestError, lambda: client.messages.create(model=KIMI, max_tokens=64, messages=[]))
    assert wrong.body["error"]["type"] == "invalid_request_error", wrong.body


def serves_the_async_client():
    async def ask():
        async with anthropic.AsyncAnthropic(base_url=BASE, api_key=KEY) as asynchronous:
            async with asynchronous.messages.stream(model="kimi-k3", max_tokens=1024, messages=PROMPT) as stream:
                return await stream.get_final_text()

    assert asyncio.run(ask()) == "kimi-k3 via moonshot: Say hello"


def raises_when_a_stream_breaks():
    broken = [{"provider": p, "kind": "truncate", "value": 4} for p in ("kimi", "moonshot", "openrouter")]
    long = [{"role": "user", "content": "reply with 120 words"}]
    with Faults(*broken):
        stream = client.messages.create(model=KIMI, max_tokens=1024, messages=long, stream=True)
        kinds = []
        error = raises(anthropic.APIError, lambda: kinds.extend(event.type for event in stream))
    assert error.message, error
    assert "content_block_delta" in kinds and "message_stop" not in kinds, f"what came before the break was read: {kinds}"


def does_not_retry_what_the_gateway_tried():
    faults = [{"provider": p, "kind": "server_error"} for p in ("kimi", "moonshot", "openrouter")]
    with Faults(*faults) as ordered:
        asked = {"model": "moonshot/kimi-k2.7-code", "max_tokens": 64, "messages": PROMPT}
        failed = raises(anthropic.InternalServerError, lambda: client.messages.create(**asked))
        assert failed.response.headers["x-should-retry"] == "false", failed.response.headers
        assert ordered.calls().count("moonshot") == 1, ordered.calls()
    assert failed.body["type"] == "error", failed.body
    assert "moonshot/kimi-k2.7-code" in failed.message and "openrouter/" in failed.message, failed.message


CHECKS = [
    lists_models,
    answers_whole,
    streams,
    streams_with_the_helper,
    calls_a_tool_and_goes_on,
    counts_tokens,
    parses_our_errors,
    serves_the_async_client,
    falls_back_without_the_client_noticing,
    raises_when_a_stream_breaks,
    does_not_retry_what_the_gateway_tried,
]

for check in CHECKS:
    check()
    print(f"ok  {check.__name__}")
print(f"anthropic {anthropic.__version__} for Python: {len(CHECKS)} checks")
