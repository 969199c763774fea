"""The `openai` package for Python against the gateway on chat: what it parses, streams, retries and raises.

Started by tests/sdk/run, which sets MOONRELAY_BASE, MOONRELAY_KEY and MOONRELAY_UPSTREAM.
"""

import asyncio
import json
import os

import openai

from simulator import Faults, raises

BASE = os.environ["MOONRELAY_BASE"]
KEY = os.environ["MOONRELAY_KEY"]
PROMPT = [{"role": "user", "content": "Say hello"}]
TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "get_weather",
            "parameters": {
                "type": "object",
                "properties": {"city": {"type": "string"}},
                "required": ["city"],
            },
        },
    }
]

client = openai.OpenAI(base_url=BASE, api_key=KEY, timeout=60)


def lists_models():
    ids = [model.id for model in client.models.list()]
    assert "moonshot/kimi-k3" in ids, ids
    assert len(ids) == len(set(ids)), "an id twice"
    model = client.models.retrieve("moonshot/kimi-k3")
    assert model.id == "moonshot/kimi-k3" and model.object == "model", model


def answers_whole():
    raw = client.chat.completions.with_raw_response.create(model="moonshot/kimi-k3", messages=PROMPT)
    assert raw.headers["x-moonrelay-attempts"] == "moonshot/kimi-k3=ok", raw.headers
    answer = raw.parse()
    choice = answer.choices[0]
    assert choice.message.content == "kimi-k3 via moonshot: Say hello", answer
    assert choice.message.reasoning_content, "a field that the package does not know is kept"
    assert choice.finish_reason == "stop" and choice.message.role == "assistant", answer
    usage = answer.usage
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens > 0, usage
    assert usage.completion_tokens_details.reasoning_tokens > 0, usage


def streams():
    text, finishes, usages = "", [], []
    stream = client.chat.completions.create(
        model="kimi-k3", messages=PROMPT, stream=True, stream_options={"include_usage": True}
    )
    for chunk in stream:
        usages += [chunk.usage] if chunk.usage else []
        for choice in chunk.choices:
            text += choice.delta.content or ""
            finishes += [choice.finish_reason] if choice.finish_reason else []
    assert text == "kimi-k3 via moonshot: Say hello", text
    assert finishes == ["stop"] and len(usages) == 1, (finishes, usages)


def streams_with_the_helper():
    with client.chat.completions.stream(model="kimi-k3", messages=PROMPT) as stream:
        kinds = {event.type for event in stream}
        final = stream.get_final_completion()
    assert "content.delta" in kinds and "content.done" in kinds, kinds
    assert final.choices[0].message.content == "kimi-k3 via moonshot: Say hello", final


def calls_a_tool_and_goes_on():
    messages = [{"role": "user", "content": "Please call get_weather"}]
    with client.chat.completions.stream(model="kimi-k3", messages=messages, tools=TOOLS) as stream:
        for _ in stream:
            pass
        choice = stream.get_final_completion().choices[0]
    assert choice.finish_reason == "tool_calls", choice
    (call,) = choice.message.tool_calls
    assert call.function.name == "get_weather" and call.id, call
    assert isinstance(json.loads(call.function.arguments)["city"], str), call
    # The history goes back without reasoning, as most clients send it.
    history = {
        "role": "assistant",
        "tool_calls": [{"id": call.id, "type": "function", "function": {"name": call.function.name, "arguments": call.function.arguments}}],
    }
    messages += [history, {"role": "tool", "tool_call_id": call.id, "content": "sunny"}]
    answer = client.chat.completions.create(model="kimi-k3", messages=messages, tools=TOOLS)
    assert "sunny" in answer.choices[0].message.content, answer


def falls_back_without_the_client_noticing():
    raw = client.chat.completions.with_raw_response.create(model="kimi/kimi-for-coding", messages=PROMPT)
    attempts = raw.headers["x-moonrelay-attempts"]
    assert attempts.startswith("kimi/kimi-for-coding=forbidden_client, "), attempts
    assert attempts.endswith("=ok"), attempts
    assert "Say hello" in raw.parse().choices[0].message.content


def parses_our_errors():
    unknown = raises(openai.NotFoundError, lambda: client.chat.completions.create(model="kimi-k33", messages=PROMPT))
    assert unknown.code == "model_not_found" and "kimi-k3" in unknown.message, unknown
    assert unknown.response.headers["x-moonrelay-request-id"]

    stranger = openai.OpenAI(base_url=BASE, api_key="wrong", max_retries=0)
    refused = raises(openai.AuthenticationError, lambda: stranger.models.list())
    assert refused.type and "wrong" not in refused.message, refused

    wrong = raises(openai.BadRequestError, lambda: client.chat.completions.create(model="kimi-k3", messages=[]))
    assert "messages must not be empty" in wrong.message, wrong


def does_not_retry_what_the_gateway_tried():
    faults = [{"provider": p, "kind": "server_error"} for p in ("moonshot", "openrouter")]
    with Faults(*faults) as ordered:
        failed = raises(
            openai.InternalServerError,
            lambda: client.chat.completions.create(model="moonshot/kimi-k2.7-code", messages=PROMPT),
        )
        assert failed.response.headers["x-should-retry"] == "false", failed.response.headers
        assert ordered.calls().count("moonshot") == 1, ordered.calls()
    assert "moonshot/kimi-k2.7-code" in failed.message and "openrouter/" in failed.message, failed.message


def raises_when_a_stream_breaks():
    with Faults({"provider": "moonshot", "model": "kimi-k2.6", "kind": "truncate", "value": 4}):
        stream = client.chat.completions.create(
            model="moonshot/kimi-k2.6", messages=[{"role": "user", "content": "reply with 120 words"}], stream=True
        )
        deltas = []

        def read():
            for chunk in stream:
                deltas.extend(choice.delta for choice in chunk.choices)

        error = raises(openai.APIError, read)
    assert error.message, error
    assert len(deltas) >= 4, f"what came before the break was read: {deltas}"


def serves_the_async_client():
    async def ask():
        async with openai.AsyncOpenAI(base_url=BASE, api_key=KEY) as asynchronous:
            stream = await asynchronous.chat.completions.create(model="kimi-k3", messages=PROMPT, stream=True)
            return "".join([c.delta.content or "" async for chunk in stream for c in chunk.choices])

    assert asyncio.run(ask()) == "kimi-k3 via moonshot: Say hello"


CHECKS = [
    lists_models,
    answers_whole,
    streams,
    streams_with_the_helper,
    calls_a_tool_and_goes_on,
    falls_back_without_the_client_noticing,
    parses_our_errors,
    serves_the_async_client,
    raises_when_a_stream_breaks,
    does_not_retry_what_the_gateway_tried,
]

for check in CHECKS:
    check()
    print(f"ok  {check.__name__}")
print(f"openai {openai.__version__} for Python: {len(CHECKS)} checks")
