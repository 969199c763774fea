"""The `openai` package for Python against the gateway on Responses: what it parses, streams, retries and raises.

Started by tests/sdk/run, which sets MOONRELAY_BASE, MOONRELAY_KEY and MOONRELAY_UPSTREAM.
"""

import asyncio
import json
import os

import openai

from simulator import Faults, raises

BASE = os.environ["MOONRELAY_BASE"]
KEY = os.environ["MOONRELAY_KEY"]
MODEL = "moonshot/kimi-k3"
ANSWER = "kimi-k3 via moonshot: Say hello"
TOOLS = [
    {
        "type": "function",
        "name": "get_weather",
        "description": "The weather of a city",
        "strict": False,
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    }
]

client = openai.OpenAI(base_url=BASE, api_key=KEY, timeout=60)


def answers_whole():
    raw = client.responses.with_raw_response.create(model=MODEL, input="Say hello", store=False)
    assert raw.headers["x-moonrelay-attempts"] == f"{MODEL}=ok", raw.headers
    response = raw.parse()
    assert response.output_text == ANSWER, response
    assert response.object == "response" and response.status == "completed" and response.id, response
    usage = response.usage
    assert usage.total_tokens == usage.input_tokens + usage.output_tokens > 0, usage


def streams():
    kinds, numbers, text = [], [], ""
    for event in client.responses.create(model=MODEL, input="Say hello", instructions="Be short.", store=False, stream=True):
        kinds.append(event.type)
        numbers.append(event.sequence_number)
        text += event.delta if event.type == "response.output_text.delta" else ""
    assert text == ANSWER, text
    assert kinds[0] == "response.created" and kinds[-1] == "response.completed", kinds
    assert numbers == sorted(set(numbers)), f"sequence numbers rise: {numbers}"
    assert kinds.count("response.output_item.added") == kinds.count("response.output_item.done") > 0, kinds


def streams_with_the_helper():
    with client.responses.stream(model=MODEL, input="Say hello", store=False) as stream:
        for _ in stream:
            pass
        response = stream.get_final_response()
    assert response.output_text == ANSWER and response.status == "completed", response
    assert response.usage.output_tokens > 0, response.usage


def calls_a_tool_and_goes_on():
    items = [{"role": "user", "content": "Please call get_weather"}]
    asked = {"model": MODEL, "tools": TOOLS, "store": False, "include": ["reasoning.encrypted_content"]}
    with client.responses.stream(**asked, input=items) as stream:
        for _ in stream:
            pass
        response = stream.get_final_response()
    (call,) = [item for item in response.output if item.type == "function_call"]
    assert call.name == "get_weather" and call.status == "completed", call
    assert isinstance(json.loads(call.arguments)["city"], str), call
    items += [item.to_dict() for item in response.output]
    items.append({"type": "function_call_output", "call_id": call.call_id, "output": "sunny"})
    answer = client.responses.create(**asked, input=items)
    assert "sunny" in answer.output_text, answer


def falls_back_without_the_client_noticing():
    with Faults({"provider": "kimi", "kind": "rate_limit"}, {"provider": "moonshot", "kind": "rate_limit"}):
        raw = client.responses.with_raw_response.create(model=MODEL, input="Say hello", store=False)
        attempts = raw.headers["x-moonrelay-attempts"]
        assert attempts.startswith(f"{MODEL}=rate_limit, ") and attempts.endswith("openrouter/auto=ok"), attempts
        assert "via openrouter: Say hello" in raw.parse().output_text, raw.parse()
        with client.responses.stream(model=MODEL, input="Say hello", store=False) as stream:
            for _ in stream:
                pass
            assert "via openrouter: Say hello" in stream.get_final_response().output_text
        calls_a_tool_and_goes_on()


def parses_our_errors():
    unknown = raises(openai.NotFoundError, lambda: client.responses.create(model="kimi-k33", input="Say hello"))
    assert unknown.code == "model_not_found" and "kimi-k3" in unknown.message, unknown
    assert unknown.response.headers["x-moonrelay-request-id"]

    stranger = openai.OpenAI(base_url=BASE, api_key="wrong", max_retries=0)
    refused = raises(openai.AuthenticationError, lambda: stranger.responses.create(model=MODEL, input="Say hello"))
    assert refused.type and "wrong" not in refused.message, refused

    kept = {"model": MODEL, "input": "Say hello", "previous_response_id": "resp_1"}
    previous = raises(openai.BadRequestError, lambda: client.responses.create(**kept))
    assert "previous_response_id" in previous.message, previous


def serves_the_async_client():
    async def ask():
        async with openai.AsyncOpenAI(base_url=BASE, api_key=KEY) as asynchronous:
            response = await asynchronous.responses.create(model=MODEL, input="Say hello", store=False)
            return response.output_text

    assert asyncio.run(ask()) == ANSWER


def raises_or_says_failed_when_a_stream_breaks():
    broken = [{"provider": p, "kind": "truncate", "value": 4} for p in ("kimi", "moonshot", "openrouter")]
    with Faults(*broken):
        stream = client.responses.create(model=MODEL, input="reply with 120 words", store=False, stream=True)
        kinds = []
        try:
            for event in stream:
                kinds.append(event.type)
        except openai.APIError as error:
            kinds.append("error")
            assert error.message, error
    assert kinds[-1] in ("error", "response.failed"), kinds
    assert "response.completed" not in kinds, kinds
    assert "response.created" in kinds, f"what came before the break was read: {kinds}"


def does_not_retry_what_the_gateway_tried():
    faults = [{"provider": p, "kind": "server_error"} for p in ("kimi", "moonshot", "openrouter")]
    with Faults(*faults) as ordered:
        failed = raises(
            openai.InternalServerError,
            lambda: client.responses.create(model="moonshot/kimi-k2.7-code", input="Say hello"),
        )
        assert failed.response.headers["x-should-retry"] == "false", failed.response.headers
        assert ordered.calls().count("moonshot") == 1, ordered.calls()
    assert "moonshot/kimi-k2.7-code" in failed.message and "openrouter/" in failed.message, failed.message


CHECKS = [
    answers_whole,
    streams,
    streams_with_the_helper,
    calls_a_tool_and_goes_on,
    parses_our_errors,
    serves_the_async_client,
    falls_back_without_the_client_noticing,
    raises_or_says_failed_when_a_stream_breaks,
    does_not_retry_what_the_gateway_tried,
]

for check in CHECKS:
    check()
    print(f"ok  {check.__name__}")
print(f"openai {openai.__version__} for Python on Responses: {len(CHECKS)} checks")
