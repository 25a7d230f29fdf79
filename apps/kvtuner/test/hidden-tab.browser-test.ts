import { fileURLToPath } from "node:url";

import { embeddedModelUrl } from "@kvtuner/embedded-model";
import { openRunner } from "kvtuner";
import { afterAll, beforeAll, expect, test } from "vitest";

import { serveExamplePage, type ServedPage } from "./example-page.ts";
import { openTab, type Tab } from "./hidden-tab.ts";

const PLAN = "kivi:K8V4";
const PROMPT = "the rider walks to ";
const TOKENS = 16;

let server: ServedPage;
let tab: Tab;
let expected: string;

beforeAll(async () => {
  const runner = await openRunner({ model: fileURLToPath(embeddedModelUrl), plan: PLAN, weights: "float32" });
  expected = (await runner.generate({ prompt: PROMPT, maxTokens: TOKENS })).text;
  await runner.dispose();
  server = await serveExamplePage();
  tab = await openTab(process.env["KVTUNER_CHROMIUM"] ?? "", server.url);
  await tab.until(`document.readyState === "complete" && location.href === "${server.url}"`);
});

afterAll(async () => {
  await tab?.close();
  await server?.close();
});

/** Puts another text under the one there is, on WebGPU, and waits for its first letters. */
const start = async (): Promise<void> => {
  await tab.evaluate(`{
    const find = (id) => document.getElementById(id);
    find("runtime").value = "webgpu";
    find("plan").value = "${PLAN}";
    find("prompt").value = "${PROMPT}";
    find("max-tokens").value = ${TOKENS};
    find("clear").click();
    find("generate").click();
  }`);
  await tab.until(`${REPLY}.length > 2`);
};

const REPLY = `(document.querySelector("#transcript .reply")?.textContent ?? "")`;
const END = `/^(The model ended|Stopped)/.test(document.getElementById("status").textContent)`;

test("a page goes on generating in a hidden tab, stands still when it is frozen, and loses nothing", async () => {
  await tab.evaluate(`document.getElementById("embedded").click()`);
  await tab.until(`!document.getElementById("generate").disabled`);
  await start();
  await tab.hide();
  await tab.until(`document.visibilityState === "hidden"`);
  await tab.until(END);
  expect(await tab.evaluate(REPLY)).toBe(expected);
  expect(await tab.evaluate("document.visibilityState")).toBe("hidden");

  await start();
  await tab.setFrozen(true);
  const frozen = await tab.evaluate(REPLY);
  await new Promise((resolve) => setTimeout(resolve, 2000));
  expect(await tab.evaluate(REPLY)).toBe(frozen);
  expect(await tab.evaluate(END)).toBe(false);
  await tab.setFrozen(false);
  await tab.until(END);
  expect(await tab.evaluate(REPLY)).toBe(expected);
}, 300_000);
