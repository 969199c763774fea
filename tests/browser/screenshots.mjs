// The pictures of the documentation: two weeks of use as a person has it, and a fallback that is under way.
//
// The requests are real ones to the simulator, which answers at once; their days, and the time that an answer takes, are
// written to the usage database afterwards, with the program sqlite3.

import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { chainRow, DESK, launch, PHONE, shown, Watched } from "./browser.mjs";
import { KIMI, MOONSHOT, Stand } from "./stand.mjs";

const [directory] = process.argv.slice(2);

const CLIENTS = {
  "claude-code": "claude-cli/2.1.0",
  codex: "codex_cli_rs/0.48.0",
  "kimi-code": "kimi-code-cli/2.1.0",
  opencode: "opencode/1.2.0",
};
const token = (client) => `token-of-${client}-0000`;
const GPT = "openrouter/openai/gpt-5-mini";
const SONNET = "openrouter/anthropic/claude-sonnet-4.5";
const DAYS = 14;

// The same use in every run.
let seed = 20261121;
function random(below) {
  seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31;
  return Math.floor((seed / 2 ** 31) * below);
}
const pick = (list) => list[random(list.length)];

function begin(stand, client, { model = "default", prompt = 40_000, words = 300, signal } = {}) {
  const text = `Reply with ${words} words. ${"The moon relays what it hears. ".repeat(prompt / 31)}`;
  return stand.ask(text, { model, stream: true, token: token(client), agent: CLIENTS[client], signal });
}

async function ask(...what) {
  const answer = await begin(...what);
  await new Response(answer.body).text();
  return answer;
}

async function dayOfUse(stand, weekend) {
  const requests = weekend ? 1 + random(3) : 5 + random(6);
  const ids = [];
  for (let number = 0; number < requests; number += 1) {
    const client = pick(["claude-code", "claude-code", "kimi-code", "codex", "opencode"]);
    const model = pick(["default", "default", "default", MOONSHOT, GPT, SONNET]);
    const answer = await ask(stand, client, { model, prompt: 8_000 + random(240_000), words: 150 + random(1500) });
    ids.push(answer.id);
  }
  return ids;
}

// Moves requests into the past, the list of each day by as many days; times are in microseconds there.
async function move(stand, days) {
  await stand.stopGateway();
  const moved = days.flatMap((ids, back) =>
    ids.map((id) => {
      const by = back * 86_400 + random(7 * 3600) + 600;
      const [first, took] = [600 + random(2400), 4000 + random(38_000)];
      // A request's number is the microsecond in which it came, and eleven bits.
      return `UPDATE attempts SET took = ${first}000 - began WHERE outcome = 'ok' AND request = 0x${id};
        UPDATE attempts SET request = request - (${by}000000 << 11) WHERE request = 0x${id};
        UPDATE requests SET number = number - (${by}000000 << 11), first_byte = ${first}000, took = ${took}000
        WHERE number = 0x${id};`;
    }),
  );
  execFileSync("sqlite3", [join(stand.state, "moonrelay", "ledger.sqlite"), `BEGIN; ${moved.join("\n")} COMMIT;`]);
  await stand.startGateway();
}

const stand = await Stand.begin({
  change(settings) {
    settings.models.providers.moonshot.timeoutSeconds = 2;
    settings.gateway.auth = { mode: "token", tokens: Object.fromEntries(Object.keys(CLIENTS).map((name) => [name, token(name)])) };
  },
});
const browser = await launch();
try {
  const days = [];
  for (let back = 0; back < DAYS; back += 1) days.push(await dayOfUse(stand, [5, 6].includes(back % 7)));
  await move(stand, days);

  // The last minute: two requests that were answered at once, then Kimi is out and Moonshot silent, and two answers are
  // under way.
  await stand.fault({ kind: "drip", value: 12 });
  await ask(stand, "kimi-code", { model: KIMI, prompt: 90_000, words: 420 });
  await ask(stand, "codex", { model: GPT, prompt: 30_000, words: 250 });
  await stand.fault(
    { provider: "kimi", kind: "rate_limit", retryAfter: 1080 },
    { provider: "moonshot", kind: "no_first_byte", times: 1 },
  );
  const fallback = await ask(stand, "claude-code", { prompt: 120_000, words: 900 });
  const last = await ask(stand, "opencode", { model: SONNET, prompt: 60_000, words: 300 });
  await stand.fault({ provider: "openrouter", kind: "stall", value: 5 });
  const slow = new AbortController();
  await begin(stand, "claude-code", { signal: slow.signal });
  await begin(stand, "codex", { model: GPT, signal: slow.signal });

  const take = async (name, path, options) => {
    const watched = await Watched.open(browser, stand, options);
    await watched.visit(path);
    if (path.startsWith("/?")) {
      await chainRow(watched.page, KIMI, "cooldown").waitFor();
      await shown(watched.page, last);
      await watched.page.locator("#live [data-live]").nth(1).waitFor();
    }
    for (const [what, fullPage] of [[name, false], [`${name}-whole`, true]])
      await watched.page.screenshot({ path: join(directory, `${what}.png`), animations: "disabled", fullPage });
    await watched.close();
  };
  for (const colorScheme of ["light", "dark"]) {
    await take(`dashboard-${colorScheme}`, "/?days=30", { viewport: DESK, colorScheme });
    await take(`dashboard-request-${colorScheme}`, `/dashboard/requests/${fallback.id}`, { viewport: DESK, colorScheme });
    await take(`dashboard-phone-${colorScheme}`, "/?days=7", { ...PHONE, colorScheme });
  }
  slow.abort();
} finally {
  await browser.close();
  await stand.end();
}
