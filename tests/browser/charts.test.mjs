// The charts show what was used: figures from the answers themselves, prices from the providers' lists.

import assert from "node:assert/strict";
import { shown, suite } from "./browser.mjs";
import { KIMI, MOONSHOT, OPENROUTER } from "./stand.mjs";

const test = suite();

// US dollars for a million tokens of kimi-k3: uncached input, output, cached input (Moonshot's list, 2026-11).
const PRICE = { input: 3, output: 15, cached: 0.3 };
const GPT = "openrouter/openai/gpt-5-mini";

async function use(stand) {
  const used = { tokens: {}, cost: {} };
  const add = (model, { usage }) => {
    const cached = usage.prompt_tokens_details?.cached_tokens ?? 0;
    used.tokens[model] = (used.tokens[model] ?? 0) + usage.prompt_tokens + usage.completion_tokens;
    const counted =
      ((usage.prompt_tokens - cached) * PRICE.input + usage.completion_tokens * PRICE.output + cached * PRICE.cached) / 1e6;
    if (model !== KIMI) used.cost[model] = (used.cost[model] ?? 0) + (usage.cost ?? counted);
  };
  let last;
  for (const [model, words, length] of [
    [KIMI, 900, 9000],
    [KIMI, 300, 100],
    [MOONSHOT, 500, 20_000],
    [MOONSHOT, 100, 300],
    [GPT, 1500, 6000],
  ]) {
    last = await stand.ask(`Reply with ${words} words. ${"moon ".repeat(length / 5)}`, { model });
    assert.equal(last.status, 200, JSON.stringify(last.body));
    assert.equal(last.model, model);
    add(model, last.body);
  }
  return { used, last };
}

// The table below a chart: for each model its figure, all rows together.
async function table(page, chart) {
  const figure = page.locator(`figure[data-chart="${chart}"]`);
  return figure.locator("details table").evaluate((table) => {
    const text = (cell) => cell.textContent.trim();
    const models = [...table.tHead.rows[0].cells].slice(1).map(text);
    const rows = [...table.tBodies[0].rows].map((row) => ({
      head: text(row.cells[0]),
      values: [...row.cells].slice(1).map((cell) => text(cell)),
    }));
    return { models, rows };
  });
}

// "1,234", "$0.5"; "–" is nothing.
const number = (text) => Number(text.replace(/[^\d.]/g, ""));

function sums({ models, rows }) {
  return Object.fromEntries(models.map((model, at) => [model, rows.reduce((sum, row) => sum + number(row.values[at]), 0)]));
}

// The total height of each model's bars, in the chart's units; the legend has their colours.
const heights = (page, chart) =>
  page.locator("#charts").evaluate((section, chart) => {
    const svg = section.querySelector(`figure[data-chart="${chart}"] svg[role=img]`);
    const entry = (item) => [item.textContent.trim(), item.querySelector("rect").getAttribute("fill")];
    const height = (colour) =>
      [...svg.querySelectorAll(`rect[fill="${colour}"]`)].reduce((sum, bar) => sum + bar.getBBox().height, 0);
    return Object.fromEntries([...section.querySelectorAll(".legend li")].map(entry).map(([model, colour]) => [model, height(colour)]));
  }, chart);

// The bars stand on each other, and each end of one is rounded to a whole unit.
function proportional(found, values, what) {
  const [most] = Object.keys(values).sort((a, b) => values[b] - values[a]);
  const scale = found[most] / values[most];
  assert.ok(found[most] > 40, `${what}: the tallest bar can be seen (${found[most]})`);
  for (const [model, height] of Object.entries(found)) {
    const expected = (values[model] ?? 0) * scale;
    assert.ok(Math.abs(height - expected) <= 2, `${what} of ${model}: ${height} high, ${expected} expected`);
  }
}

test("table and bars have the values", {}, async ({ stand, open }) => {
  const { used, last } = await use(stand);
  const watched = await open();
  const { page } = watched;
  await watched.visit("/?days=1");
  await shown(page, last);
  for (const chart of ["tokens", "cost"]) {
    const figures = sums(await table(page, chart));
    assert.deepEqual(Object.keys(figures).sort(), Object.keys(used.tokens).sort());
    for (const [model, value] of Object.entries(used[chart]))
      assert.ok(Math.abs(figures[model] - value) < 1e-9, `${chart} of ${model}: ${figures[model]}, used ${value}`);
    proportional(await heights(page, chart), used[chart], chart);
    const label = await page.locator(`figure[data-chart="${chart}"] svg[role=img]`).getAttribute("aria-label");
    assert.ok(label?.trim(), "the picture has a name");
  }
});

test("ranges are links, and the charts follow what happens", {}, async ({ stand, open }) => {
  const watched = await open();
  const { page } = watched;
  await watched.visit("/");
  for (const days of [1, 7, 30]) {
    const link = page.locator(`a[href*="days=${days}"]`).filter({ hasText: /\d/ }).first();
    await link.click();
    await page.waitForURL((url) => url.searchParams.get("days") === String(days));
    assert.equal(await page.locator(`a[href*="days=${days}"][aria-current]`).count(), 1, `${days} is marked as current`);
  }
  const { used, last } = await use(stand);
  await shown(page, last);
  const total = Object.values(used.tokens).reduce((a, b) => a + b);
  const whole = async () => Object.values(sums(await table(page, "tokens"))).reduce((a, b) => a + b, 0);
  // Without being loaded again.
  await page.waitForFunction(
    (total) => {
      const cells = [...document.querySelectorAll('figure[data-chart="tokens"] tbody td')];
      const value = (cell) => Number(cell.textContent.replace(/[^\d.]/g, ""));
      const models = document.querySelectorAll('figure[data-chart="tokens"] thead th').length - 1;
      return models > 0 && cells.reduce((sum, cell) => sum + value(cell), 0) >= total;
    },
    total,
  );
  assert.equal(await whole(), total);
});
