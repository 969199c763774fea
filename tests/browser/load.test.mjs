// What a browser makes of the page: nothing to complain about, nothing from elsewhere, and it works without scripts.

import assert from "node:assert/strict";
import { chainRow, requestRow, shown, suite } from "./browser.mjs";
import { KIMI, MOONSHOT, OPENROUTER, withToken } from "./stand.mjs";

const test = suite();

const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; " +
  "base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

for (const [name, options] of [
  ["without a token", {}],
  ["with a token", { change: withToken }],
]) {
  test(`the page loads ${name}`, options, async ({ stand, open }) => {
    const watched = await open();
    const response = await watched.visit();
    assert.equal(response.status(), 200);
    assert.equal(response.headers()["content-security-policy"], POLICY);
    const { page } = watched;
    await chainRow(page, KIMI, "answering").waitFor();
    const chain = await page.locator("#chain [data-target]").evaluateAll((rows) => rows.map((row) => row.dataset.target));
    assert.deepEqual(chain, [KIMI, MOONSHOT, OPENROUTER], "in the order of the chain");
    for (const section of ["#live", "#requests", "#charts", "#quota", "#try"]) await page.locator(section).waitFor();
    assert.equal(await page.locator("input[name=token]").count(), options.change ? 1 : 0);
    // It stays quiet when something happens, too.
    await shown(page, await stand.ask("Say hello"));
    const rules = await page.evaluate(() => [...document.styleSheets].map((sheet) => sheet.cssRules.length));
    assert.ok(rules.length > 0 && rules.every((count) => count > 0), "the style sheet is there");
    const resources = await page.evaluate(() => performance.getEntriesByType("resource").map((entry) => entry.name));
    assert.ok(resources.every((address) => address.startsWith(stand.base) || address.startsWith("data:")), String(resources));
  });
}

test("a policy that is broken would be seen", {}, async ({ open }) => {
  const watched = await open();
  await watched.visit();
  const reported = watched.page.waitForEvent("console", (message) => message.text().includes("policy: script-src"));
  await watched.page.evaluate(() => {
    const script = document.createElement("script");
    script.textContent = "window.broken = true";
    document.body.append(script);
  });
  assert.equal(await watched.page.evaluate(() => window.broken), undefined);
  await reported;
  assert.ok(watched.complaints.some(({ text }) => text.includes("policy: script-src")));
  watched.complaints.length = 0;
});

test("without scripts everything can be read", {}, async ({ stand, open }) => {
  await stand.fault({ provider: "kimi", kind: "rate_limit", times: 1, retryAfter: 300 });
  const answer = await stand.ask("Say hello");
  const watched = await open({ javaScriptEnabled: false });
  const { page } = watched;
  await watched.visit();
  await chainRow(page, KIMI, "cooldown").waitFor();
  await chainRow(page, MOONSHOT, "answering").waitFor();
  const row = requestRow(page, answer.id);
  await row.waitFor();
  assert.match(await row.textContent(), /moonshot\/kimi-k3/);
  for (const chart of ["tokens", "cost"]) {
    await page.locator(`figure[data-chart="${chart}"] svg`).waitFor();
    await page.locator(`figure[data-chart="${chart}"] summary`).click();
    assert.match(await page.locator(`figure[data-chart="${chart}"] table`).innerText(), /kimi-k3/);
  }
  await row.getByRole("link").first().click();
  await page.waitForURL(`**/dashboard/requests/${answer.id}`);
  assert.match(await page.locator("main").innerText(), /rate_limit/);
});
