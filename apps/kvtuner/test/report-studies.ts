import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fakeModel } from "../src/test-support/fake-model.ts";
import { tune } from "../src/tune.ts";

const TEXT_CHARTS = ["front", "plan", "context", "sensitivity", "candidates", "groups"];

/** What a study scores plans on. */
export type StudyKind = "text" | "task";

/** Charts of a report, by what its study scores plans on. */
export const CHARTS: Readonly<Record<StudyKind, readonly string[]>> = {
  text: TEXT_CHARTS,
  task: ["accuracy", ...TEXT_CHARTS],
};

/** Small studies of a model with a name that would be markup. */
export interface ReportStudies {
  readonly folders: Readonly<Record<StudyKind, string>>;
  readonly remove: () => void;
}

const OPTIONS = { pairs: ["K8V8", "K8V4", "K4V4", "K4V2", "K2V2"], evaluations: 10, mode: "per-token" } as const;

const PROMPTS = 60;

/** Tunes on a text and on a task. */
export const reportStudies = async (): Promise<ReportStudies> => {
  const root = mkdtempSync(join(tmpdir(), "kvtuner-report-"));
  const folders = { text: join(root, "text"), task: join(root, "task") };
  const identity = { name: "<script>window.broken = true</script>", architecture: "llama" };
  const model = { ...fakeModel(), identity };
  const limit = { kind: "bits", bits: 5 } as const;
  await tune({ model, out: folders.text, ...OPTIONS, samples: 1, sampleLength: 64, limit });
  const equivalent = { kind: "equivalent-bits", bits: 4 } as const;
  await tune({ model, out: folders.task, ...OPTIONS, task: taskFile(root), limit: equivalent });
  return { folders, remove: () => rmSync(root, { recursive: true, force: true }) };
};

const taskFile = (root: string): string => {
  const path = join(root, "task.jsonl");
  const lines = Array.from({ length: PROMPTS }, (_, index) => ({ prompt: `${index}?`, answer: "yes" }));
  writeFileSync(path, lines.map((line) => JSON.stringify({ ...line, compare: "exact" })).join("\n"));
  return path;
};
