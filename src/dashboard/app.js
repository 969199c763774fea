// Keeps the page up to date, counts seconds, and runs the playground. Without it everything else is still readable.
"use strict";

const $ = (id) => document.getElementById(id);

// Fragments from the server ----------------------------------------------------------------------------------------

/** What makes an element the same one in the next version of its section. */
const keyOf = (node) => {
  if (node.nodeType !== Node.ELEMENT_NODE) return "";
  const { request, live, target, provider } = node.dataset;
  return node.id || request || live || target || provider || "";
};

/** Makes an element's attributes those of another one. Open details stay open. */
function setAttributes(element, wanted) {
  for (const { name } of [...element.attributes]) {
    const kept = name === "open" && element.nodeName === "DETAILS";
    if (!kept && !wanted.hasAttribute(name)) element.removeAttribute(name);
  }
  for (const { name, value } of wanted.attributes) {
    if (element.getAttribute(name) !== value) element.setAttribute(name, value);
  }
}

/** Makes what is within an element the same as within another one, and touches only what differs: the focus stays. */
function update(element, wanted) {
  const old = new Map([...element.children].map((child) => [keyOf(child), child]));
  const stays = new Set([...wanted.children].map(keyOf));
  let at = element.firstChild;
  for (const next of [...wanted.childNodes]) {
    while (at && keyOf(at) && !stays.has(keyOf(at))) at = remove(at);
    const key = keyOf(next);
    const known = key ? old.get(key) : at && !keyOf(at) && at.nodeName === next.nodeName ? at : null;
    if (!known || known.nodeName !== next.nodeName) {
      element.insertBefore(next, at);
      continue;
    }
    if (known === at) at = at.nextSibling;
    else element.insertBefore(known, at);
    if (known.nodeType === Node.ELEMENT_NODE) {
      setAttributes(known, next);
      update(known, next);
    } else if (known.data !== next.data) {
      known.data = next.data;
    }
  }
  while (at) at = remove(at);
}

function remove(node) {
  const next = node.nextSibling;
  node.remove();
  return next;
}

/** Parses what our own server rendered. */
function parsed(html) {
  const template = document.createElement("template");
  template.innerHTML = html;
  return template.content;
}

// Live updates -----------------------------------------------------------------------------------------------------

const pulse = $("pulse");

function beat(state, text) {
  pulse.dataset.state = state;
  pulse.textContent = text;
}

function watch() {
  const events = new EventSource(`/dashboard/events?days=${pulse.dataset.days}${pulse.dataset.past ? "&before=0" : ""}`);
  for (const id of ["chain", "live", "requests", "charts", "quota"]) {
    events.addEventListener(id, (event) => {
      update($(id), parsed(event.data));
      tick();
    });
  }
  events.onopen = () => beat("live", "live");
  events.onerror = () => {
    if (events.readyState !== EventSource.CLOSED) return beat("lost", "reconnecting");
    // Rejected: the limit of open dashboards is reached.
    beat("lost", "not live: reload to update");
    setTimeout(watch, 30_000);
  };
  addEventListener("pagehide", () => events.close(), { once: true });
}

// A browser that goes back can show the page as it was left, without loading it.
addEventListener("pageshow", (event) => {
  if (event.persisted && pulse) watch();
});

// Clocks -----------------------------------------------------------------------------------------------------------

const ahead = Number(document.body.dataset.now) - Date.now();

function formatSeconds(seconds) {
  const [minutes, hours, days] = [60, 3600, 86400].map((unit) => Math.floor(seconds / unit));
  if (minutes < 1) return `${seconds} s`;
  if (hours < 1) return `${minutes} min ${seconds % 60} s`;
  return days < 1 ? `${hours} h ${minutes % 60} min` : `${days} d ${hours % 24} h`;
}

