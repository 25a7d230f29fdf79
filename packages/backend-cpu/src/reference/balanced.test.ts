import type { Backend, SchemeFamily } from "@kvtuner/backend";
import { LAWS } from "@kvtuner/backend/test";
import type { Asset, LayerScheme, SchemeOf } from "@kvtuner/plan";
import { expect, test } from "vitest";
import { createReferenceBackend } from "./reference-backend.ts";

/** Head size of the law of schemes. */
const HEAD_SIZE = 128;

const ORDER: Asset = {
  name: "order",
  dtype: "float32",
  shape: [1, HEAD_SIZE],
  data: Float32Array.from({ length: HEAD_SIZE }, (_, place) => (37 * place + 5) % HEAD_SIZE),
};

/** Schemes for the laws: those without a table of a head's size. */
const FAMILY = {
  kind: "balanced",
  fields: {
    bits: [2],
    axis: ["token", "channel"],
    groupSize: ["row"],
    blockSize: ["count"],
    transform: ["none", "hadamard"],
    balance: ["variance", "largest"],
    order: ["none"],
    clip: [1],
    parameters: ["float16"],
  },
} as const satisfies SchemeFamily;

const REORDERED: SchemeOf<"balanced"> = {
  kind: "balanced",
  bits: 2,
  axis: "token",
  groupSize: 32,
  blockSize: 4,
  transform: "none",
  balance: "none",
  order: "order",
  clip: 0.92,
  parameters: "float8",
};

const LAYER: LayerScheme = {
  key: REORDERED,
  value: { ...REORDERED, bits: 1.5 },
  residency: { kind: "prefix", sinks: 5, recent: 7 },
};

/** The reference backend, with only this codec visible to the laws. */
const createBackend = (families: readonly SchemeFamily[]): Backend => {
  const backend = createReferenceBackend();
  return { ...backend, capabilities: { ...backend.capabilities, key: families, value: families } };
};

test("the codec balanced keeps the law of schemes, with reordered channels too", async () => {
  const reordered: SchemeFamily = {
    kind: "balanced",
    fields: {
      ...FAMILY.fields,
      groupSize: ["count"],
      balance: ["none"],
      order: ["order"],
      clip: ["share"],
      parameters: ["float8"],
    },
  };
  const options = {
    name: "balanced",
    createBackend: () => createBackend([FAMILY, reordered]),
    assets: [ORDER],
    schemes: [LAYER],
    tolerance: 1e-6,
  };
  await expect(LAWS.schemes.check(options)).resolves.toBeUndefined();
});
