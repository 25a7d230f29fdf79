import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { embeddedModelUrl, embeddedTasks } from "@kvtuner/embedded-model";
import { parseShorthand } from "@kvtuner/plan";
import { serializePlan } from "@kvtuner/plan/files";
import { openRunner } from "kvtuner";
import type { Page } from "playwright";
import { expect, test } from "vitest";
import { exampleBrowser } from "./example-page.ts";

const model = fileURLToPath(embeddedModelUrl);
const browser = exampleBrowser();

const promptOf = (task: keyof typeof embeddedTasks): string => {
  const [line = ""] = readFileSync(embeddedTasks[task], "utf8").split("\n");
  return (JSON.parse(line) as { prompt: string }).prompt;
};

const generate = async (page: Page, prompt: string, tokens: number): Promise<string> => {
  await page.getByLabel("Prompt").fill(prompt);
  await page.getByLabel("At most").fill(String(tokens));
  await page.getByRole("button", { name: "Generate" }).click();
  await page.getByText(/^(The model ended its text|Stopped)/).waitFor();
  return (await page.locator("#transcript .reply").last().textContent()) ?? "";
};

/** A plan with other pairs in some layers. */
const planFile = (): Buffer => {
  const shape = { layers: 6, queryHeads: 4, kvHeads: 2, headSize: 32 };
  const layers = ["K8V4", "K4V4", "K4V2"].flatMap((pair) => {
    const { layer } = parseShorthand(`kivi:${pair}`);
    return [layer, layer];
  });
  const name = "KVTuner embedded model";
  return Buffer.from(serializePlan({ version: 2, model: { name, architecture: "llama" }, shape, layers }));
};

test("generates what Node generates, on a cache of as many bytes, and complains of nothing", async () => {
  const complaints: string[] = [];
  const context = await browser.newContext({ viewport: { width: 1000, height: 800 } });
  const page = await browser.open(context, complaints);
  expect(await page.evaluate("crossOriginIsolated")).toBe(true);
  await page.getByRole("button", { name: "take the small one" }).click();
  await page.getByText("6 layers").waitFor();
  for (const plan of ["compact:K4V2", "per-token:K8V4"]) {
    const runner = await openRunner({ model, plan, threads: 1, weights: "exact" });
    await page.getByLabel("Shorthand").fill(plan);
    for (const task of ["recall-24", "chain-10"] as const) {
      const prompt = promptOf(task);
      const expected = await runner.generate({ prompt, maxTokens: 60 });
      expect(await generate(page, prompt, 60)).toBe(expected.text);
      expect(await page.locator("#summary").textContent()).toContain(`${expected.cache.tokens} tokens in`);
    }
    await runner.dispose();
  }
  expect(complaints).toEqual([]);
  await context.close();
});

test("a file other than GGUF and an invalid plan are reported, and the page stays usable", async () => {
  const complaints: string[] = [];
  const context = await browser.newContext({ viewport: { width: 360, height: 800 } });
  const page = await browser.open(context, complaints);
  const transfer = await page.evaluateHandle(`(() => {
    const transfer = new DataTransfer();
    transfer.items.add(new File(["not a model at all, but long enough for a header"], "notes.txt"));
    return transfer;
  })()`);
  await page.dispatchEvent("#drop", "drop", { dataTransfer: transfer });
  await page
    .getByRole("alert")
    .filter({ hasText: /expected .*GGUF/ })
    .waitFor();
  // The model that the page opened with stays.
  await page.getByText("6 layers").waitFor();
  expect(await page.getByRole("button", { name: "Generate" }).isDisabled()).toBe(false);

  await page.getByLabel("choose one").setInputFiles(model);
  await page.getByText("6 layers").waitFor();
  expect(await page.getByRole("alert").isVisible()).toBe(false);
  await page.getByLabel("Shorthand").fill("kivi:K4");
  await page.getByLabel("Prompt").fill("cpy abc:");
  await page.getByRole("button", { name: "Generate" }).click();
  await page.getByRole("alert").filter({ hasText: /K4/ }).waitFor();
  await page.getByLabel("or a plan.json").setInputFiles({ name: "plan.json", mimeType: "", buffer: planFile() });
  expect(await generate(page, "cpy xkqab:", 20)).toBe("xkqab");

  // It asks on and on, and is stopped from within the page, at its first letters: from here it might be too late.
  await page.evaluate(`new MutationObserver((_, observer) => {
    if (!document.querySelector("#transcript .reply:last-child")?.textContent) return;
    observer.disconnect();
    document.getElementById("stop").click();
  }).observe(document.getElementById("transcript"), { childList: true, subtree: true, characterData: true })`);
  await page.getByLabel("At most").fill("480");
  await page.getByLabel("Prompt").fill("?");
  await page.getByRole("button", { name: "Generate" }).click();
  await page.getByText(/^Stopped\.$/).waitFor();
  expect(await page.evaluate("document.documentElement.scrollWidth <= innerWidth")).toBe(true);
  expect(complaints).toEqual([]);
  await context.close();
});
