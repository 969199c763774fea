"""The client programs: their packages, and the settings that connect each to the gateway.

docs/how-to/clients.md says the same for people; what is here is what was really run.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

# The name that every program asks for: the first of the chain.
MODEL = "kimi/kimi-for-coding"
AGENTS = Path(__file__).resolve().parent / "agents"
TEXT = "Say hello"
# The simulator gives the program's own shell tool the command behind `Run`.
TOOL = "Run echo captured > made.txt"


@dataclass(frozen=True)
class Place:
    """Where one run of a program happens."""

    base: str
    key: str
    home: Path
    installed: Path
    path: str
    model: str = MODEL

    def write(self, name, content):
        """A file of the empty home."""
        path = self.home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content if isinstance(content, str) else json.dumps(content, indent=2))

    def npm(self, name):
        return str(self.installed / "node_modules" / ".bin" / name)

    @property
    def python(self):
        return str(self.installed / "bin" / "python")


@dataclass(frozen=True)
class Program:
    """One client program."""

    name: str
    # `npm` or `pip`, and what it installs.
    manager: str
    package: str
    # The protocol that it speaks to the gateway.
    api: str
    # Writes its files, and gives the command line before the prompt.
    command: Callable[[Place], list[str]]
    environment: Callable[[Place], dict] = lambda place: {}
    # Kimi Code rejects unknown clients on Chat Completions; Kimi then answers from Moonshot.
    gated: bool = False
    # A run without it fails.
    required: bool = False
    # What has it change the file made.txt, and where that is.
    tool: str = TOOL
    folder: str = "project"
    # How long one run may take, in seconds.
    limit: int = 90
    # Takes half a minute for every run, so it has fewer.
    slow: bool = False


def claude_code(place):
    return [place.npm("claude"), "--allowedTools", "Bash", "-p"]


def claude_code_environment(place):
    return {
        "ANTHROPIC_BASE_URL": place.base,
        "ANTHROPIC_AUTH_TOKEN": place.key,
        "ANTHROPIC_MODEL": place.model,
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    }


def codex(place):
    place.write(
        ".codex/config.toml",
        f"""model = "{place.model}"
model_provider = "moonrelay"
check_for_update_on_startup = false

[analytics]
enabled = false

[model_providers.moonrelay]
name = "Moonrelay"
base_url = "{place.base}/v1"
env_key = "MOONRELAY_TOKEN"
wire_api = "responses"
""",
    )
    # Its own sandbox needs more of the kernel than a namespace here gives it.
    return [place.npm("codex"), "exec", "--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox"]


def opencode(package):
    def command(place):
        place.write(
            ".config/opencode/opencode.json",
            {
                "autoupdate": False,
                "share": "disabled",
                "model": f"moonrelay/{place.model}",
                "small_model": f"moonrelay/{place.model}",
                "permission": {"bash": "allow"},
                "provider": {
                    "moonrelay": {
                        "npm": package,
                        "name": "Moonrelay",
                        "options": {"baseURL": f"{place.base}/v1", "apiKey": place.key},
                        "models": {place.model: {"reasoning": True, "limit": {"context": 262144, "output": 32768}}},
                    }
                },
            },
        )
        return [place.npm("opencode"), "run"]

    return command


def aider(place):
    place.write(".aider.model.settings.yml", [{"name": f"openai/{place.model}", "edit_format": "whole", "reminder": "sys"}])
    place.write(
        ".aider.conf.yml",
        {"model": f"openai/{place.model}", "openai-api-base": f"{place.base}/v1", "openai-api-key": place.key},
    )
    quiet = ["--analytics-disable", "--no-check-update", "--no-show-model-warnings", "--no-fancy-input"]
    return [place.python, "-m", "aider", "--no-git", "--yes-always", *quiet, "--message"]


def kimi_code(kind):
    def command(place):
        base = place.base if kind == "anthropic" else f"{place.base}/v1"
        place.write(
            ".kimi-code/config.toml",
            f"""default_permission_mode = "auto"
default_model = "moonrelay"

[providers.moonrelay]
type = "{kind}"
base_url = "{base}"
api_key = "{place.key}"