function tick() {
  const now = Date.now() + ahead;
  const show = (element, millis, round) => {
    const text = formatSeconds(Math.max(0, round(millis / 1000)));
    if (element.textContent !== text) element.textContent = text;
  };
  for (const element of document.querySelectorAll("[data-until]")) show(element, element.dataset.until - now, Math.ceil);
  for (const element of document.querySelectorAll("[data-since]")) show(element, now - element.dataset.since, Math.floor);
}

// The playground -----------------------------------------------------------------------------------------------------

let asking = null;

/** One event of a Messages stream. */
function handleEvent(event) {
  const { delta } = event;
  if (event.type === "error") throw new Error(event.error?.message ?? "the response was cut off");
  if (delta?.type === "text_delta") $("try-answer").append(delta.text);
  if (delta?.type === "thinking_delta") say("thinking");
  else if (event.type === "content_block_delta") say("answering");
}

/** Reads a stream to its end. */
async function listen(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const frames = (text + value).split(/\r?\n\r?\n/);
    text = frames.pop();
    for (const frame of frames) {
      const data = frame.split(/\r?\n/).filter((line) => line.startsWith("data:"));
      if (data.length) handleEvent(JSON.parse(data.map((line) => line.slice(5)).join("\n")));
    }
  }
}

function say(text) {
  $("try-state").textContent = text;
}

function fail(message) {
  $("try-error").textContent = message;
  $("try-error").hidden = !message;
}

/** The attempts and their durations, which are known once the request is over. */
async function showAttempts(id) {
  const of = asking;
  const response = await fetch(`/dashboard/requests/${encodeURIComponent(id)}/attempts`);
  if (!response.ok) return;
  const attempts = parsed(await response.text());
  // Another request was sent in the meantime.
  if (asking !== of) return;
  const last = [...attempts.querySelectorAll('[data-result="ok"] .name')].pop();
  if (last) $("try-model").textContent = last.textContent;
  $("try-attempts").replaceChildren(attempts);
}

async function ask(form, signal) {
  const headers = { "content-type": "application/json", "anthropic-version": "2023-06-01" };
  if (form.token) headers.authorization = `Bearer ${form.token.value}`;
  // Messages: Kimi Code takes browsers there, and on its OpenAI API only known agents.
  const body = {
    model: form.model.value,
    max_tokens: 8192,
    stream: true,
    messages: [{ role: "user", content: form.prompt.value }],
  };
  const response = await fetch("/v1/messages", { method: "POST", headers, body: JSON.stringify(body), signal });
  const id = response.headers.get("x-moonrelay-request-id");
  const model = response.headers.get("x-moonrelay-model");
  if (model) $("try-model").textContent = model;
  try {
    if (!response.ok) {
      const problem = await response.json();
      throw new Error(problem.error?.message ?? `status ${response.status}`);
    }
    await listen(response.body);
  } finally {
    if (id) showAttempts(id);
  }
}

async function submit(event) {
  event.preventDefault();
  const form = event.target.elements;
  const [send, stop] = [event.target.querySelector("[type=submit]"), $("try-stop")];
  asking = new AbortController();
  $("try-answer").textContent = "";
  $("try-attempts").replaceChildren();
  $("try-model").textContent = "–";
  fail("");
  say("sending");
  [send.disabled, stop.disabled] = [true, false];
  const began = performance.now();
  try {
    await ask(form, asking.signal);
    const took = performance.now() - began;
    say(took < 1000 ? `done in ${Math.round(took)} ms` : `done in ${(took / 1000).toFixed(1)} s`);
  } catch (error) {
    say(error.name === "AbortError" ? "stopped" : "failed");
    if (error.name !== "AbortError") fail(error.message);
  }
  const stopHadFocus = document.activeElement === stop;
  [send.disabled, stop.disabled] = [false, true];
  if (stopHadFocus) send.focus();
}

const form = $("try-form");
if (form) {
  form.addEventListener("submit", submit);
  $("try-stop").addEventListener("click", () => asking?.abort());
  form.querySelector("[type=submit]").disabled = false;
}
tick();
setInterval(tick, 1000);
if (pulse) watch();
