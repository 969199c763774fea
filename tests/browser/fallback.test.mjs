// A fallback as it happens, on a page that is not loaded again.

import assert from "node:assert/strict";
import { chainRow, requestRow, suite } from "./browser.mjs";
import { KIMI, MOONSHOT, OPENROUTER } from "./stand.mjs";

const test = suite();

// Notes every state of a section that the page ever shows, so that none is missed between two looks.
const note = (page, section) =>
  page.evaluate((section) => {
    const states = (window.noted = [document.querySelector(section).textContent]);
    const look = () => {
      const text = document.querySelector(section).textContent;
      if (states.at(-1) !== text) states.push(text);
    };
    new MutationObserver(look).observe(document.body, { subtree: true, childList: true, characterData: true });
  }, section);

test("a fallback shows as it happens", {}, async ({ stand, open }) => {
  const watched = await open();
  const { page } = watched;
  await watched.visit();
  await chainRow(page, KIMI, "answering").waitFor();
  await page.evaluate(() => (window.loadedOnce = true));
  await note(page, "#live");

  await stand.fault(
    { provider: "kimi", kind: "rate_limit", retryAfter: 300 },
    { provider: "moonshot", kind: "drip", value: 250 },
  );
  const before = Date.now();
  const answer = await stand.ask("Reply with 20 words", { stream: true });
  await new Response(answer.body).text();

  // The request, as it went.
  const row = requestRow(page, answer.id);
  await row.waitFor();
  assert.equal(await row.getAttribute("data-outcome"), "ok");
  const text = await row.innerText();
  assert.match(text, /rate_limit/);
  assert.match(text, /moonshot\/kimi-k3/);
  await page.locator("#live [data-live]").waitFor({ state: "detached" });
  const noted = await page.evaluate(() => window.noted);
  assert.ok(noted.some((text) => text.includes("moonshot/kimi-k3")), `where it was while it ran: ${JSON.stringify(noted)}`);

  // The chain: targets in cooldown with reason and end, and the target that answers.
  await chainRow(page, KIMI, "cooldown").waitFor();
  const cooling = await chainRow(page, KIMI).innerText();
  assert.match(cooling, /rate limit reached/);
  const until = await chainRow(page, KIMI).locator("time[datetime]").first().getAttribute("datetime");
  const seconds = (Date.parse(until) - before) / 1000;
  assert.ok(seconds > 290 && seconds < 330, `${until} is ${seconds} s after ${new Date(before).toISOString()}`);
  await chainRow(page, MOONSHOT, "answering").waitFor();
  await chainRow(page, OPENROUTER, "ready").waitFor();
  assert.equal(await page.evaluate(() => window.loadedOnce), true, "the page was not loaded again");
});

test("a client that goes away leaves the live list", {}, async ({ stand, open }) => {
  const watched = await open();
  const { page } = watched;
  await watched.visit();
  await stand.fault({ provider: "kimi", kind: "stall", value: 2 });
  const abort = new AbortController();
  const answer = await stand.ask("Reply with 40 words", { stream: true, signal: abort.signal });
  const live = page.locator(`#live [data-live="${answer.id}"]`);
  await live.filter({ hasText: KIMI }).waitFor();
  abort.abort();
  await live.waitFor({ state: "detached" });
  await requestRow(page, answer.id).waitFor();
  assert.equal(await requestRow(page, answer.id).getAttribute("data-outcome"), "abandoned");
});

test("a short rest ends on the page by itself", {}, async ({ stand, open }) => {
  await stand.fault({ provider: "kimi", kind: "rate_limit", times: 1, retryAfter: 3 });
  const watched = await open();
  const { page } = watched;
  await watched.visit();
  await chainRow(page, KIMI, "answering").waitFor();
  await note(page, "#chain");
  await stand.ask("Say hello");
  await page.waitForFunction(() => window.noted.some((text) => text.includes("moonshot/kimi-k3 answers instead of")));
  await chainRow(page, KIMI, "answering").waitFor();
  await chainRow(page, MOONSHOT, "ready").waitFor();
});

test("a page that is shown again as it was left is live", {}, async ({ stand, open }) => {
  const watched = await open();
  const { page } = watched;
  await watched.visit();
  await page.locator("#pulse[data-state=live]").waitFor();
  // The browser under test reloads a page when it goes back; this event is what other browsers send.
  await page.evaluate(() => {
    dispatchEvent(new PageTransitionEvent("pagehide", { persisted: true }));
    dispatchEvent(new PageTransitionEvent("pageshow", { persisted: true }));
  });
  const answer = await stand.ask("Say hello");
  await requestRow(page, answer.id).waitFor();
});

test("the page comes back when the gateway does", {}, async ({ stand, open }) => {
  const watched = await open();
  const { page } = watched;
  await stand.fault({ provider: "kimi", kind: "rate_limit", times: 1, retryAfter: 300 });
  await stand.ask("Say hello");
  await watched.visit();
  await chainRow(page, KIMI, "cooldown").waitFor();
  await page.evaluate(() => (window.loadedOnce = true));
  const took = await stand.stopGateway();
  assert.ok(took < 3000, `an open page held the gateway up for ${took} ms`);
  // What the browser says of a gateway that is gone.
  watched.complaints.length = 0;
  await stand.startGateway();
  await chainRow(page, KIMI, "answering").waitFor();
  watched.complaints.splice(0).forEach(({ text, url }) =>
    assert.match(`${text} ${url}`, /(ERR_CONNECTION_REFUSED|ERR_INCOMPLETE_CHUNKED_ENCODING|ERR_CONNECTION_RESET|ERR_EMPTY_RESPONSE).*\/dashboard\/events/),
  );
  const answer = await stand.ask("Say hello");
  await requestRow(page, answer.id).waitFor();
  assert.equal(await page.evaluate(() => window.loadedOnce), true, "the page was not loaded again");
});