[models.moonrelay]
provider = "moonrelay"
model = "{place.model}"
max_context_size = 262144
capabilities = ["thinking", "tool_use", "image_in"]
""",
        )
        return [place.npm("kimi"), "-p"]

    return command


def cline(place):
    settings = {
        "provider": "openai-compatible",
        "apiKey": place.key,
        "model": place.model,
        "baseUrl": f"{place.base}/v1",
    }
    providers = {"openai-compatible": {"settings": settings, "updatedAt": "2026-11-01T00:00:00.000Z", "tokenSource": "manual"}}
    place.write(
        ".cline/data/settings/providers.json",
        {"version": 1, "lastUsedProvider": "openai-compatible", "modes": {}, "providers": providers},
    )
    return [place.npm("cline")]


def openclaw(place):
    model = {"id": place.model, "name": "Kimi", "reasoning": True, "input": ["text"], "contextWindow": 262144, "maxTokens": 32768}
    provider = {"baseUrl": f"{place.base}/v1", "apiKey": place.key, "api": "openai-completions", "models": [model]}
    place.write(
        ".openclaw/openclaw.json",
        {
            "agents": {"defaults": {"model": {"primary": f"moonrelay/{place.model}"}}},
            "models": {"mode": "merge", "providers": {"moonrelay": provider}},
        },
    )
    return [place.npm("openclaw"), "agent", "--local", "--session-id", "check", "--message"]


def agent(script):
    """One of our own small agents over an SDK."""

    def command(place):
        runner = [place.python] if script.endswith(".py") else ["node"]
        if runner == ["node"]:
            # Node finds packages beside the script, nowhere else.
            (place.home / script).write_text((AGENTS / script).read_text())
            (place.home / "node_modules").symlink_to(place.installed / "node_modules")
            return [*runner, str(place.home / script)]
        return [*runner, str(AGENTS / script)]

    return command


def agent_environment(place):
    return {"MOONRELAY_BASE": place.base, "MOONRELAY_KEY": place.key, "MOONRELAY_MODEL": place.model}


def sdk(name, manager, package, api, script, gated):
    return Program(
        name, manager, package, api, agent(script), agent_environment, gated=gated, required=True
    )


PROGRAMS = [
    Program(
        "claude-code",
        "npm",
        "@anthropic-ai/claude-code@2.1.329",
        "messages",
        claude_code,
        claude_code_environment,
        required=True,
    ),
    Program(
        "codex",
        "npm",
        "@openai/codex@0.169.0",
        "responses",
        codex,
        lambda place: {"MOONRELAY_TOKEN": place.key},
        gated=True,
        required=True,
    ),
    Program(
        "opencode",
        "npm",
        "opencode-ai@1.18.33",
        "chat",
        opencode("@ai-sdk/openai-compatible"),
        gated=True,
        required=True,
    ),
    Program(
        "opencode-messages",
        "npm",
        "opencode-ai@1.18.33",
        "messages",
        opencode("@ai-sdk/anthropic"),
        required=True,
    ),
    sdk("anthropic-python-1", "pip", "anthropic==1.17.0", "messages", "messages.py", False),
    sdk("anthropic-python-2", "pip", "anthropic==2.11.0", "messages", "messages.py", False),
    sdk("anthropic-node", "npm", "@anthropic-ai/sdk@1.12.0", "messages", "messages.mjs", False),
    sdk("openai-python", "pip", "openai==3.52.0", "responses", "responses.py", True),
    sdk("openai-node", "npm", "openai@7.55.0", "responses", "responses.mjs", True),
    Program(
        "aider",
        "pip",
        "aider-chat==0.86.2",
        "chat",
        aider,
        gated=True,
        # It has no tools: what it changes stands in the answer, and the simulator repeats the prompt.
        tool="Write this file:\n\nmade.txt\n```\ncaptured\n```",
    ),
    Program("kimi-code", "npm", "@moonshot-ai/kimi-code@2.1.0", "chat", kimi_code("kimi")),
    Program("kimi-code-messages", "npm", "@moonshot-ai/kimi-code@2.1.0", "messages", kimi_code("anthropic")),
    Program(
        "kimi-code-responses",
        "npm",
        "@moonshot-ai/kimi-code@2.1.0",
        "responses",
        kimi_code("openai_responses"),
    ),
    Program("cline", "npm", "cline@3.0.65", "chat", cline, gated=True),
    Program(
        "openclaw",
        "npm",
        "openclaw@2026.9.6",
        "chat",
        openclaw,
        lambda place: {"OPENCLAW_DISABLE_UPDATE_CHECK": "1"},
        gated=True,
        # It works in its own workspace.
        folder="home/.openclaw/workspace",
        limit=180,
        slow=True,
    ),
]


def chosen(names):
    """The programs with these names, or all."""
    known = {program.name for program in PROGRAMS}
    if unknown := set(names) - known:
        raise SystemExit(f"no client is called {', '.join(sorted(unknown))}; there are {', '.join(sorted(known))}")
    return [program for program in PROGRAMS if not names or program.name in names]
