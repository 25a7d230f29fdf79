import type { Backend, SchemeFamily } from "@kvtuner/backend";
import { LAWS } from "@kvtuner/backend/test";
import type { AffineScheme, Asset, LayerScheme } from "@kvtuner/plan";
import { expect, test } from "vitest";
import { createReferenceBackend } from "./reference-backend.ts";

/** Of the head size that the suite attends with. */
const HEAD_SIZE = 128;

/** A reflection. */
const TABLE: Asset = {
  name: "turn",
  dtype: "float32",
  shape: [1, HEAD_SIZE, HEAD_SIZE],
  data: Float32Array.from({ length: HEAD_SIZE ** 2 }, (_, index) => {
    const [row, column] = [Math.floor(index / HEAD_SIZE), index % HEAD_SIZE];
    return Number(row === column) - 2 / HEAD_SIZE;
  }),
};

const TURNED: AffineScheme = {
  kind: "affine",
  bits: 2,
  format: "affine",
  axis: "token",
  groupSize: "head",
  blockSize: 1,
  transform: "turn",
  clip: 0.96,
  clipRule: "magnitude",
};

const LAYER: LayerScheme = {
  key: TURNED,
  value: { ...TURNED, bits: 3, format: "symmetric", groupSize: 32, blockSize: 4, parameters: "two-level" },
  residency: { kind: "prefix", sinks: 1, recent: 5 },
};

/** Few schemes beside the one to check. */
const FAMILY: SchemeFamily = {
  kind: "affine",
  bits: [2],
  formats: ["affine"],
  axis: "token",
  groupSizes: ["head"],
  transforms: ["none"],
};

const createBackend = (): Backend => {
  const backend = createReferenceBackend();
  return { ...backend, capabilities: { ...backend.capabilities, key: [FAMILY], value: [FAMILY] } };
};

test("codes of rotated heads, clipped and with parameters in two levels, are stored as the oracle says", async () => {
  const options = { name: "turned", createBackend, assets: [TABLE], schemes: [LAYER], tolerance: 1e-6 };
  await expect(LAWS.schemes.check(options)).resolves.toBeUndefined();
});
