import type { Backend, SchemeFamily } from "@kvtuner/backend";
import { LAWS } from "@kvtuner/backend/test";
import type { Asset, LayerScheme, SchemeOf } from "@kvtuner/plan";
import { expect, test } from "vitest";
import { createReferenceBackend } from "./reference-backend.ts";

/** Head size of the law of schemes. */
const HEAD_SIZE = 128;

const table = (name: string, shape: readonly number[], numberAt: (index: number) => number): Asset => ({
  name,
  dtype: "float32",
  shape,
  data: Float32Array.from({ length: shape.reduce((product, size) => product * size, 1) }, (_, index) =>
    numberAt(index),
  ),
});

const ASSETS = [
  table("levels", [8], (index) => Math.sign(index - 3.5) * (Math.abs(index - 3.5) / 3.5) ** 2),
  table("turns", [8], (pair) => 10_000 ** (-pair / 8)),
  table("offline", [1, 2, HEAD_SIZE], (index) => (index < HEAD_SIZE ? 1 + (index % 3) : (index % 5) - 2)),
];

/** Schemes for the laws: those without tables of a head's size. */
const FAMILY = {
  kind: "codebook",
  fields: {
    bits: [3],
    levels: ["levels"],
    scales: ["dynamic"],
    outliers: [0, 0.01],
    stage: ["as-given", "before-rope"],
    frequencies: ["none", "turns"],
    pairing: ["none", "neighbours"],
    blockSize: ["count"],
  },
} as const satisfies SchemeFamily;

const OFFLINE: SchemeOf<"codebook"> = {
  kind: "codebook",
  bits: 3,
  levels: "levels",
  scales: "offline",
  outliers: 0.001,
  stage: "before-rope",
  frequencies: "turns",
  pairing: "halves",
  blockSize: 24,
};

const LAYER: LayerScheme = { key: OFFLINE, value: OFFLINE, residency: { kind: "prefix", sinks: 1, recent: 5 } };

/** The reference backend, with only this codec visible to the laws. */
const createBackend = (): Backend => {
  const backend = createReferenceBackend();
  return { ...backend, capabilities: { ...backend.capabilities, key: [FAMILY], value: [FAMILY] } };
};

test.each(["sliding", "random-operations"] as const)("the codec codebook keeps the law of %s", async (name) => {
  await expect(
    LAWS[name].check({ name: "codebook", createBackend, assets: ASSETS, tolerance: 1e-6 }),
  ).resolves.toBeUndefined();
});

test("the codec codebook keeps the law of schemes, with scales per channel too", async () => {
  const families = [{ ...FAMILY, fields: { ...FAMILY.fields, scales: ["dynamic", "offline"] } }];
  const withOffline = (): Backend => {
    const backend = createBackend();
    return { ...backend, capabilities: { ...backend.capabilities, key: families, value: families } };
  };
  const options = { name: "codebook", createBackend: withOffline, assets: ASSETS, schemes: [LAYER], tolerance: 1e-6 };
  await expect(LAWS.schemes.check(options)).resolves.toBeUndefined();
});
