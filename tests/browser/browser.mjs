// Chromium, and pages that are watched: what the browser complains about fails the test.

import assert from "node:assert/strict";
import test, { after, before } from "node:test";
import { chromium } from "playwright-core";
import { Stand } from "./stand.mjs";

// How long anything may take to show, in milliseconds: long for a busy machine, and never waited for in vain.
export const LIMIT = 45_000;
export const DESK = { width: 1280, height: 900 };
export const PHONE = { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, hasTouch: true, isMobile: true };

const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--disable-component-update",
  "--disable-sync",
  "--no-proxy-server",
  "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
];

export function launch() {
  return chromium.launch({ executablePath: process.env.MOONRELAY_CHROMIUM, headless: true, args: FLAGS });
}

// A page of a gateway, and all that the browser complained about while it was open.
export class Watched {
  complaints = [];
  // Paths whose answer may be an error, with the statuses.
  expected = [];

  static async open(browser, stand, options = {}) {
    const watched = new Watched();
    watched.stand = stand;
    watched.context = await browser.newContext({ viewport: DESK, ...options });
    watched.context.setDefaultTimeout(LIMIT);
    watched.page = await watched.context.newPage();
    await watched.#listen();
    return watched;
  }

  async #listen() {
    const { page, complaints } = this;
    page.on("console", (message) => {
      if (["error", "warning"].includes(message.type())) complaints.push({ text: message.text(), url: message.location().url });
    });
    page.on("pageerror", (error) => complaints.push({ text: String(error) }));
    page.on("request", (request) => {
      const { origin, protocol } = new URL(request.url());
      if (protocol !== "data:" && origin !== this.stand.base) complaints.push({ text: `asked ${request.url()}` });
    });
    page.on("requestfailed", (request) => {
      // A page that is left ends its own events; a person who stops an answer ends that.
      if (request.failure().errorText !== "net::ERR_ABORTED")
        complaints.push({ text: request.failure().errorText, url: request.url() });
    });
    page.on("response", (response) => {
      if (response.status() >= 400) complaints.push({ text: `status of ${response.status()}`, url: response.url() });
    });
    await page.addInitScript(() => {
      document.addEventListener("securitypolicyviolation", (event) =>
        console.error(`policy: ${event.violatedDirective} ${event.blockedURI} ${event.sample}`),
      );
    });
  }

  visit(path = "/") {
    return this.page.goto(this.stand.base + path);
  }

  // An answer with one of these statuses is part of the test.
  expect(path, ...statuses) {
    this.expected.push([path, statuses]);
  }

  #isExpected({ text, url }) {
    const of = ([path, statuses]) => new URL(url).pathname === path && statuses.some((status) => text.includes(`status of ${status}`));
    return url !== undefined && this.expected.some(of);
  }

  async close() {
    await this.context.close();
    const wrong = this.complaints.filter((complaint) => !this.#isExpected(complaint));
    assert.deepEqual(wrong, [], "the browser complained");
  }
}

// Tests of one file: they share a browser, and each has programs and pages of its own.
export function suite() {
  let browser;
  before(async () => {
    browser = await launch();
  });
  after(() => browser.close());
  return (name, options, run) =>
    test(name, { timeout: 240_000 }, async () => {
      const stand = await Stand.begin(options);
      const opened = [];
      const open = async (how) => {
        opened.push(await Watched.open(browser, stand, how));
        return opened.at(-1);
      };
      try {
        await run({ stand, open });
        for (const watched of opened.splice(0)) await watched.close();
      } catch (error) {
        console.error(`--- gateway\n${stand.log.split("\n").slice(-20).join("\n")}`);
        throw error;
      } finally {
        for (const watched of opened) await watched.context.close();
        await stand.end();
      }
    });
}

export const chainRow = (page, target, state) =>
  page.locator(`#chain [data-target="${target}"]${state ? `[data-state="${state}"]` : ""}`);
export const requestRow = (page, id) => page.locator(`#requests [data-request="${id}"]`);

// Until the page shows what happened to a request.
export const shown = (page, { id }) => requestRow(page, id).waitFor();
