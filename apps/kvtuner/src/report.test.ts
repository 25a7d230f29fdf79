import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { formatBytes } from "@kvtuner/plan";
import { beforeAll, describe, expect, test } from "vitest";
import { report } from "./report.ts";
import { fakeModel } from "./test-support/fake-model.ts";
import { chartOf, sectionOf, unescapeText } from "./test-support/report-page.ts";
import { tune, type TuneResult } from "./tune.ts";

const root = mkdtempSync(join(tmpdir(), "kvtuner-report-"));
const study = join(root, "study");
let tuned: TuneResult;
let page = "";

const OPTIONS = {
  pairs: ["K8V8", "K8V4", "K4V4", "K4V2", "K2V4", "K2V2"],
  evaluations: 14,
  samples: 1,
  sampleLength: 64,
  mode: "per-token",
} as const;

const LIMIT = { kind: "bits", bits: 5 } as const;

const pageOf = async (folder: string, options = {}): Promise<string> =>
  readFileSync((await report({ study: folder, ...options })).page, "utf8");

const copyOf = (name: string): string => {
  const folder = join(root, name);
  cpSync(study, folder, { recursive: true });
  return folder;
};

beforeAll(async () => {
  tuned = await tune({ model: fakeModel(), out: study, ...OPTIONS, limit: LIMIT });
  page = readFileSync(join(study, "report.html"), "utf8");
}, 120_000);

