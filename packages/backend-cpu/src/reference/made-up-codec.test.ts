import type { Backend, CachePlan, SchemeFamily } from "@kvtuner/backend";
import { LAWS } from "@kvtuner/backend/test";
import type { Asset } from "@kvtuner/plan";
import { expect, test } from "vitest";
import { levelLayer, tableOf, useLevelCodec } from "../test-support/level-codec.ts";
import { createReferenceBackend } from "./reference-backend.ts";

const ASSETS = [tableOf("even", 1), tableOf("dense/middle", 2)];

/** Schemes for the laws. */
const FAMILY = { kind: "levels", fields: { table: ["even", "dense/middle"], blockSize: ["count"] } };

const families = [FAMILY as unknown as SchemeFamily];

/** The reference backend, with only this codec visible to the laws. */
const createBackend = (): Backend => {
  const backend = createReferenceBackend();
  return { ...backend, capabilities: { ...backend.capabilities, key: families, value: families } };
};

useLevelCodec();

test.each(["schemes", "bytes", "retune", "snapshot", "random-operations"] as const)(
  "a codec of its own parts and assets, known to no store, keeps the law of %s",
  async (name) => {
    const options = { name: "levels", createBackend, assets: ASSETS, tolerance: 1e-6 };
    await expect(LAWS[name].check(options)).resolves.toBeUndefined();
  },
);

const SHAPE = { layers: 1, queryHeads: 1, kvHeads: 1, headSize: 32 };

const LAYERS = [levelLayer("even")];

test("a plan is refused without the assets of its schemes, and a snapshot with others of the same names", async () => {
  const backend = createReferenceBackend();
  const withAssets = (...assets: readonly Asset[]): CachePlan => ({ shape: SHAPE, layers: LAYERS, assets });
  for (const assets of [[], [tableOf("eve", 1)]])
    await expect(backend.createCache(SHAPE, withAssets(...assets))).rejects.toMatchObject({
      code: "PLAN_ASSET_UNKNOWN",
      message: expect.stringMatching(/asset even for levels of even, block 2, got (none|eve);/) as string,
    });
  const cache = await backend.createCache(SHAPE, withAssets(...ASSETS));
  await expect(
    backend.restoreCache(SHAPE, withAssets(tableOf("even", 3), ASSETS[1]!), await cache.snapshot()),
  ).rejects.toMatchObject({ code: "SNAPSHOT_FOREIGN" });
});
