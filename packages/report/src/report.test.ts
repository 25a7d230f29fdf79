import { type Asset, layerScheme, uniformPlan } from "@kvtuner/plan";
import type { StudyContents } from "@kvtuner/tuning";
import { expect, test } from "vitest";
import { reportData } from "./data/data.ts";
import { renderCharts, renderMarkdown, renderReport } from "./report.ts";

const study: StudyContents = {
  settings: {
    version: 2,
    model: { name: "a|b <i>c</i>\n# d", architecture: "llama" },
    shape: { layers: 2, queryHeads: 8, kvHeads: 2, headSize: 64 },
    mode: "kivi",
    pairs: ["K8V8", "K4V4", "K2V2"],
    sinks: 0,
    recent: 32,
    context: 4096,
    text: "self",
    samples: 2,
    sampleLength: 512,
    evaluations: 3,
    seed: 0,
    strategy: "surrogate",
    measure: "kl",
    cost: "true",
    focus: null,
  },
  codings: [],
  request: undefined,
  fitting: undefined,
  profile: undefined,
  candidates: undefined,
  groups: undefined,
  front: undefined,
  entries: [
    { choices: ["kivi:K8V8", "kivi:K8V8"], kl: 0.001, klStandardError: 0 },
    { choices: ["kivi:K8V8", "kivi:K2V2"], kl: 0.3, klStandardError: 0 },
    { choices: ["kivi:K4V4", "kivi:K4V4"], kl: 0.02, klStandardError: 0 },
  ],
  plan: undefined,
};

test("Markdown has the numbers of each chart, and names are escaped", async () => {
  const data = reportData(study, {});
  const text = renderMarkdown(data);
  expect(text).toMatch(/^# a\\\|b \\<i\\>c\\<\/i\\> # d: KVTuner report\n\n## /);
  const rows = text.split("\n").filter((line) => line.includes("0.0200"));
  expect(rows.length).toBeGreaterThan(0);
  for (const row of rows) expect(row).toMatch(/^\| .* \|$/);
  const charts = await renderCharts(data);
  expect(text.match(/^## /gm)).toHaveLength(charts.length);
  expect((await renderReport(data)).match(/<figure>/g)).toHaveLength(charts.length);
});

test("an estimated profile names its measure, and says how far it was off", async () => {
  const errors = { key: [0], value: [0], attention: [0], output: [0] };
  const halves = [
    { id: "kivi:K2V16", estimate: 0.1, standardError: 0.01, outputError: 0.5, kl: 0.42 },
    { id: "kivi:K16V2", estimate: 0.2, standardError: 0.01, outputError: 0.1 },
  ];
  const candidates = ["kivi:K8V8", "kivi:K4V4", "kivi:K2V2"].map((id, index) => ({
    id,
    bits: 8 - index,
    errors,
    estimate: [0.001, 0.017, 0.62][index]!,
  }));
  const layers = [0, 1].map((layer) => ({ layer, candidates, halves }));
  const profile = { version: 1 as const, shape: study.settings.shape, contextLength: 4096, layers };
  const settings: StudyContents["settings"] = { ...study.settings, measure: "gradient" };
  const page = await renderReport(reportData({ ...study, settings, profile }, {}));
  expect(page).toContain("Estimated KL of the layer alone");
  expect(page).toContain("2 of 4 cases were also measured: 4.2 to 4.2 times the estimate.");
  expect(page).toContain("0.0170");
});

test("bytes of a plan's static tables are told apart from those of its cache", async () => {
  const { model, shape } = study.settings;
  const plan = uniformPlan(model, shape, layerScheme("kivi", { key: 4, value: 4 }));
  const table: Asset = { name: "mean", dtype: "uint8", shape: [2000], data: new Uint8Array(2000) };
  const pages = await Promise.all(
    [plan, { ...plan, assets: [table] }].map((picked) => renderReport(reportData({ ...study, plan: picked }, {}))),
  );
  const sentence = " Its static tables take 2.00 KB at any length.";
  expect(pages[1]).toContain(sentence);
  expect(pages[1]?.replace(sentence, "")).toBe(pages[0]);
});

test("layers are named by their numbers in the model", () => {
  const recurrent = [0, 1, 3].map((place) => ({ place, kind: "short convolution", stateBytes: 8 }));
  const shape = { ...study.settings.shape, recurrent };
  const errors = { key: [0], value: [0], attention: [0], output: [0] };
  const candidates = ["kivi:K8V8", "kivi:K4V4", "kivi:K2V2"].map((id) => ({ id, bits: 8, errors, kl: 0.125 }));
  const layers = [0, 1].map((layer) => ({ layer, candidates }));
  const profile = { version: 1 as const, shape, contextLength: 4096, layers };
  const text = renderMarkdown(reportData({ ...study, settings: { ...study.settings, shape }, profile }, {}));
  expect(text).toContain("| 2 | 4 | 0.00 |");
  expect(text).toMatch(/\| 2 +\| 0\.125[^]*\| 4 +\| 0\.125/);
});

test("lines of a long plan are named by the numbers of their layers in the model", async () => {
  // Every other of 80 layers has a cache.
  const recurrent = Array.from({ length: 40 }, (_, layer) => ({ place: 2 * layer, kind: "delta", stateBytes: 8 }));
  const shape = { ...study.settings.shape, layers: 40, recurrent };
  const plan = uniformPlan(study.settings.model, shape, layerScheme("kivi", { key: 4, value: 4 }));
  const page = await renderReport(
    reportData({ ...study, entries: [], settings: { ...study.settings, shape }, plan }, {}),
  );
  for (const line of ["keys 1-71", "values 1-71", "keys 73-79", "values 73-79"]) expect(page).toContain(`>${line}<`);
});
