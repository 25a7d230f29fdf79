import type { Backend, CachePlan } from "@kvtuner/backend";
import { FLOAT16, KvtunerError } from "@kvtuner/plan";
import { expect, test, vi } from "vitest";
import { memoryStorage } from "../storage/memory-storage.ts";
import type { TunableModel } from "../tunable-model.ts";
import { studyOptions } from "./options.ts";
import { tuneModel, type Tuning } from "./tune-model.ts";

const forbidden = (): never => expect.fail("the model ran");

/** Encodes a text; must not run. */
const model: TunableModel = {
  identity: { name: "m", architecture: "llama" },
  shape: { layers: 2, queryHeads: 2, kvHeads: 1, headSize: 32 },
  encode: (text) => Int32Array.from(text, (character) => character.charCodeAt(0)),
  continuations: forbidden,
  evaluator: forbidden,
  trace: forbidden,
  dispose: async () => undefined,
};

const good: Tuning = {
  study: studyOptions({ mode: "per-token", pairs: ["K8V8", "K2V2"], samples: 1, sampleLength: 8 }),
  limit: { kind: "knee" },
  text: "a text of enough characters",
};

/** A backend that stores nothing coded. */
const lacking = {
  name: "lacking",
  capabilities: { key: [FLOAT16], value: [FLOAT16], headSizes: "any", maxCacheBytes: 1e9, maxTokens: 1e6 },
  dispose: vi.fn<() => Promise<void>>(async () => undefined),
} as unknown as Backend;

const noBackend = (caches: readonly CachePlan[]): Promise<never> =>
  Promise.reject(new KvtunerError("NO_BACKEND", `none for ${caches.length}`));

test.each([
  ["a text that is too short", "EVALUATION_TEXT_TOO_SHORT", { text: "short" }, {}],
  ["a limit that no plan keeps to", "BUDGET_TOO_SMALL", { limit: { kind: "bits", bits: 0.1 } }, {}],
  [
    "a task of a model without support",
    "MODEL_NO_TASKS",
    { task: { request: {}, files: [], shotsFrom: undefined } },
    {},
  ],
  [
    "gradients of a model without them",
    "OPTION_INVALID",
    { study: studyOptions({ measure: "gradient", mode: "per-token", pairs: ["K8V8"], samples: 1, sampleLength: 8 }) },
    {},
  ],
  ["a backend that does not open", "NO_BACKEND", {}, { openBackend: noBackend }],
  [
    "a backend that lacks a scheme",
    "BACKEND_UNSUPPORTED_SCHEME",
    {},
    { openBackend: async () => ({ backend: lacking, dispose: async () => lacking.dispose() }) },
  ],
] as const)("%s leaves no study behind, and nothing is measured", async (_, code, bad, given) => {
  const storage = memoryStorage();
  const hooks = { progress: () => undefined, warn: () => undefined, ...given };
  await expect(tuneModel(model, { ...good, ...bad }, storage, hooks)).rejects.toMatchObject({ code });
  expect(await storage.list()).toEqual([]);
  expect(lacking.dispose).toHaveBeenCalledTimes(code === "BACKEND_UNSUPPORTED_SCHEME" ? 1 : 0);
});

test("a backend that cannot be disposed of does not hide the first error", async () => {
  const failing = async (): Promise<never> => {
    throw new Error("not disposed");
  };
  const openBackend = async (): Promise<{ backend: Backend; dispose: () => Promise<never> }> => ({
    backend: lacking,
    dispose: failing,
  });
  const hooks = { progress: () => undefined, warn: () => undefined, openBackend };
  await expect(tuneModel(model, good, memoryStorage(), hooks)).rejects.toMatchObject({
    code: "BACKEND_UNSUPPORTED_SCHEME",
  });
});

test("warns about difficult keys before it measures anything", async () => {
  const channels = (count: number, mean: number): { mean: Float64Array; deviation: Float64Array } => ({
    mean: Float64Array.from({ length: count }, (_, channel) => (channel === 0 ? mean : 0)),
    deviation: new Float64Array(count).fill(1),
  });
  const distributions = async (): Promise<{ query: object; key: object }[]> =>
    [0, 5000].map((bias) => ({ query: channels(64, 0), key: channels(32, bias) }));
  const warn = vi.fn<(message: string) => void>();
  const hooks = { progress: () => undefined, warn, openBackend: noBackend };
  const difficult = { ...model, distributions } as TunableModel;
  await expect(tuneModel(difficult, good, memoryStorage(), hooks)).rejects.toMatchObject({ code: "NO_BACKEND" });
  expect(warn).toHaveBeenCalledWith(expect.stringMatching(/^keys of layer 1 are hard .*use .*kivi:K4/));
});

test("warns about a limit of equivalent bits while layers of different bytes are searched by bytes", async () => {
  const limit = { kind: "equivalent-bits", bits: 4 } as const;
  const sliding = { ...model.shape, perLayer: [{ span: 8 }, {}] };
  const warnings = async (shape: TunableModel["shape"], cost: "true" | "equivalent"): Promise<string[]> => {
    const warn = vi.fn<(message: string) => void>();
    const hooks = { progress: () => undefined, warn, openBackend: noBackend };
    const study = { ...good.study, cost };
    const failed = tuneModel({ ...model, shape }, { ...good, study, limit }, memoryStorage(), hooks);
    await expect(failed).rejects.toMatchObject({ code: "NO_BACKEND" });
    return warn.mock.calls.map(([message]) => message).filter((message) => message.includes("--cost equivalent"));
  };
  expect(await warnings(sliding, "true")).toHaveLength(1);
  expect(await warnings(sliding, "equivalent")).toEqual([]);
  expect(await warnings(model.shape, "true")).toEqual([]);
});
