// The simulated providers behind the gateway: faults on order, and what they were asked for.

import assert from "node:assert/strict";

const upstream = process.env.MOONRELAY_UPSTREAM;

export async function simulator(method, path, value) {
  const response = await fetch(upstream + path, { method, body: value && JSON.stringify(value) });
  assert.ok(response.ok, `${method} ${path}: ${response.status}`);
  return response.json();
}

export async function withFaults(faults, run) {
  await simulator("DELETE", "/_requests");
  for (const fault of faults) await simulator("POST", "/_faults", fault);
  try {
    return await run();
  } finally {
    await simulator("DELETE", "/_faults");
  }
}

export async function thrown(kind, run) {
  try {
    await run();
  } catch (error) {
    assert.ok(error instanceof kind, `${error.constructor.name} is no ${kind.name}: ${error}`);
    return error;
  }
  assert.fail(`${kind.name} was not thrown`);
}
