# Before every test's own script.
import json
import shlex

MOONSHOT_KEY = "sk-moonshot-0123456789abcdef"
OPENROUTER_KEY = "sk-or-v1-0123456789abcdef"
CHAT = "http://127.0.0.1:1969/v1/chat/completions"


def as_alice(command: str) -> str:
    """The command in alice's session."""
    inner = f"export XDG_RUNTIME_DIR=/run/user/1000; {command}"
    return f"su -l alice -s /bin/sh -c {shlex.quote(inner)}"


def chat(model: str = "default", stream: bool = False, url: str = CHAT, options: str = "") -> str:
    """curl for one question: headers and body on standard output."""
    body = {"model": model, "stream": stream, "messages": [{"role": "user", "content": "Say hello"}]}
    data = shlex.quote(json.dumps(body))
    return f"curl -sS -N -i --max-time 60 {options} -H 'content-type: application/json' -d {data} {url}"


def keys(folder: str, owner: str) -> str:
    """Writes both keys, each into a file that only its owner reads."""
    return (
        f"install -d -m 0700 -o {owner} {folder} && umask 077"
        f" && printf %s {MOONSHOT_KEY} >{folder}/moonshot"
        f" && printf %s {OPENROUTER_KEY} >{folder}/openrouter"
        f" && chown {owner} {folder}/moonshot {folder}/openrouter"
    )


def order(fault: str) -> str:
    """Orders a fault from the simulated providers."""
    return f"curl -fsS -d {shlex.quote(json.dumps(fault))} http://127.0.0.1:8080/_faults"


def main_pid(manager: str) -> str:
    """The gateway's process."""
    return f"{manager} show -P MainPID moonrelay.service"


USER = "systemctl --user"
