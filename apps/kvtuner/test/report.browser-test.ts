import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { chromium, type Browser, type Locator, type Page } from "playwright";
import { afterAll, beforeAll, expect, test } from "vitest";
import { CHARTS, reportStudies, type ReportStudies, type StudyKind } from "./report-studies.ts";

let studies: ReportStudies;
let browser: Browser;

beforeAll(async () => {
  studies = await reportStudies();
  browser = await chromium.launch({ executablePath: process.env["KVTUNER_CHROMIUM"] ?? "", args: ["--no-sandbox"] });
});

afterAll(async () => {
  await browser?.close();
  studies?.remove();
});

interface Opened {
  readonly page: Page;
  /** What the console said, what failed, and what was asked of a network. */
  readonly complaints: string[];
}

const openReport = async (study: StudyKind, colorScheme: "light" | "dark", width: number): Promise<Opened> => {
  const context = await browser.newContext({ colorScheme, viewport: { width, height: 800 } });
  const page = await context.newPage();
  const complaints: string[] = [];
  const url = pathToFileURL(join(studies.folders[study], "report.html")).href;
  page.on("console", (message) => complaints.push(message.text()));
  page.on("pageerror", (error) => complaints.push(error.message));
  page.on("request", (request) => request.url() === url || complaints.push(request.url()));
  await page.goto(url);
  return { page, complaints };
};

/** The page hears of a scroll only with the next frame, and hides its tip then: wait for it before pointing. */
const bringIntoView = async (page: Page, mark: Locator): Promise<void> => {
  await mark.scrollIntoViewIfNeeded();
  await page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))");
};

test.each([
  ["text", "light", 1000, "wide"],
  ["text", "dark", 1000, "wide"],
  ["text", "light", 360, "narrow"],
  ["task", "light", 1000, "wide"],
  ["task", "dark", 360, "narrow"],
] as const)(
  "of a study on a %s, opens from a file in %s at %i px, complains of nothing, and shows every chart",
  async (study, scheme, width, shown) => {
    const { page, complaints } = await openReport(study, scheme, width);
    for (const id of CHARTS[study]) {
      for (const each of ["wide", "narrow"]) {
        const box = await page.locator(`#${id} .${each} svg`).boundingBox();
        expect((box?.height ?? 0) > 40).toBe(each === shown);
      }
    }
    expect(await page.evaluate("document.documentElement.scrollWidth <= innerWidth")).toBe(true);
    expect(await page.evaluate("window.broken")).toBe(undefined);
    expect(complaints).toEqual([]);
    await page.context().close();
  },
);

test.each([...CHARTS.text.map((id) => ["text", id] as const), ["task", "accuracy"], ["task", "front"]] as const)(
  "of a study on a %s, the marks of %s tell their numbers when the pointer is on them",
  async (study, id) => {
    const { page, complaints } = await openReport(study, "light", 1000);
    const mark = page.locator(`#${id} .wide [role=graphics-symbol][aria-label]`).last();
    const told = (await mark.getAttribute("aria-label")) ?? "";
    const tip = page.locator("#tip");
    expect(await tip.isVisible()).toBe(false);
    await bringIntoView(page, mark);
    await mark.hover({ force: true });
    await tip.waitFor({ state: "visible", timeout: 5000 });
    expect(await tip.locator("div").allTextContents()).toEqual(told.split("; "));
    const box = await tip.boundingBox();
    expect((box?.x ?? -1) >= 0 && (box?.x ?? 0) + (box?.width ?? 0) <= 1000).toBe(true);
    await page.keyboard.press("Escape");
    expect(await tip.isVisible()).toBe(false);
    expect(complaints).toEqual([]);
    await page.context().close();
  },
);

test("on a phone a tap beside a small mark shows it, and the tables open", async () => {
  const { page, complaints } = await openReport("text", "dark", 360);
  const mark = page.locator("#front .narrow [role=graphics-symbol][aria-label]").last();
  await bringIntoView(page, mark);
  const box = await mark.boundingBox();
  await page.mouse.move((box?.x ?? 0) - 6, (box?.y ?? 0) - 6);
  await page.mouse.down();
  await page.locator("#tip").waitFor({ state: "visible", timeout: 5000 });
  await page.locator("#front summary").click();
  expect(await page.locator("#front table").isVisible()).toBe(true);
  expect(complaints).toEqual([]);
  await page.context().close();
});

test.each([
  ["text", "front"],
  ["task", "accuracy"],
] as const)(
  "of a study on a %s, light and dark differ in background and ink, in the chart %s too",
  async (study, id) => {
    const looks = [];
    for (const scheme of ["light", "dark"] as const) {
      const { page } = await openReport(study, scheme, 1000);
      looks.push(
        await page.evaluate(
          `["body", "section", "#${id} .wide .mark-text text"].map((where) => {
          const { color, backgroundColor, fill } = getComputedStyle(document.querySelector(where));
          return [color, backgroundColor, fill].join(" ");
        })`,
        ),
      );
      await page.context().close();
    }
    const [light, dark] = looks as [string[], string[]];
    for (const [index, look] of light.entries()) expect(dark[index]).not.toBe(look);
  },
);
