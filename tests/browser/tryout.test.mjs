// The test box: a prompt, who answered it, and how long each attempt took.

import assert from "node:assert/strict";
import { suite } from "./browser.mjs";
import { KIMI, MOONSHOT, TOKEN, withToken } from "./stand.mjs";

const test = suite();

// Kimi Code serves a browser over this protocol only.
const ASKED = "/v1/messages";

const answerHas = (page, text) => page.locator("#try-answer").filter({ hasText: text }).waitFor();

// As a person does without a mouse.
async function type(page, prompt) {
  await page.locator("textarea[name=prompt]").focus();
  await page.keyboard.press("Control+A");
  await page.keyboard.type(prompt);
}

async function submit(page) {
  await page.locator("#try-form button[type=submit]:not([disabled])").focus();
  await page.keyboard.press("Enter");
}

test("an answer streams in", {}, async ({ stand, open }) => {
  const watched = await open();
  const { page } = watched;
  await watched.visit();
  await stand.fault({ provider: "kimi", kind: "drip", value: 60 });
  await page.evaluate(() => {
    const answer = document.querySelector("#try-answer");
    window.lengths = [];
    new MutationObserver(() => window.lengths.push(answer.textContent.length)).observe(answer, { subtree: true, childList: true, characterData: true });
  });
  await type(page, "Reply with 30 words");
  await submit(page);
  await answerHas(page, "the moon relays every word naïvely in order 月光 and never twice🌒");
  await page.locator("#try-model").filter({ hasText: KIMI }).waitFor();
  const attempts = page.locator("#try-attempts li");
  await attempts.first().waitFor();
  assert.equal(await attempts.count(), 1);
  assert.match(await attempts.first().innerText(), /kimi\/kimi-for-coding[\s\S]*\bok\b[\s\S]*\d/);
  const lengths = await page.evaluate(() => window.lengths);
  assert.ok(new Set(lengths).size > 3, `the answer grew: ${lengths}`);
});

test("a failover is shown with the time of each attempt", {}, async ({ stand, open }) => {
  const watched = await open();
  const { page } = watched;
  await watched.visit();
  await stand.fault({ provider: "kimi", kind: "rate_limit" });
  await type(page, "Say hello");
  await submit(page);
  await answerHas(page, "kimi-k3 via moonshot: Say hello");
  await page.locator("#try-model").filter({ hasText: MOONSHOT }).waitFor();
  await page.locator("#try-attempts li").nth(1).waitFor();
  const attempts = await page.locator("#try-attempts li").allInnerTexts();
  assert.equal(attempts.length, 2);
  assert.match(attempts[0], /kimi\/kimi-for-coding[\s\S]*rate_limit[\s\S]*\d+(\.\d+)?\s*m?s/);
  assert.match(attempts[1], /moonshot\/kimi-k3[\s\S]*\bok\b[\s\S]*\d+(\.\d+)?\s*m?s/);
});

test("lines may end in CRLF, as some providers' do", {}, async ({ stand, open }) => {
  const watched = await open();
  const { page } = watched;
  await watched.visit();
  await stand.fault({ provider: "kimi", kind: "crlf" });
  await type(page, "Say hello");
  await submit(page);
  await answerHas(page, "Say hello");
});

test("the model can be chosen", {}, async ({ open }) => {
  const watched = await open();
  const { page } = watched;
  await watched.visit();
  const options = await page.locator("select[name=model] option").evaluateAll((options) => options.map((option) => option.value));
  assert.ok(options.includes(MOONSHOT), options.join(" "));
  await page.locator("select[name=model]").selectOption(MOONSHOT);
  await type(page, "Say hello");
  await submit(page);
  await answerHas(page, "kimi-k3 via moonshot: Say hello");
});

test("an answer can be stopped", {}, async ({ stand, open }) => {
  const watched = await open();
  const { page } = watched;
  await watched.visit();
  await stand.fault({ provider: "kimi", kind: "stall", value: 12 });
  await type(page, "Reply with 200 words");
  await submit(page);
  await answerHas(page, "the");
  const stop = page.locator("#try-form button", { hasText: /stop/i });
  await stop.focus();
  await page.keyboard.press("Enter");
  const stats = await stand.simulator("GET", "/_stats?waitCancelled=1");
  assert.equal(stats.timedOut, false, "the provider's request was cancelled");
  await page.locator("#try-form button[type=submit]:not([disabled])").waitFor();
  assert.notEqual(await page.evaluate(() => document.activeElement.tagName), "BODY", "the focus has a place");
  // And then another one.
  await stand.simulator("DELETE", "/_faults");
  await page.locator("textarea[name=prompt]").fill("Say hello");
  await submit(page);
  await answerHas(page, "Say hello");
});

test("a failed request shows the reason", {}, async ({ stand, open }) => {
  const watched = await open();
  const { page } = watched;
  await watched.visit();
  for (const provider of ["kimi", "moonshot", "openrouter"]) await stand.fault({ provider, kind: "status", value: 500 });
  watched.expect(ASKED, 500, 502);
  await type(page, "Say hello");
  await submit(page);
  await page.locator("#try-attempts li").nth(2).waitFor();
  const attempts = await page.locator("#try-attempts li").allInnerTexts();
  for (const [at, name] of ["kimi/", "moonshot/", "openrouter/"].entries()) assert.ok(attempts[at].includes(name), attempts[at]);
  assert.match(await page.locator("#try").innerText(), /server|failed|error/i);
});

test("with tokens, only who has one may ask", { change: withToken }, async ({ stand, open }) => {
  const watched = await open();
  const { page } = watched;
  await watched.visit();
  watched.expect(ASKED, 401);
  await type(page, "Say hello");
  // The browser's own check may hold the form back; then nothing is sent.
  await submit(page);
  const required = await page.locator("input[name=token]").evaluate((input) => input.validity.valueMissing);
  if (!required) await page.locator("#try").getByText(/token/i).first().waitFor();

  await page.locator("input[name=token]").fill("a-wrong-token");
  await submit(page);
  await page.locator("#try-answer, #try [role=alert], #try-model").filter({ hasText: /token/i }).first().waitFor();

  await page.locator("input[name=token]").fill(TOKEN);
  await submit(page);
  await answerHas(page, "Say hello");
  await page.locator("#try-model").filter({ hasText: KIMI }).waitFor();

  const kept = await page.evaluate(async () => ({
    html: document.documentElement.outerHTML,
    local: JSON.stringify({ ...localStorage }),
    session: JSON.stringify({ ...sessionStorage }),
    cookies: document.cookie,
    address: location.href,
    databases: (await indexedDB.databases()).length,
    history: JSON.stringify(history.state),
  }));
  assert.equal(kept.databases, 0);
  for (const [place, text] of Object.entries(kept)) assert.ok(!String(text).includes(TOKEN), `the token is in ${place}`);
  assert.ok(!stand.log.includes(TOKEN), "nor in the log");
  await page.reload();
  assert.equal(await page.locator("input[name=token]").inputValue(), "", "the token is gone with the page");
});
