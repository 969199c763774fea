"""The simulator and a gateway before it, on free ports, for one run of a client, or of a collector."""

import json
import subprocess
import threading
import urllib.request

KEY = "client-token-0000"
# A model of the providers that speak one protocol only.
ANY = "openai/gpt-5-mini"
APIS = {"chat": "openai-completions", "messages": "anthropic-messages", "responses": "openai-responses"}


class Stand:
    """Both programs, from `with` to its end."""

    def __init__(self, binary, folder):
        self.binary = binary
        self.folder = folder
        self.processes = []

    def __enter__(self):
        try:
            self.upstream = self.serve("simulator", "simulating on", "simulate", "--listen", "127.0.0.1:0")
            file = self.folder / "config.json5"
            file.write_text(json.dumps(self.configuration(), indent=2))
            words = ["gateway", "run", "--port", "0", "--config", str(file)]
            self.base = self.serve("gateway", "listening on", *words)
        except BaseException:
            self.__exit__()
            raise
        return self

    def configuration(self):
        return configuration(self.upstream)

    def __exit__(self, *_):
        for process in self.processes:
            process.kill()
        for process in self.processes:
            process.wait()

    def serve(self, name, ready, *words):
        """Starts one and waits for the line with its address."""
        home = self.folder / f"{name}-home"
        home.mkdir()
        process = subprocess.Popen(
            [self.binary, *words],
            env={"HOME": str(home)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.processes.append(process)
        log = open(self.folder / f"{name}.log", "w", buffering=1)
        for line in process.stdout:
            log.write(line)
            if f"{ready} http" in line:
                threading.Thread(target=log.writelines, args=(process.stdout,), daemon=True).start()
                return line.split(f"{ready} ", 1)[1].split()[0].rstrip("/,;")
        raise RuntimeError(f"{name} ended: {(self.folder / f'{name}.log').read_text()}")

    def simulator(self, method, path, value=None):
        data = None if value is None else json.dumps(value).encode()
        request = urllib.request.Request(self.upstream + path, data=data, method=method)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=60) as response:
            return json.load(response)

    def calls(self):
        """What the providers were asked for: provider, protocol, status."""
        requests = self.simulator("GET", "/_requests")["requests"]
        return [(request["provider"], request["face"], request["status"]) for request in requests]


def configuration(upstream):
    openrouter = {"baseUrl": f"{upstream}/openrouter/api/v1", "apiKey": "sk-or-v1-simulated-0000000000"}
    # OpenRouter takes its key as a bearer on each.
    single = {f"over-{name}": {**openrouter, "authHeader": True, "api": api, "models": [{"id": ANY}]} for name, api in APIS.items()}
    return {
        "agents": {
            "defaults": {"model": {"primary": "kimi/kimi-for-coding", "fallbacks": ["moonshot/kimi-k3", "openrouter/auto"]}}
        },
        "models": {
            "routes": {"claude-*": "default"},
            "providers": {
                "kimi": {"baseUrl": f"{upstream}/kimi/coding/v1", "apiKey": "sk-kimi-simulated-0000000000"},
                "moonshot": {"baseUrl": f"{upstream}/moonshot/v1", "apiKey": "sk-simulated-moonshot-0000000000"},
                "openrouter": openrouter,
                **single,
            },
        },
        "gateway": {"auth": {"mode": "token", "token": KEY}},
    }
