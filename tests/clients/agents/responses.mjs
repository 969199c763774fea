// responses.mjs PROMPT: a small agent over the `openai` package on Responses; it runs the commands that the model asks for.

import { spawnSync } from "node:child_process";
import OpenAI from "openai";

const tools = [
  {
    type: "function",
    name: "shell",
    description: "Runs a command of the shell",
    strict: false,
    parameters: { type: "object", properties: { command: { type: "string" } }, required: ["command"] },
  },
];
const { MOONRELAY_BASE: base, MOONRELAY_KEY: apiKey, MOONRELAY_MODEL: model } = process.env;
const client = new OpenAI({ baseURL: `${base}/v1`, apiKey });
const input = [{ role: "user", content: process.argv[2] }];

for (;;) {
  // Nothing is kept between requests: the history goes back, with the reasoning that came.
  const stream = client.responses.stream({ model, input, tools, store: false, include: ["reasoning.encrypted_content"] });
  stream.on("response.output_text.delta", ({ delta }) => process.stdout.write(delta));
  const response = await stream.finalResponse();
  process.stdout.write("\n");
  if (response.status !== "completed") throw new Error(JSON.stringify(response));
  const calls = response.output.filter((item) => item.type === "function_call");
  if (calls.length === 0) break;
  // The helper adds what it parsed of the arguments, which is no part of the item.
  input.push(...response.output.map(({ parsed_arguments, ...item }) => item));
  for (const call of calls) {
    const done = spawnSync(JSON.parse(call.arguments).command, { shell: true, encoding: "utf8" });
    input.push({ type: "function_call_output", call_id: call.call_id, output: done.stdout + done.stderr });
  }
}
