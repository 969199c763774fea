// The `openai` package for Node against the gateway on chat: what it parses, streams, retries and throws.
//
// Started by tests/sdk/run, which sets MOONRELAY_BASE, MOONRELAY_KEY and MOONRELAY_UPSTREAM.

import assert from "node:assert/strict";
import OpenAI from "openai";
import { VERSION } from "openai/version";
import { simulator, thrown, withFaults } from "./simulator.mjs";

const { MOONRELAY_BASE: baseURL, MOONRELAY_KEY: apiKey } = process.env;
const client = new OpenAI({ baseURL, apiKey, timeout: 60_000 });
const messages = [{ role: "user", content: "Say hello" }];
const tools = [
  {
    type: "function",
    function: {
      name: "get_weather",
      parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
    },
  },
];

async function read(stream) {
  const seen = { text: "", finishes: [], usages: [], chunks: 0 };
  for await (const chunk of stream) {
    seen.chunks += 1;
    if (chunk.usage) seen.usages.push(chunk.usage);
    for (const choice of chunk.choices) {
      seen.text += choice.delta.content ?? "";
      if (choice.finish_reason) seen.finishes.push(choice.finish_reason);
    }
  }
  return seen;
}

const checks = {
  async "lists models"() {
    const ids = [];
    for await (const model of client.models.list()) ids.push(model.id);
    assert.ok(ids.includes("moonshot/kimi-k3"), String(ids));
    assert.equal(new Set(ids).size, ids.length);
    const model = await client.models.retrieve("moonshot/kimi-k3");
    assert.equal(model.id, "moonshot/kimi-k3");
  },

  async "answers whole"() {
    const request = client.chat.completions.create({ model: "moonshot/kimi-k3", messages });
    const { data, response } = await request.withResponse();
    assert.equal(response.headers.get("x-moonrelay-attempts"), "moonshot/kimi-k3=ok");
    const [choice] = data.choices;
    assert.equal(choice.message.content, "kimi-k3 via moonshot: Say hello");
    assert.ok(choice.message.reasoning_content, "a field that the package does not know is kept");
    assert.equal(choice.finish_reason, "stop");
    assert.equal(data.usage.total_tokens, data.usage.prompt_tokens + data.usage.completion_tokens);
  },

  async streams() {
    const options = { model: "kimi-k3", messages, stream: true, stream_options: { include_usage: true } };
    const seen = await read(await client.chat.completions.create(options));
    assert.equal(seen.text, "kimi-k3 via moonshot: Say hello");
    assert.deepEqual(seen.finishes, ["stop"]);
    assert.equal(seen.usages.length, 1);
  },

  async "streams with the helper"() {
    const final = await client.chat.completions.stream({ model: "kimi-k3", messages }).finalChatCompletion();
    assert.equal(final.choices[0].message.content, "kimi-k3 via moonshot: Say hello");
  },

  async "calls a tool and goes on"() {
    const asked = [{ role: "user", content: "Please call get_weather" }];
    const final = await client.chat.completions.stream({ model: "kimi-k3", messages: asked, tools }).finalChatCompletion();
    const [choice] = final.choices;
    assert.equal(choice.finish_reason, "tool_calls");
    assert.equal(choice.message.tool_calls.length, 1);
    const [call] = choice.message.tool_calls;
    assert.equal(call.function.name, "get_weather");
    assert.equal(typeof JSON.parse(call.function.arguments).city, "string");
    const history = { role: "assistant", tool_calls: [{ id: call.id, type: "function", function: call.function }] };
    const answered = [...asked, history, { role: "tool", tool_call_id: call.id, content: "sunny" }];
    const answer = await client.chat.completions.create({ model: "kimi-k3", messages: answered, tools });
    assert.match(answer.choices[0].message.content, /sunny/);
  },

  async "falls back without the client noticing"() {
    const request = client.chat.completions.create({ model: "kimi/kimi-for-coding", messages });
    const { data, response } = await request.withResponse();
    assert.match(response.headers.get("x-moonrelay-attempts"), /^kimi\/kimi-for-coding=forbidden_client, .*=ok$/);
    assert.match(data.choices[0].message.content, /Say hello/);
  },

  async "parses our errors"() {
    const unknown = await thrown(OpenAI.NotFoundError, () => client.chat.completions.create({ model: "kimi-k33", messages }));
    assert.equal(unknown.code, "model_not_found");
    assert.match(unknown.message, /kimi-k3/);
    const stranger = new OpenAI({ baseURL, apiKey: "wrong", maxRetries: 0 });
    const refused = await thrown(OpenAI.AuthenticationError, () => stranger.models.list());
    assert.ok(refused.type);
    const wrong = await thrown(OpenAI.BadRequestError, () => client.chat.completions.create({ model: "kimi-k3", messages: [] }));
    assert.match(wrong.message, /messages must not be empty/);
  },

  async "throws when a stream breaks"() {
    const fault = { provider: "moonshot", model: "kimi-k2.6", kind: "truncate", value: 4 };
    await withFaults([fault], async () => {
      const stream = await client.chat.completions.create({
        model: "moonshot/kimi-k2.6",
        messages: [{ role: "user", content: "reply with 120 words" }],
        stream: true,
      });
      let chunks = 0;
      const error = await thrown(OpenAI.APIError, async () => {
        for await (const _ of stream) chunks += 1;
      });
      assert.ok(error.message);
      assert.ok(chunks >= 4, `${chunks} chunks came before the break`);
    });
  },

  async "aborts"() {
    await withFaults([{ provider: "moonshot", kind: "drip", value: 20 }], async () => {
      const stream = await client.chat.completions.create({
        model: "kimi-k3",
        messages: [{ role: "user", content: "reply with 4000 words" }],
        stream: true,
      });
      for await (const _ of stream) break;
      const stats = await simulator("GET", "/_stats?waitCancelled=1&timeoutMs=1000");
      assert.equal(stats.timedOut, false, "upstream is cancelled within a second");
    });
  },

  async "does not retry what the gateway tried"() {
    const faults = ["moonshot", "openrouter"].map((provider) => ({ provider, kind: "server_error" }));
    await withFaults(faults, async () => {
      const failed = await thrown(OpenAI.InternalServerError, () =>
        client.chat.completions.create({ model: "moonshot/kimi-k2.7-code", messages }),
      );
      assert.equal(failed.headers.get("x-should-retry"), "false");
      const { requests } = await simulator("GET", "/_requests");
      assert.equal(requests.filter((request) => request.provider === "moonshot").length, 1);
      assert.match(failed.message, /moonshot\/kimi-k2\.7-code.*openrouter\/auto/s);
    });
  },
};

for (const [name, check] of Object.entries(checks)) {
  await check();
  console.log(`ok  ${name}`);
}
console.log(`openai ${VERSION} for Node ${process.version}: ${Object.keys(checks).length} checks`);
