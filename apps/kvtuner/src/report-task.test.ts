import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { withChecksum } from "@kvtuner/tuning";
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
let amended = "";

const ids = (...pairs: string[]): string[] => pairs.map((pair) => `per-token:${pair}`);

const UNIFORM = ids(...Array<string>(5).fill("K4V2"));

/** Lines of a journal: a plan that answers all that it is asked, one that loses next to nothing, and one given up. */
const AMENDMENTS = [
  { choices: ids("K8V8", "K8V8", "K8V8", "K8V8", "K8V4"), start: 0, correct: "1".repeat(120), kl: 0.05 },
  { choices: ids("K8V8", "K8V4", "K8V4", "K8V4", "K8V4"), start: 0, correct: "10".repeat(60), kl: 1e-8 },
  { choices: UNIFORM, start: 0, correct: "1".repeat(25), kl: 0.001 },
  { choices: UNIFORM, start: 25, correct: "", kl: 0, isGivenUp: true },
].map((line) => ({ ...line, kl: Array<number>(line.correct.length).fill(line.kl) }));

/** The page of a study whose front is to be made again, of another journal. */
const amendedPage = async (): Promise<string> => {
  const folder = join(root, "amended");
  cpSync(study, folder, { recursive: true });
  rmSync(join(folder, "front.json"));
  const journal = join(folder, "journal.jsonl");
  const isKept = (line: string): boolean => line !== "" && JSON.parse(line).choices.join() !== UNIFORM.join();
  const kept = readFileSync(journal, "utf8").split("\n").filter(isKept);
  const lines = [...kept, ...AMENDMENTS.map((line) => withChecksum(JSON.stringify(line)))];
  writeFileSync(journal, lines.map((line) => `${line}\n`).join(""));
  return readFileSync((await report({ study: folder })).page, "utf8");
};

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
  amended = await amendedPage();
}, 120_000);

/** Corners of a chart's front line, drawn for a page and for a phone, px from the top left. */
const frontLinesOf = (html: string, id: string): { x: number; y: number }[][] =>
  [...sectionOf(html, id).matchAll(/<path d="([ML\d.,-]+)" stroke="var\(--front\)"/g)].map(([, path = ""]) =>
    [...path.matchAll(/[ML](-?[\d.]+),(-?[\d.]+)/g)].map(([, x, y]) => ({ x: Number(x), y: Number(y) })),
  );

describe("a report of a study with a task", () => {
  test("shows every plan's accuracy with its error, and marks the picked plan and those dropped", () => {
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
    const givenUp = rows.filter(([kind]) => kind?.startsWith("given up early"));
    expect(givenUp.length).toBeGreaterThan(0);
    for (const row of rows) expect(Number(row[column("Prompts asked")]) < 120).toBe(givenUp.includes(row));
    expect(page).not.toMatch(/NaN|undefined|\[object/);
  });

  test("draws the limit of equivalent bits among true bits", () => {
    for (const id of ["accuracy", "front"]) expect(sectionOf(page, id)).toContain(">at most 4 equivalent bits<");
  });

  test("shows the settings, and the command to repeat them", () => {
    const section = unescapeText(sectionOf(page, "settings"));
    expect(section).toContain(`--task ${task}`);
    expect(section).toContain("--objective both");
    expect(section).toContain("--equivalent-bits 4");
    expect(page).toMatch(/The plan answers \d+\.\d% \+- \d+\.\d% of 120 prompts correctly/);
  });

  test.each(["accuracy", "front"])("marks a dropped uniform plan in %s, and keeps its name", (id) => {
    const kinds = chartOf(amended, id).rows.map(([kind]) => kind);
    expect(kinds).toContain("given up early (K4V2)");
    expect(kinds).not.toContain("one pair everywhere (K4V2)");
    expect(sectionOf(amended, id)).toContain(">K4V2<");
  });

  test.each(["accuracy", "front"])("joins the plans that no other beats in the chart of %s alone", (id) => {
    const front = chartOf(amended, id).rows.filter(([kind]) => kind === "front");
    const pairs = ["K8V8 x 4, K8V4 x 1", "K8V8 x 1, K8V4 x 4"];
    expect(front.map((row) => row.at(-1))).toEqual(expect.arrayContaining(pairs));
    for (const line of frontLinesOf(amended, id)) {
      expect(line.length).toBeGreaterThan(4);
      const sign = id === "accuracy" ? -1 : 1;
      for (const [index, { x, y }] of line.slice(1).entries()) {
        expect(x).toBeGreaterThanOrEqual(line[index]?.x ?? Infinity);
        expect(sign * y).toBeGreaterThanOrEqual(sign * (line[index]?.y ?? Infinity));
      }
    }
  });

  test("is the same when written again, and works for an unfinished study", async () => {
    await report({ study });
    expect(readFileSync(join(study, "report.html"), "utf8")).toBe(page);
    for (const file of ["plan.json", "front.json"]) rmSync(join(study, file));
    const journal = join(study, "journal.jsonl");
    writeFileSync(journal, readFileSync(journal, "utf8").split("\n").slice(0, 12).join("\n"));
    const partial = readFileSync((await report({ study })).page, "utf8");
    const kinds = chartOf(partial, "accuracy").rows.map(([kind]) => kind);
    expect(kinds.length).toBeGreaterThan(2);
    expect(kinds).toContain("not yet evaluated on all prompts");
    expect(kinds).not.toContain("given up early");
    expect(partial).not.toMatch(/NaN|undefined|\[object/);
    rmSync(journal);
    expect(sectionOf(readFileSync((await report({ study })).page, "utf8"), "accuracy")).toContain("search");
  });
});
