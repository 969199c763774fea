// The `openai` package for Node against the gateway on Responses: what it parses, streams, retries and throws.
//
// Started by tests/sdk/run, which sets MOONRELAY_BASE, MOONRELAY_KEY and MOONRELAY_UPSTREAM.

import assert from "node:assert/strict";
import OpenAI from "openai";
import { VERSION } from "openai/version";
import { simulator, thrown, withFaults } from "./simulator.mjs";

const { MOONRELAY_BASE: baseURL, MOONRELAY_KEY: apiKey } = process.env;
const client = new OpenAI({ baseURL, apiKey, timeout: 60_000 });
const model = "moonshot/kimi-k3";
const answer = "kimi-k3 via moonshot: Say hello";
const everybody = ["kimi", "moonshot", "openrouter"];
const hello = { model, input: "Say hello", store: false };
const tools = [
  {
    type: "function",
    name: "get_weather",
    description: "The weather of a city",
    strict: false,
    parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
  },
];

async function callsATool() {
  const asked = { model, tools, store: false, include: ["reasoning.encrypted_content"] };
  const input = [{ role: "user", content: "Please call get_weather" }];
  const response = await client.responses.stream({ ...asked, input }).finalResponse();
  const [call, ...more] = response.output.filter((item) => item.type === "function_call");
  assert.deepEqual([call.name, more.length], ["get_weather", 0]);
  assert.equal(typeof JSON.parse(call.arguments).city, "string");
  input.push(...response.output.map(({ parsed_arguments, ...item }) => item));
  input.push({ type: "function_call_output", call_id: call.call_id, output: "sunny" });
  const reply = await client.responses.create({ ...asked, input });
  assert.match(reply.output_text, /sunny/);
}

const checks = {
  async "answers whole"() {
    const { data, response } = await client.responses.create(hello).withResponse();
    assert.equal(response.headers.get("x-moonrelay-attempts"), `${model}=ok`);
    assert.equal(data.output_text, answer);
    assert.deepEqual([data.object, data.status], ["response", "completed"]);
    assert.equal(data.usage.total_tokens, data.usage.input_tokens + data.usage.output_tokens);
  },

  async streams() {
    const kinds = [];
    const numbers = [];
    let text = "";
    for await (const event of await client.responses.create({ ...hello, stream: true })) {
      kinds.push(event.type);
      numbers.push(event.sequence_number);
      if (event.type === "response.output_text.delta") text += event.delta;
    }
    assert.equal(text, answer);
    assert.deepEqual([kinds[0], kinds.at(-1)], ["response.created", "response.completed"]);
    assert.deepEqual(numbers, [...new Set(numbers)].sort((a, b) => a - b));
  },

  async "streams with the helper"() {
    const response = await client.responses.stream(hello).finalResponse();
    assert.equal(response.output_text, answer);
    assert.ok(response.usage.output_tokens > 0);
  },

  "calls a tool and goes on": callsATool,

  async "parses our errors"() {
    const unknown = await thrown(OpenAI.NotFoundError, () => client.responses.create({ ...hello, model: "kimi-k33" }));
    assert.equal(unknown.code, "model_not_found");
    assert.match(unknown.message, /kimi-k3/);
    const stranger = new OpenAI({ baseURL, apiKey: "wrong", maxRetries: 0 });
    await thrown(OpenAI.AuthenticationError, () => stranger.responses.create(hello));
    const kept = { ...hello, previous_response_id: "resp_1" };
    const previous = await thrown(OpenAI.BadRequestError, () => client.responses.create(kept));
    assert.match(previous.message, /previous_response_id/);
  },

  async "falls back without the client noticing"() {
    const faults = ["kimi", "moonshot"].map((provider) => ({ provider, kind: "rate_limit" }));
    await withFaults(faults, async () => {
      const { data, response } = await client.responses.create(hello).withResponse();
      assert.match(response.headers.get("x-moonrelay-attempts"), /^moonshot\/kimi-k3=rate_limit, .*openrouter\/auto=ok$/);
      assert.match(data.output_text, /via openrouter: Say hello/);
      await callsATool();
    });
  },

  async "throws or says failed when a stream breaks"() {
    const faults = everybody.map((provider) => ({ provider, kind: "truncate", value: 4 }));
    await withFaults(faults, async () => {
      const stream = await client.responses.create({ ...hello, input: "reply with 120 words", stream: true });
      const kinds = [];
      try {
        for await (const event of stream) kinds.push(event.type);
      } catch (error) {
        assert.ok(error instanceof OpenAI.APIError && error.message, String(error));
        kinds.push("error");
      }
      assert.ok(["error", "response.failed"].includes(kinds.at(-1)), String(kinds));
      assert.ok(kinds.includes("response.created") && !kinds.includes("response.completed"), String(kinds));
    });
  },

  async "does not retry what the gateway tried"() {
    const faults = everybody.map((provider) => ({ provider, kind: "server_error" }));
    await withFaults(faults, async () => {
      const failed = await thrown(OpenAI.InternalServerError, () =>
        client.responses.create({ ...hello, model: "moonshot/kimi-k2.7-code" }),
      );
      assert.equal(failed.headers.get("x-should-retry"), "false");
      const { requests } = await simulator("GET", "/_requests");
      assert.equal(requests.filter((request) => request.provider === "moonshot").length, 1);
    });
  },
};

for (const [name, check] of Object.entries(checks)) {
  await check();
  console.log(`ok  ${name}`);
}
console.log(`openai ${VERSION} for Node ${process.version} on Responses: ${Object.keys(checks).length} checks`);
