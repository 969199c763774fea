"""messages.py PROMPT: a small agent over the `anthropic` package; it runs the commands that the model asks for."""

import os
import subprocess
import sys

import anthropic

TOOLS = [
    {
        "name": "shell",
        "description": "Runs a command of the shell",
        "input_schema": {
            "type": "object",
            "properties": {"command": {"type": "string"}},
            "required": ["command"],
        },
    }
]

client = anthropic.Anthropic(base_url=os.environ["MOONRELAY_BASE"], api_key=os.environ["MOONRELAY_KEY"])
messages = [{"role": "user", "content": sys.argv[1]}]
while True:
    with client.messages.stream(
        model=os.environ["MOONRELAY_MODEL"], max_tokens=4096, messages=messages, tools=TOOLS
    ) as stream:
        for text in stream.text_stream:
            print(text, end="", flush=True)
        message = stream.get_final_message()
    print()
    calls = [block for block in message.content if block.type == "tool_use"]
    if message.stop_reason != "tool_use":
        assert not calls, message
        break
    messages.append({"role": "assistant", "content": message.content})
    results = []
    for call in calls:
        done = subprocess.run(call.input["command"], shell=True, capture_output=True, text=True)
        content = done.stdout + done.stderr
        results.append({"type": "tool_result", "tool_use_id": call.id, "content": content, "is_error": done.returncode != 0})
    messages.append({"role": "user", "content": results})