describe("a report", () => {
  test("has every part, each with a chart for page and phone", () => {
    for (const id of ["front", "plan", "context", "sensitivity", "candidates", "groups"]) {
      const { marks, rows } = chartOf(page, id);
      expect(marks.wide.length).toBeGreaterThan(3);
      expect(marks.narrow.toSorted()).toEqual(marks.wide.toSorted());
      expect(rows.length).toBeGreaterThan(2);
    }
    expect(sectionOf(page, "settings")).toContain("per-token");
    expect(page).not.toMatch(/NaN|undefined|\[object/);
  });

  test.each(["front", "plan", "groups"])("of the chart %s, the rows of the table are exactly the marks", (id) => {
    const { marks, head, rows } = chartOf(page, id);
    const told = rows.map((row) =>
      row.flatMap((text, column) => (text === "" ? [] : [`${head[column]}: ${text}`])).join("; "),
    );
    expect([...new Set(marks.wide)].toSorted()).toEqual([...new Set(told)].toSorted());
  });

  test("shows every evaluated plan, and marks the front, the picked plan and those not evaluated", () => {
    const { head, rows } = chartOf(page, "front");
    const kinds = rows.map(([kind]) => kind ?? "");
    expect(rows).toHaveLength(tuned.evaluations + kinds.filter((kind) => kind.includes("predicted")).length);
    expect(kinds.filter((kind) => kind.startsWith("picked plan"))).toHaveLength(1);
    const picked = rows[kinds.findIndex((kind) => kind.startsWith("picked plan"))] ?? [];
    expect(picked[head.indexOf("True bits")]).toBe(tuned.picked.bits.toFixed(3));
    expect(picked[head.indexOf("KL, nats a token")]).toBe(tuned.picked.kl.toPrecision(3));
    expect(picked).toContain(formatBytes(tuned.picked.bytes));
  });

  test("shows each layer's loss under each pair, its candidates and the picked pair", () => {
    const profile = JSON.parse(readFileSync(join(study, "profile.json"), "utf8"));
    const { marks, head, rows } = chartOf(page, "sensitivity");
    expect(head).toEqual(["Layer", ...OPTIONS.pairs]);
    expect(marks.wide).toHaveLength(5 * 6);
    for (const { layer, candidates } of profile.layers) {
      for (const [index, { id, kl }] of candidates.entries()) {
        expect(rows[layer]?.[index + 1]).toBe(kl.toPrecision(3));
        const isPicked = tuned.picked.choices[layer] === id;
        expect(marks.wide).toContain(
          `Layer: ${layer}; Pair: ${OPTIONS.pairs[index]}; KL, nats a token: ${kl.toPrecision(3)}${isPicked ? "; In the picked plan: yes" : ""}`,
        );
      }
    }
    const { candidates } = JSON.parse(readFileSync(join(study, "candidates.json"), "utf8"));
    const kept = chartOf(page, "candidates");
    for (const [layer, pairs] of candidates.entries()) {
      const names = pairs.map((pair: number) => OPTIONS.pairs[pair]);
      expect(kept.rows[layer]?.[1]?.split(", ").toSorted()).toEqual(names.toSorted());
      const pruned = kept.marks.wide.filter((mark) => mark.startsWith(`Layer: ${layer};`) && mark.endsWith("pruned"));
      expect(pruned).toHaveLength(OPTIONS.pairs.length - names.length);
    }
  });

  test("shows the context that fits the budget", async () => {
    const folder = copyOf("budget");
    const bytesPerToken = tuned.picked.bytesPerToken;
    const { head, rows } = chartOf(await pageOf(folder, { budget: 1e6 }), "context");
    expect(head.at(-1)).toBe("Tokens in 1.00 MB");
    const ofPlan = rows.find(([name]) => name === "picked plan");
    expect(ofPlan?.at(-1)).toBe(Math.floor(1e6 / bytesPerToken).toLocaleString("en-US"));
    expect(rows.find(([name]) => name === "16 bits")?.at(-1)).toBe(
      Math.floor(1e6 / (5 * 2 * 2 * 32 * 2)).toLocaleString("en-US"),
    );
  });

  test("shows no budget unless one was given in bytes, and no two caches of equal size", () => {
    const { head, rows } = chartOf(page, "context");
    expect(head.at(-1)).toBe("Bytes a token");
    expect(sectionOf(page, "front")).toContain("at most 5 bits");
    expect(sectionOf(page, "context")).not.toMatch(/>budget/);
    expect(new Set(rows.map(([, bytes]) => bytes)).size).toBe(rows.length);
  });

  test("counts bytes at another context", async () => {
    const { head } = chartOf(await pageOf(copyOf("context"), { context: 1000 }), "front");
    expect(head).toContain("Bytes at 1,000 tokens");
  });

  test("is the same, byte for byte, when written again, and so are its files", async () => {
    const folder = copyOf("again");
    const svg = [join(root, "charts-a"), join(root, "charts-b")];
    for (const target of svg) {
      const { charts } = await report({ study: folder, svg: target });
      expect(charts.map((path) => path.slice(target.length + 1))).toEqual(
        ["front", "plan", "context", "sensitivity", "candidates", "groups"].map((name) => `${name}.svg`),
      );
      expect(readFileSync(join(folder, "report.html"), "utf8")).toBe(page);
    }
    for (const name of readdirSync(svg[0] ?? "")) {
      const [one, other] = svg.map((target) => readFileSync(join(target, name), "utf8"));
      expect(other).toBe(one);
      expect(one).toMatch(/^<svg xmlns="http:\/\/www\.w3\.org\/2000\/svg" width="\d+" height="\d+" viewBox=/);
      expect(one).not.toContain("var(");
    }
  });

  test.each([
    ["plan.json", "it is a file"],
    [join("plan.json", "charts"), "ENOTDIR"],
    ["/proc/kvtuner/charts", "ENOENT"],
  ])("writes no charts to %s: that is a wrong --svg", async (target, reason) => {
    const folder = copyOf("svg-nowhere");
    const svg = resolve(folder, target);
    await expect(report({ study: folder, svg })).rejects.toMatchObject({
      code: "OPTION_INVALID",
      message: expect.stringMatching(new RegExp(`--svg to be a folder.*${svg}: ${reason}`)),
    });
  });

  test("keeps names that users chose out of its markup", async () => {
    const name = `<script>alert("1")</script>' onload='x' &amp; <img src=x>`;
    const text = join(root, `'; <b>$(touch x)\` & text.txt`.replaceAll("/", ""));
    writeFileSync(text, "The quick brown fox jumps over the lazy dog. ".repeat(10));
    const model = { ...fakeModel(), identity: { name, architecture: "<i>llama</i>" } };
    const out = join(root, "evil <script>alert(2)</script>".replaceAll("/", "_"));
    await tune({ model, out, ...OPTIONS, text });
    const evil = readFileSync(join(out, "report.html"), "utf8");
    expect(evil.match(/<script/g)).toHaveLength(1);
    expect(evil).not.toMatch(/<img|<b>\$|<i>llama|alert\("/);
    expect(unescapeText(/<h1>([^<]*)<\/h1>/.exec(evil)?.[1] ?? "")).toBe(name);
    const command = unescapeText(/<code>(kvtuner tune[^<]*)<\/code>/.exec(evil)?.[1] ?? "");
    expect(command).toContain(String.raw`--text '${text.replaceAll("'", String.raw`'\''`)}'`);
    expect(command).toContain(`--out '${out}'`);
  });

  test("of an unfinished study says what is missing, whichever record it is", async () => {
    const folder = copyOf("partial");
    const steps = [
      ["plan.json", "plan", "pick"],
      ["front.json", "front", "search"],
      ["journal.jsonl", "front", "search"],
      ["groups.json", "groups", "group"],
      ["candidates.json", "candidates", "prune"],
      ["profile.json", "sensitivity", "profile"],
      ["request.json", "settings", "MODEL.gguf"],
    ] as const;
    for (const [file, section, words] of steps) {
      rmSync(join(folder, file));
      const partial = await pageOf(folder);
      expect(sectionOf(partial, section)).toContain(words);
      expect(partial).not.toMatch(/NaN|undefined|Infinity/);
    }
    expect(chartOf(await pageOf(folder), "context").rows.length).toBeGreaterThan(1);
  });

  test("of a journal with a half-written last line ignores the line and keeps it", async () => {
    const folder = copyOf("half");
    const journal = join(folder, "journal.jsonl");
    const half = `${readFileSync(journal, "utf8")}{"pairs":["K8`;
    writeFileSync(journal, half);
    expect(await pageOf(folder)).toBe(page);
    expect(readFileSync(journal, "utf8")).toBe(half);
  });

  test.each([
    ["no folder", "nowhere", () => undefined, "STUDY_MISSING"],
    [
      "settings without a head size",
      "shape",
      damage("settings.json", /"headSize": \d+/, `"other": 1`),
      "STUDY_SETTINGS_UNREADABLE",
    ],
    ["an unknown mode", "mode", damage("settings.json", `"per-token"`, `"sideways"`), "STUDY_SETTINGS_UNREADABLE"],
    ["an invalid pair", "pair", damage("settings.json", `"K8V4"`, `"<b>"`), "STUDY_SETTINGS_UNREADABLE"],
    ["a profile cut short", "profile", damage("profile.json", /"candidates"[\s\S]*/, ""), "STUDY_FILE_UNREADABLE"],
    ["an invalid journal line", "journal", damage("journal.jsonl", /^.*\n/, "{}\n"), "STUDY_JOURNAL_DAMAGED"],
    ["an invalid plan", "plan", damage("plan.json", /[\s\S]+/, "{}"), "PLAN_INVALID"],
    [
      "a plan for another model",
      "other",
      damage("plan.json", `"headSize": 32`, `"headSize": 64`),
      "PLAN_FOR_ANOTHER_MODEL",
    ],
  ] as const)("of %s is an error", async (_, name, change, code) => {
    const folder = name === "nowhere" ? join(root, name) : copyOf(`bad-${name}`);
    change(folder);
    await expect(report({ study: folder })).rejects.toMatchObject({ code });
  });

  test.each([{ budget: 0 }, { budget: 1.5 }, { context: 0 }])("with %j is an error", async (options) => {
    await expect(report({ study, ...options })).rejects.toMatchObject({ code: "OPTION_INVALID" });
  });
});

function damage(file: string, from: string | RegExp, to: string): (folder: string) => void {
  return (folder) => {
    const path = join(folder, file);
    writeFileSync(path, readFileSync(path, "utf8").replace(from, to));
  };
}
