import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { beforeAll, describe, expect, test } from "vitest";

import { report } from "./report.ts";
import { fakeModel } from "./test-support/fake-model.ts";
import { chartOf, sectionOf, unescapeText } from "./test-support/report-page.ts";
import { tune, type TuneResult } from "./tune.ts";

const root = mkdtempSync(join(tmpdir(), "kvtuner-report-task-"));
const study = join(root, "study");
const task = join(root, "task.jsonl");
let tuned: TuneResult;
let page = "";

beforeAll(async () => {
  const lines = Array.from({ length: 120 }, (_, index) => ({ prompt: `${index}?`, answer: "yes", compare: "exact" }));
  writeFileSync(task, lines.map((line) => JSON.stringify(line)).join("\n"));
  tuned = await tune({
    model: fakeModel(),
    out: study,
    task,
    objective: "both",
    strategy: "nsga2",
    pairs: ["K8V8", "K8V4", "K4V4", "K4V2", "K2V2"],
    mode: "per-token",
    evaluations: 24,
    limit: { kind: "equivalent-bits", bits: 4 },
  });
  page = readFileSync(join(study, "report.html"), "utf8");
}, 120_000);

describe("a report of a study with a task", () => {
  test("shows every plan's accuracy with its error, marks the picked one and those given up", () => {
    const { head, rows, marks } = chartOf(page, "accuracy");
    expect(rows).toHaveLength(tuned.evaluations);
    const told = rows.map((row) => row.flatMap((text, at) => (text === "" ? [] : [`${head[at]}: ${text}`])).join("; "));
    expect(marks.wide.toSorted()).toEqual(told.toSorted());
    expect(marks.narrow.toSorted()).toEqual(marks.wide.toSorted());
    const column = (name: string): number => head.indexOf(name);
    const picked = rows.filter(([kind]) => kind?.startsWith("picked plan"));
    expect(picked).toHaveLength(1);
    const percent = (share = Number.NaN): string => `${(100 * share).toFixed(1)}%`;
    expect(picked[0]?.[column("Right answers")]).toBe(percent(tuned.picked.task?.accuracy));
    expect(picked[0]?.[column("Standard error")]).toBe(percent(tuned.picked.task?.accuracyStandardError));
    expect(picked[0]?.[column("With the 16-bit cache")]).toBe(percent(tuned.picked.task?.floatAccuracy));
    const givenUp = rows.filter(([kind]) => kind === "given up early");
    expect(givenUp.length).toBeGreaterThan(0);
    for (const row of givenUp) expect(Number(row[column("Prompts asked")])).toBeLessThan(120);
    expect(page).not.toMatch(/NaN|undefined|\[object/);
  });

  test("says what was asked, and how to ask it again", () => {
    const section = unescapeText(sectionOf(page, "settings"));
    expect(section).toContain(`--task ${task}`);
    expect(section).toContain("--objective both");
    expect(section).toContain("--equivalent-bits 4");
    expect(page).toMatch(/It answers \d+\.\d% \+- \d+\.\d% of 120 prompts right/);
  });

  test("is the same when it is written again, and tells of a study that is not done", async () => {
    await report({ study });
    expect(readFileSync(join(study, "report.html"), "utf8")).toBe(page);
    for (const file of ["plan.json", "front.json"]) rmSync(join(study, file));
    const journal = join(study, "journal.jsonl");
    writeFileSync(journal, readFileSync(journal, "utf8").split("\n").slice(0, 12).join("\n"));
    const partial = readFileSync((await report({ study })).page, "utf8");
    const kinds = chartOf(partial, "accuracy").rows.map(([kind]) => kind);
    expect(kinds.length).toBeGreaterThan(2);
    expect(kinds).toContain("not asked everything yet");
    expect(kinds).not.toContain("given up early");
    expect(partial).not.toMatch(/NaN|undefined|\[object/);
    rmSync(journal);
    expect(sectionOf(readFileSync((await report({ study })).page, "utf8"), "accuracy")).toContain("search");
  });
});
