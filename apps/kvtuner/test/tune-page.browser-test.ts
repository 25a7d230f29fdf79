import { trueBits } from "@kvtuner/plan";
import { parsePlan } from "@kvtuner/plan/files";
import type { Page } from "playwright";
import { expect, test } from "vitest";
import { exampleBrowser } from "./example-page.ts";

const browser = exampleBrowser();

const STUDY = "kvtuner-embedded, 6 plans";

/** A record of the study that this browser holds. */
const recordOf = (page: Page, name: string): Promise<string> =>
  page.evaluate(
    `new Promise((resolve) => {
      const request = indexedDB.open("kvtuner studies");
      request.onsuccess = () => {
        const records = request.result.transaction("records").objectStore("records");
        records.get(${JSON.stringify(`${STUDY}/`)} + ${JSON.stringify(name)}).onsuccess = ({ target }) => {
          request.result.close();
          resolve(target.result ?? "");
        };
      };
    })`,
  );

test("the first click generates an answer to the example prompt", async () => {
  const complaints: string[] = [];
  const context = await browser.newContext();
  const page = await browser.open(context, complaints);
  await page.getByRole("button", { name: "Generate" }).click();
  await page.getByText("The model ended its text.").waitFor();
  expect(await page.locator("#transcript .reply").last().textContent()).toMatch(/^\d{4}$/);
  expect(complaints).toEqual([]);
  await context.close();
});

test("tunes in the tab; a closed tab resumes where it was stopped, and the report opens next to the page", async () => {
  const complaints: string[] = [];
  const context = await browser.newContext({ viewport: { width: 1200, height: 800 } });
  const first = await browser.open(context, complaints);
  await first.getByLabel("Plans", { exact: true }).fill("6");
  // Stopped from within the page at its first figures: from here it might be too late.
  await first.evaluate(`new MutationObserver((_, observer) => {
    if (!/: [3-9] of 24/.test(document.getElementById("tune-status").textContent)) return;
    observer.disconnect();
    document.getElementById("stop-tuning").click();
  }).observe(document.getElementById("tune-status"), { childList: true, characterData: true })`);
  await first.getByRole("button", { name: "Tune", exact: true }).click();
  await first.getByText("Tuning stopped. Tune again to resume.").waitFor();
  const measured = await recordOf(first, "profile.jsonl");
  const lines = measured.split("\n").length - 1;
  expect(lines).toBeGreaterThanOrEqual(3);
  expect(lines).toBeLessThan(24);
  expect(await recordOf(first, "plan.json")).toBe("");
  await first.close();

  const second = await browser.open(context, complaints);
  await second.getByLabel("Plans", { exact: true }).fill("6");
  await second.getByRole("button", { name: "Tune", exact: true }).click();
  await second.getByText("Tuned. Generate uses the tuned plan.").waitFor();
  const whole = await recordOf(second, "profile.jsonl");
  expect(whole.startsWith(measured)).toBe(true);
  expect(whole.match(/"kind":"kl"/g)).toHaveLength(6 * 4);

  const plan = parsePlan(await recordOf(second, "plan.json"));
  expect(trueBits(plan, 4096)).toBeLessThanOrEqual(4);
  expect(plan.layers).toHaveLength(6);
  const report = second.frameLocator("#report");
  await report.getByRole("heading", { name: "The picked plan" }).waitFor();
  expect(await report.locator("svg").count()).toBeGreaterThan(4);
  const [main, beside] = [await second.locator("main").boundingBox(), await second.locator("#report").boundingBox()];
  expect(beside?.x).toBeGreaterThanOrEqual((main?.x ?? Infinity) + (main?.width ?? Infinity));

  await second.getByRole("button", { name: "Generate" }).click();
  await second.getByText(/^(The model ended its text|Stopped at)/).waitFor();
  await second.getByText(/tokens in .* of the bytes in 16 bits/).waitFor();
  expect(complaints).toEqual([]);
  await context.close();
});
