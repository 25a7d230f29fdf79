import { fileURLToPath } from "node:url";
import { embeddedModelUrl } from "@kvtuner/embedded-model";
import { openRunner } from "kvtuner";
import { afterAll, beforeAll, expect, test } from "vitest";
import { serveExamplePage, type ServedPage } from "./example-page.ts";
import { openTab, type Tab } from "./hidden-tab.ts";

const PLAN = "kivi:K8V4";
const SENTENCE = { prompt: "the rider walks to ", tokens: 16 };
/** The model asks on and on: its text is not over when the tab is frozen. */
const ENDLESS = { prompt: "?", tokens: 450 };
type Task = typeof SENTENCE;

let server: ServedPage;
let tab: Tab;
let expected: string;
let expectedStart: string;

beforeAll(async () => {
  const runner = await openRunner({ model: fileURLToPath(embeddedModelUrl), plan: PLAN, weights: "exact" });
  const textOf = async (prompt: string): Promise<string> =>
    (await runner.generate({ prompt, maxTokens: SENTENCE.tokens })).text;
  expected = await textOf(SENTENCE.prompt);
  expectedStart = await textOf(ENDLESS.prompt);
  await runner.dispose();
  server = await serveExamplePage();
  tab = await openTab(process.env["KVTUNER_CHROMIUM"] ?? "", server.url);
  await tab.until(`document.readyState === "complete" && location.href === "${server.url}"`);
});

afterAll(async () => {
  await tab?.close();
  await server?.close();
});

/** Generates another text than the one there is, and waits for its first letters. */
const start = async ({ prompt, tokens }: Task, runtime: "cpu" | "webgpu" = "webgpu"): Promise<void> => {
  await tab.evaluate(`{
    const find = (id) => document.getElementById(id);
    find("runtime").value = "${runtime}";
    find("plan").value = "${PLAN}";
    find("prompt").value = "${prompt}";
    find("max-tokens").value = ${tokens};
    find("clear").click();
    find("generate").click();
  }`);
  await tab.until(`${REPLY}.length > 2`);
};

const REPLY = `(document.querySelector("#transcript .reply")?.textContent ?? "")`;
const END = `/^(The model ended|Stopped)/.test(document.getElementById("status").textContent)`;

/** The reply once two seconds have not added to it. */
const standingReply = async (): Promise<string> => {
  let [before, now] = ["", (await tab.evaluate(REPLY)) as string];
  while (now !== before) {
    await new Promise((resolve) => setTimeout(resolve, 2000));
    [before, now] = [now, (await tab.evaluate(REPLY)) as string];
  }
  return now;
};

test("a page keeps generating in a hidden tab, pauses while frozen, and loses nothing", async () => {
  await tab.evaluate(`document.getElementById("embedded").click()`);
  await tab.until(`!document.getElementById("generate").disabled`);
  await start(SENTENCE);
  await tab.hide();
  await tab.until(`document.visibilityState === "hidden"`);
  await tab.until(END);
  expect(await tab.evaluate(REPLY)).toBe(expected);
  expect(await tab.evaluate("document.visibilityState")).toBe("hidden");

  await start(ENDLESS);
  await tab.setFrozen(true);
  const frozen = await standingReply();
  expect(await tab.evaluate(END)).toBe(false);
  await tab.setFrozen(false);
  await tab.until(`${REPLY}.length > ${Math.max(frozen.length, expectedStart.length)}`);
  await tab.evaluate(`document.getElementById("stop").click()`);
  await tab.until(END);
  const reply = (await tab.evaluate(REPLY)) as string;
  expect(reply.startsWith(frozen)).toBe(true);
  expect(reply.slice(0, expectedStart.length)).toBe(expectedStart);
}, 300_000);

test("the page goes over to WebAssembly and back to WebGPU, and generates the same", async () => {
  for (const runtime of ["cpu", "webgpu"] as const) {
    await start(SENTENCE, runtime);
    await tab.until(END);
    expect(await tab.evaluate(REPLY), `on ${runtime}`).toBe(expected);
    expect(await tab.evaluate(`document.getElementById("error").hidden`), `on ${runtime}`).toBe(true);
  }
}, 300_000);
