# Included before the script of every test.
import json
import shlex

MOONSHOT_KEY = "sk-moonshot-0123456789abcdef"
OPENROUTER_KEY = "sk-or-v1-0123456789abcdef"
CHAT = "http://127.0.0.1:1969/v1/chat/completions"


def as_alice(command: str) -> str:
    """Returns the command that runs `command` in the session of alice."""
    inner = f"export XDG_RUNTIME_DIR=/run/user/1000; {command}"
    return f"su -l alice -s /bin/sh -c {shlex.quote(inner)}"


def chat(model: str = "default", stream: bool = False, url: str = CHAT, options: str = "") -> str:
    """Returns a curl command for one request. It prints headers and body."""
    body = {"model": model, "stream": stream, "messages": [{"role": "user", "content": "Say hello"}]}
    data = shlex.quote(json.dumps(body))
    return f"curl -sS -N -i --max-time 60 {options} -H 'content-type: application/json' -d {data} {url}"


def write_keys(directory: str, owner: str) -> str:
    """Returns a command that writes both keys to files that only `owner` can read."""
    return (
        f"install -d -m 0700 -o {owner} {directory} && umask 077"
        f" && printf %s {MOONSHOT_KEY} >{directory}/moonshot"
        f" && printf %s {OPENROUTER_KEY} >{directory}/openrouter"
        f" && chown {owner} {directory}/moonshot {directory}/openrouter"
    )


def inject_fault(fault: str) -> str:
    """Returns a command that makes the simulated providers fail with `fault`."""
    return f"curl -fsS -d {shlex.quote(json.dumps(fault))} http://127.0.0.1:8080/_faults"


def main_pid(manager: str) -> str:
    """Returns a command that prints the process id of the gateway."""
    return f"{manager} show -P MainPID moonrelay.service"


USER = "systemctl --user"
