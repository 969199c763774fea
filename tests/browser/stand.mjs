// The simulator and a gateway before it, on free ports, in a home of their own.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

export const TOKEN = "browser-client-token-0000";
export const KIMI = "kimi/kimi-for-coding";
export const MOONSHOT = "moonshot/kimi-k3";
export const OPENROUTER = "openrouter/auto";

const CHAIN = { primary: KIMI, fallbacks: [MOONSHOT, OPENROUTER] };

// Both programs, until `end`.
export class Stand {
  #home;
  #simulator;
  #gateway;

  // `change` gets the configuration before it is written.
  static async begin({ change = () => {} } = {}) {
    const stand = new Stand();
    stand.#home = await mkdtemp(join(tmpdir(), "moonrelay-browser-"));
    stand.state = join(stand.#home, "state");
    try {
      stand.#simulator = await stand.#serve("simulating on", "simulate", "--listen", "127.0.0.1:0");
      stand.upstream = stand.#simulator.address;
      const settings = configuration(stand.upstream);
      change(settings);
      await writeFile(join(stand.#home, "config.json5"), JSON.stringify(settings, null, 2));
      await stand.startGateway();
    } catch (error) {
      await stand.end();
      throw error;
    }
    return stand;
  }

  async startGateway() {
    const port = this.base ? new URL(this.base).port : "0";
    const file = join(this.#home, "config.json5");
    this.#gateway = await this.#serve("listening on", "gateway", "run", "--port", port, "--config", file);
    this.base = this.#gateway.address;
  }

  // Stops it as a service manager does, and returns the milliseconds that it took.
  async stopGateway() {
    const began = performance.now();
    await ended(this.#gateway, "SIGTERM");
    return performance.now() - began;
  }

  async end() {
    for (const served of [this.#gateway, this.#simulator]) if (served) await ended(served, "SIGKILL");
    await rm(this.#home, { recursive: true, force: true });
  }

  // The output of the gateway, to explain a failure.
  get log() {
    return this.#gateway?.lines.join("\n") ?? "";
  }

  // Starts one and waits for the line with its address.
  async #serve(ready, ...words) {
    await mkdir(this.state, { recursive: true });
    const process_ = spawn(process.env.MOONRELAY_BINARY, words, {
      env: { HOME: this.#home, PATH: process.env.PATH, XDG_STATE_HOME: this.state },
      stdio: ["ignore", "pipe", "pipe"],
    });
    const served = { process: process_, lines: [] };
    const address = new Promise((resolve, reject) => {
      for (const output of [process_.stdout, process_.stderr]) {
        createInterface({ input: output }).on("line", (line) => {
          served.lines.push(line);
          const found = line.match(new RegExp(`${ready} (http://[0-9.]+:[0-9]+)`));
          if (found) resolve(found[1]);
        });
      }
      process_.once("error", reject);
      process_.once("exit", () => reject(new Error(`${words.join(" ")} ended:\n${served.lines.join("\n")}`)));
    });
    served.address = await address;
    return served;
  }

  // One of the simulator's own routes.
  async simulator(method, path, value) {
    const response = await fetch(this.upstream + path, { method, body: value && JSON.stringify(value) });
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`);
    return response.json();
  }

  async fault(...faults) {
    for (const fault of faults) await this.simulator("POST", "/_faults", fault);
  }

  // A prompt through the gateway, as a coding agent sends it: Kimi Code serves no others over chat.
  async ask(prompt, { model = "default", stream = false, token = TOKEN, agent = "KimiCLI/1.46.0", signal } = {}) {
    const response = await fetch(`${this.base}/v1/chat/completions`, {
      method: "POST",
      headers: { "content-type": "application/json", authorization: `Bearer ${token}`, "user-agent": agent },
      body: JSON.stringify({ model, stream, messages: [{ role: "user", content: prompt }] }),
      signal,
    });
    const id = response.headers.get("x-moonrelay-request-id");
    const body = stream ? response.body : await response.json();
    if (!stream) await this.#recorded(id);
    return { status: response.status, id, model: response.headers.get("x-moonrelay-model"), body };
  }

  // A page that comes right behind an answer's last byte may be faster than its record, for which this route waits.
  async #recorded(id) {
    let response;
    do {
      response = await fetch(`${this.base}/dashboard/requests/${id}/attempts`);
      await response.text();
    } while (response.status === 404);
    if (!response.ok) throw new Error(`the record of ${id}: ${response.status}`);
  }
}

async function ended({ process }, signal) {
  if (process.exitCode !== null || process.signalCode !== null) return;
  const exit = once(process, "exit");
  process.kill(signal);
  await exit;
}

function configuration(upstream) {
  return {
    agents: { defaults: { model: structuredClone(CHAIN) } },
    models: {
      providers: {
        kimi: { baseUrl: `${upstream}/kimi/coding/v1`, apiKey: "sk-kimi-simulated-0000000000" },
        moonshot: { baseUrl: `${upstream}/moonshot/v1`, apiKey: "sk-simulated-moonshot-0000000000" },
        openrouter: { baseUrl: `${upstream}/openrouter/api/v1`, apiKey: "sk-or-v1-simulated-0000000000" },
      },
    },
    failover: { attemptsPerTarget: 1, cooldown: { stepsSeconds: [60] } },
    gateway: { auth: { mode: "none" } },
  };
}

// Tokens are asked for from every client.
export function withToken(settings) {
  settings.gateway.auth = { mode: "token", token: TOKEN };
}
