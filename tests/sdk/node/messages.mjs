// The `@anthropic-ai/sdk` package for Node against the gateway: what it parses, streams, retries and throws.
//
// Started by tests/sdk/run, which sets MOONRELAY_BASE, MOONRELAY_KEY and MOONRELAY_UPSTREAM.

import assert from "node:assert/strict";
import Anthropic from "@anthropic-ai/sdk";
import { simulator, thrown, withFaults } from "./simulator.mjs";

const { MOONRELAY_BASE: base, MOONRELAY_KEY: apiKey } = process.env;
// The package adds /v1 itself.
const baseURL = base.replace(/\/v1$/, "");
const client = new Anthropic({ baseURL, apiKey, timeout: 60_000 });
const messages = [{ role: "user", content: "Say hello" }];
const tools = [
  {
    name: "get_weather",
    description: "The weather of a city",
    input_schema: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
  },
];
const model = "kimi/kimi-for-coding";
const answer = "kimi-for-coding via kimi: Say hello";
const everybody = ["kimi", "moonshot", "openrouter"];

const textOf = ({ content }) => content.map((block) => (block.type === "text" ? block.text : "")).join("");

async function callsATool(thinks) {
  const asked = { model, max_tokens: 4096, thinking: { type: "enabled", budget_tokens: 1024 }, tools };
  const history = [{ role: "user", content: "Please call get_weather" }];
  const message = await client.messages.stream({ ...asked, messages: history }).finalMessage();
  assert.equal(message.stop_reason, "tool_use");
  assert.equal(message.content.some((block) => block.type === "thinking" && block.thinking), thinks);
  const [call, ...more] = message.content.filter((block) => block.type === "tool_use");
  assert.deepEqual([call.name, typeof call.input.city, more.length], ["get_weather", "string", 0]);
  history.push({ role: "assistant", content: message.content });
  history.push({ role: "user", content: [{ type: "tool_result", tool_use_id: call.id, content: "sunny" }] });
  const reply = await client.messages.create({ ...asked, messages: history });
  assert.match(textOf(reply), /sunny/);
  assert.equal(reply.stop_reason, "end_turn");
}

const checks = {
  async "lists models"() {
    const ids = [];
    for await (const { id } of client.models.list({ limit: 3 })) ids.push(id);
    assert.ok(ids.includes(model) && ids.length > 3, `pages are joined: ${ids}`);
    assert.equal(new Set(ids).size, ids.length);
    const one = await client.models.retrieve(model);
    assert.deepEqual([one.id, one.type], [model, "model"]);
  },

  async "answers whole"() {
    const { data, response } = await client.messages.create({ model, max_tokens: 1024, messages }).withResponse();
    assert.equal(response.headers.get("x-moonrelay-attempts"), `${model}=ok`);
    assert.equal(textOf(data), answer);
    assert.deepEqual([data.type, data.role, data.stop_reason], ["message", "assistant", "end_turn"]);
    assert.ok(data.usage.input_tokens > 0 && data.usage.output_tokens > 0);
  },

  async streams() {
    const kinds = [];
    let text = "";
    for await (const event of await client.messages.create({ model, max_tokens: 1024, messages, stream: true })) {
      kinds.push(event.type);
      if (event.delta?.type === "text_delta") text += event.delta.text;
    }
    assert.equal(text, answer);
    assert.equal(kinds[0], "message_start");
    assert.deepEqual(kinds.slice(-2), ["message_delta", "message_stop"]);
  },

  "calls a tool and goes on": () => callsATool(true),

  async "counts tokens"() {
    const short = await client.messages.countTokens({ model, messages });
    const long = await client.messages.countTokens({ model, messages: [{ role: "user", content: "hello ".repeat(500) }] });
    assert.ok(0 < short.input_tokens && short.input_tokens < 100 && long.input_tokens > 100);
  },

  async "parses our errors"() {
    const unknown = await thrown(Anthropic.NotFoundError, () =>
      client.messages.create({ model: "kimi-k33", max_tokens: 64, messages }),
    );
    assert.equal(unknown.error.error.type, "not_found_error");
    assert.match(unknown.message, /kimi-k3/);
    const stranger = new Anthropic({ baseURL, apiKey: "wrong", maxRetries: 0 });
    const refused = await thrown(Anthropic.AuthenticationError, () =>
      stranger.messages.create({ model, max_tokens: 64, messages }),
    );
    assert.equal(refused.error.error.type, "authentication_error");
    const wrong = await thrown(Anthropic.BadRequestError, () =>
      client.messages.create({ model, max_tokens: 64, messages: [] }),
    );
    assert.equal(wrong.error.error.type, "invalid_request_error");
  },

  async "aborts"() {
    await withFaults([{ provider: "kimi", kind: "drip", value: 20 }], async () => {
      const long = [{ role: "user", content: "reply with 4000 words" }];
      const stream = await client.messages.create({ model, max_tokens: 32_000, messages: long, stream: true });
      for await (const _ of stream) break;
      const stats = await simulator("GET", "/_stats?waitCancelled=1&timeoutMs=1000");
      assert.equal(stats.timedOut, false, "upstream is cancelled within a second");
    });
  },

  async "falls back without the client noticing"() {
    await withFaults([{ provider: "kimi", kind: "rate_limit" }], async () => {
      const { data, response } = await client.messages.create({ model, max_tokens: 1024, messages }).withResponse();
      assert.match(response.headers.get("x-moonrelay-attempts"), /^kimi\/kimi-for-coding=rate_limit, .*openrouter\/auto=ok$/);
      assert.match(textOf(data), /via openrouter: Say hello/);
      // What OpenRouter chooses in the simulator does not think.
      await callsATool(false);
    });
  },

  async "throws when a stream breaks"() {
    const faults = everybody.map((provider) => ({ provider, kind: "truncate", value: 4 }));
    await withFaults(faults, async () => {
      const long = [{ role: "user", content: "reply with 120 words" }];
      const stream = await client.messages.create({ model, max_tokens: 1024, messages: long, stream: true });
      const kinds = [];
      const error = await thrown(Anthropic.APIError, async () => {
        for await (const event of stream) kinds.push(event.type);
      });
      assert.ok(error.message);
      assert.ok(kinds.includes("content_block_delta") && !kinds.includes("message_stop"), String(kinds));
    });
  },

  async "does not retry what the gateway tried"() {
    const faults = everybody.map((provider) => ({ provider, kind: "server_error" }));
    await withFaults(faults, async () => {
      const failed = await thrown(Anthropic.InternalServerError, () =>
        client.messages.create({ model: "moonshot/kimi-k2.7-code", max_tokens: 64, messages }),
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
console.log(`@anthropic-ai/sdk for Node ${process.version}: ${Object.keys(checks).length} checks`);
