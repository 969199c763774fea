// Everything without a mouse.

import assert from "node:assert/strict";
import { chainRow, DESK, requestRow, shown, suite } from "./browser.mjs";
import { KIMI, withToken } from "./stand.mjs";

const test = suite();

// How many things on the page can be used now. The page's own updates take foreign marks off, so they are kept beside it.
const usable = (page) =>
  page.evaluate(() => {
    const all = [...document.querySelectorAll("a[href], button, input, select, textarea, summary, [tabindex]")];
    const open = (element) => element.checkVisibility({ visibilityProperty: true }) && !element.disabled && element.tabIndex >= 0;
    window.stops = all.filter(open);
    return window.stops.length;
  });

// Where the focus is, and whether it can be seen.
const focus = (page) =>
  page.evaluate(() => {
    const element = document.activeElement;
    const style = getComputedStyle(element);
    const box = element.getBoundingClientRect();
    const outline = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0;
    return {
      stop: window.stops.indexOf(element),
      what: `${element.tagName} ${element.textContent.trim().slice(0, 30)}`,
      visible: outline || style.boxShadow !== "none",
      inside: box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth && box.height > 0,
      top: box.top + scrollY,
      left: box.left + scrollX,
    };
  });

for (const name of ["/", "a request"]) {
  test(`Tab reaches everything on ${name}, in order, and one sees where`, { change: withToken }, async ({ stand, open }) => {
    const answer = await stand.ask("Say hello");
    await stand.ask("Say hello again");
    const watched = await open();
    const { page } = watched;
    await watched.visit(name === "/" ? "/" : `/dashboard/requests/${answer.id}`);
    const expected = await usable(page);
    assert.ok(expected > (name === "/" ? 8 : 1), `${expected} elements`);
    const reached = [];
    for (let step = 0; step < expected; step += 1) {
      await page.keyboard.press("Tab");
      const at = await focus(page);
      assert.ok(at.visible, `the focus cannot be seen on ${at.what}`);
      assert.ok(at.inside, `${at.what} has the focus outside of what is shown`);
      reached.push(at.stop);
    }
    assert.deepEqual(reached, [...Array(expected).keys()], "in the order of the document");
    // And back.
    await page.keyboard.press("Shift+Tab");
    assert.equal((await focus(page)).stop, expected - 2);
  });
}

test("the first stop skips to the content", {}, async ({ open }) => {
  const watched = await open();
  const { page } = watched;
  await watched.visit();
  await page.keyboard.press("Tab");
  const skip = await page.evaluate(() => document.activeElement.getAttribute("href"));
  assert.match(skip, /^#/);
  await page.keyboard.press("Enter");
  await page.waitForURL(`**/${skip}`);
  await page.keyboard.press("Tab");
  assert.ok(await page.evaluate((skip) => document.querySelector(skip).contains(document.activeElement), skip), "the next stop is inside it");
});

test("Enter and Space work", {}, async ({ stand, open }) => {
  const answer = await stand.ask("Say hello");
  const watched = await open();
  const { page } = watched;
  await watched.visit();
  const details = page.locator('figure[data-chart="tokens"] details');
  for (const [key, open] of [["Enter", true], ["Space", false], ["Space", true]]) {
    await details.locator("summary").focus();
    await page.keyboard.press(key);
    assert.equal(await details.evaluate((details) => details.open), open, key);
  }
  await page.locator('a[href*="days=7"]').first().focus();
  await page.keyboard.press("Enter");
  await page.waitForURL("**/?days=7*");
  await requestRow(page, answer.id).getByRole("link").first().focus();
  await page.keyboard.press("Enter");
  await page.waitForURL(`**/dashboard/requests/${answer.id}`);
});

test("what happens takes nothing out of one's hands", {}, async ({ stand, open }) => {
  const first = await stand.ask("Say hello");
  const watched = await open();
  const { page } = watched;
  await watched.visit();
  const stays = async (what, selector, check = () => true) => {
    const element = page.locator(selector).first();
    await element.focus();
    await shown(page, await stand.ask(`Say ${what}`));
    assert.ok(await element.evaluate((element) => document.activeElement === element), `the focus left ${what}`);
    assert.ok(await element.evaluate(check), `${what} is as it was`);
  };
  await stays("the link of a request", `#requests [data-request="${first.id}"] a`);
  await page.locator('figure[data-chart="tokens"] summary').click();
  await stays("an open table", 'figure[data-chart="tokens"] summary', (summary) => summary.parentElement.open);
  await stays("a range", 'a[href*="days=7"]');
  await page.locator("textarea[name=prompt]").fill("half a sent");
  await stays("the prompt", "textarea[name=prompt]", (area) => area.value === "half a sent");
  await stays("the models", "select[name=model]");

  // Nor does what is read move: the place of the page stays.
  await page.setViewportSize({ ...DESK, height: 500 });
  await page.locator("#try").evaluate((section) => section.scrollIntoView({ block: "start" }));
  const before = await page.locator("#try").evaluate((section) => section.getBoundingClientRect().top);
  await stand.fault({ provider: "kimi", kind: "rate_limit", times: 1, retryAfter: 300 });
  await shown(page, await stand.ask("Say once more"));
  await chainRow(page, KIMI, "cooldown").waitFor();
  const after = await page.locator("#try").evaluate((section) => section.getBoundingClientRect().top);
  assert.ok(Math.abs(after - before) < 120, `the page moved by ${after - before} px`);
});
