// messages.mjs PROMPT: a small agent over the `@anthropic-ai/sdk` package; it runs the commands that the model asks for.

import { spawnSync } from "node:child_process";
import Anthropic from "@anthropic-ai/sdk";

const tools = [
  {
    name: "shell",
    description: "Runs a command of the shell",
    input_schema: { type: "object", properties: { command: { type: "string" } }, required: ["command"] },
  },
];
const { MOONRELAY_BASE: baseURL, MOONRELAY_KEY: apiKey, MOONRELAY_MODEL: model } = process.env;
const client = new Anthropic({ baseURL, apiKey });
const messages = [{ role: "user", content: process.argv[2] }];

for (;;) {
  const stream = client.messages.stream({ model, max_tokens: 4096, messages, tools });
  stream.on("text", (text) => process.stdout.write(text));
  const message = await stream.finalMessage();
  process.stdout.write("\n");
  if (message.stop_reason !== "tool_use") break;
  messages.push({ role: "assistant", content: message.content });
  const results = message.content
    .filter((block) => block.type === "tool_use")
    .map(({ id, input }) => {
      const done = spawnSync(input.command, { shell: true, encoding: "utf8" });
      return { type: "tool_result", tool_use_id: id, content: done.stdout + done.stderr, is_error: done.status !== 0 };
    });
  messages.push({ role: "user", content: results });
}
