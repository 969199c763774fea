"""responses.py PROMPT: a small agent over the `openai` package on Responses; it runs the commands that the model asks for."""

import json
import os
import subprocess
import sys

import openai

TOOLS = [
    {
        "type": "function",
        "name": "shell",
        "description": "Runs a command of the shell",
        "strict": False,
        "parameters": {
            "type": "object",
            "properties": {"command": {"type": "string"}},
            "required": ["command"],
        },
    }
]

client = openai.OpenAI(base_url=os.environ["MOONRELAY_BASE"] + "/v1", api_key=os.environ["MOONRELAY_KEY"])
items = [{"role": "user", "content": sys.argv[1]}]
while True:
    # Nothing is kept between requests: the history goes back, with the reasoning that came.
    with client.responses.stream(
        model=os.environ["MOONRELAY_MODEL"],
        input=items,
        tools=TOOLS,
        store=False,
        include=["reasoning.encrypted_content"],
    ) as stream:
        for event in stream:
            if event.type == "response.output_text.delta":
                print(event.delta, end="", flush=True)
        response = stream.get_final_response()
    print()
    assert response.status == "completed", response
    calls = [item for item in response.output if item.type == "function_call"]
    if not calls:
        break
    items += [item.to_dict() for item in response.output]
    for call in calls:
        done = subprocess.run(json.loads(call.arguments)["command"], shell=True, capture_output=True, text=True)
        items.append({"type": "function_call_output", "call_id": call.call_id, "output": done.stdout + done.stderr})
