// What axe-core finds, light and dark: names, contrast, landmarks, the order of headings.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { DESK, PHONE, shown, suite } from "./browser.mjs";
import { withToken } from "./stand.mjs";

const test = suite();
const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

async function violations(page) {
  await page.evaluate(axe);
  const { violations, passes } = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
  assert.ok(passes.some(({ id }) => id === "color-contrast"), "contrast was looked at");
  return violations.flatMap(({ id, help, nodes }) => nodes.map((node) => `${id}: ${help}: ${node.html.slice(0, 160)} ${node.failureSummary}`));
}

for (const colorScheme of ["light", "dark"])
  for (const [where, size] of [
    ["a desk", { viewport: DESK }],
    ["a phone", PHONE],
  ])
    test(`axe-core finds nothing, ${colorScheme}, on ${where}`, { change: withToken }, async ({ stand, open }) => {
      await stand.fault({ provider: "kimi", kind: "rate_limit", times: 1, retryAfter: 300 });
      const answer = await stand.ask("Say hello");
      const slow = new AbortController();
      await stand.fault({ provider: "moonshot", kind: "stall", value: 2 });
      await stand.ask("Reply with 40 words", { stream: true, signal: slow.signal });
      // No animation: a colour on its way to another one is neither.
      const watched = await open({ ...size, colorScheme, reducedMotion: "reduce" });
      const { page } = watched;
      await watched.visit();
      await shown(page, answer);
      await page.locator("#live [data-live]").waitFor();
      assert.deepEqual(await violations(page), []);
      await page.evaluate(() => document.querySelectorAll("details").forEach((details) => (details.open = true)));
      assert.deepEqual(await violations(page), [], "with everything open");
      const scheme = await page.evaluate(() => getComputedStyle(document.body).backgroundColor.match(/[\d.]+/g).slice(0, 3).map(Number));
      const bright = scheme.reduce((a, b) => a + b) / 3 > 127;
      assert.equal(bright, colorScheme === "light", `the ground is ${scheme}`);
      await watched.visit(`/dashboard/requests/${answer.id}`);
      assert.deepEqual(await violations(page), [], "the page of a request");
      slow.abort();
    });
