// A phone, 390 pixels wide: nothing scrolls sideways, whatever the names and however large the letters.

import assert from "node:assert/strict";
import { chainRow, PHONE, shown, suite } from "./browser.mjs";
import { KIMI } from "./stand.mjs";

const test = suite();

const LONG = "a-model-with-a-name-that-is-too-long-to-type-2026-11-21-preview-highspeed-1048576";

function withLongNames(settings) {
  const { kimi } = settings.models.providers;
  settings.models.providers["a-provider-with-quite-a-long-name"] = { ...kimi, models: [{ id: LONG }] };
  settings.agents.defaults.model.fallbacks.push(`a-provider-with-quite-a-long-name/${LONG}`);
}

// What is wider than the screen, that which scrolls for itself aside.
const sticksOut = (page) =>
  page.evaluate(() => {
    const root = document.documentElement;
    const width = root.clientWidth;
    const scrolls = (element) => {
      for (let at = element.parentElement; at && at !== document.body; at = at.parentElement)
        if (["auto", "scroll", "hidden", "clip"].includes(getComputedStyle(at).overflowX)) return true;
      return false;
    };
    const out = [...document.body.querySelectorAll("*")].filter((element) => {
      const box = element.getBoundingClientRect();
      return box.width > 0 && (box.right > width + 0.5 || box.left < -0.5) && !scrolls(element) && !element.matches(".skip, .skip *");
    });
    return {
      wide: root.scrollWidth - width,
      out: out.map((element) => `${element.tagName}.${element.getAttribute("class")} ${element.getBoundingClientRect().right}: ${element.textContent.trim().slice(0, 60)}`),
    };
  });

for (const size of [100, 200])
  test(`no sideways scroll at ${size} % text`, { change: withLongNames }, async ({ stand, open }) => {
    for (const provider of ["kimi", "moonshot", "openrouter"]) await stand.fault({ provider, kind: "rate_limit" });
    const failed = await stand.ask("Say hello");
    assert.notEqual(failed.status, 200);
    await stand.simulator("DELETE", "/_faults");
    const unknown = await stand.ask("Say hello", { model: LONG.repeat(2) });
    assert.notEqual(unknown.status, 200);
    const watched = await open(PHONE);
    const { page } = watched;
    for (const path of ["/", `/dashboard/requests/${failed.id}`]) {
      await watched.visit(path);
      if (path === "/") {
        await chainRow(page, KIMI, "cooldown").waitFor();
        await shown(page, failed);
      }
      if (size === 200) await page.evaluate(() => (document.documentElement.style.fontSize = "200%"));
      assert.deepEqual(await sticksOut(page), { wide: 0, out: [] }, path);
      await page.evaluate(() => document.querySelectorAll("details").forEach((details) => (details.open = true)));
      assert.deepEqual(await sticksOut(page), { wide: 0, out: [] }, `${path}, with everything open`);
    }
  });

test("on a phone the test box works and its targets are large enough", {}, async ({ open }) => {
  const watched = await open(PHONE);
  const { page } = watched;
  await watched.visit();
  await page.locator("textarea[name=prompt]").tap();
  await page.locator("textarea[name=prompt]").fill(`Say ${LONG}`);
  await page.locator("#try-form button[type=submit]").tap();
  await page.locator("#try-answer").filter({ hasText: LONG }).waitFor();
  assert.deepEqual(await sticksOut(page), { wide: 0, out: [] });
  // WCAG 2.2, 2.5.8: 24 pixels, links in a sentence aside.
  const small = await page.locator("button, select, textarea, input, summary, nav a").evaluateAll((elements) =>
    elements
      .filter((element) => element.checkVisibility() && !element.disabled)
      .map((element) => [element.outerHTML.slice(0, 80), element.getBoundingClientRect()])
      .filter(([, box]) => box.height < 24 || box.width < 24)
      .map(([html, box]) => `${html} ${box.width}×${box.height}`),
  );
  assert.deepEqual(small, []);
});
