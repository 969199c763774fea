// The page of one request: its attempts as a timeline.

import assert from "node:assert/strict";
import { requestRow, suite } from "./browser.mjs";
import { KIMI, MOONSHOT, OPENROUTER } from "./stand.mjs";

const test = suite();

test("the timeline has a bar for each attempt, in order of time", {}, async ({ stand, open }) => {
  await stand.fault({ provider: "kimi", kind: "rate_limit" }, { provider: "moonshot", kind: "overloaded" }, { provider: "openrouter", kind: "drip", value: 20 });
  const answer = await stand.ask("Reply with 60 words", { stream: true });
  await new Response(answer.body).text();
  const watched = await open();
  const { page } = watched;
  await watched.visit();
  await requestRow(page, answer.id).getByRole("link").first().click();
  await page.waitForURL(`**/dashboard/requests/${answer.id}`);
  assert.match(await page.title(), new RegExp(answer.id));

  const rows = await page.locator("main table tbody tr").allInnerTexts();
  assert.equal(rows.length, 3, rows.join("\n"));
  [KIMI, MOONSHOT, OPENROUTER].forEach((target, at) => assert.match(rows[at], new RegExp(target)));
  for (const [at, word] of [/rate_limit/, /overloaded/, /\bok\b/].entries()) assert.match(rows[at], word);

  const svg = page.locator("main svg[role=img]");
  assert.ok((await svg.getAttribute("aria-label"))?.trim(), "the timeline has a name");
  const bars = await svg.evaluate((svg) =>
    [...svg.querySelectorAll("rect[data-tone]")].map((bar) => bar.getBBox()).map(({ x, y, width }) => ({ x, y, width })),
  );
  assert.equal(bars.length, 3, "a bar for each attempt");
  for (const [at, bar] of bars.entries()) {
    const before = bars[at - 1];
    if (before) assert.ok(bar.x >= before.x + before.width - 2 && bar.y > before.y, `bar ${at} follows: ${JSON.stringify(bars)}`);
    assert.ok(bar.width > 0);
  }
  assert.ok(bars[2].width > bars[0].width && bars[2].width > bars[1].width, "the slow one is the longest");
});

test("an unknown request is a page that says so", {}, async ({ open }) => {
  const watched = await open();
  const path = "/dashboard/requests/00000000-0000-0000-0000-000000000000";
  watched.expect(path, 404);
  const response = await watched.visit(path);
  assert.equal(response.status(), 404);
  assert.match(response.headers()["content-type"], /text\/html/);
  await watched.page.locator('a[href="/"]').first().click();
  await watched.page.locator("#chain").waitFor();
});

test("a name that is markup stays text", {}, async ({ stand, open }) => {
  // Any model of Kimi Code may be asked for.
  const evil = `kimi/"><img src=x onerror="document.title='broken'"><b>`;
  const answer = await stand.ask("Say hello", { model: evil });
  const watched = await open();
  const { page } = watched;
  await watched.visit();
  for (const path of ["/", `/dashboard/requests/${answer.id}`]) {
    await watched.visit(path);
    await page.getByText("<img src=x").locator("visible=true").first().waitFor();
    assert.equal(await page.locator("img[src=x], main b").count(), 0);
    assert.doesNotMatch(await page.title(), /broken/);
  }
});
