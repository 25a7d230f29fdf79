import { readdirSync } from "node:fs";
import { createCpuBackend, createReferenceBackend } from "@kvtuner/backend-cpu";
import { bufferSource, loadDecoder, openGguf } from "@kvtuner/decoder";
import { layerScheme } from "@kvtuner/plan";
import { expect, test } from "vitest";
import { familyGguf, familyModel } from "../../../packages/decoder/src/test-support/family-model.ts";
import { oneThreadSession } from "../../../packages/decoder/src/test-support/one-thread-session.ts";
import { evaluatorLogits, largestDifference, runtimeLogits } from "./runtime-logits.ts";

const fixtures = readdirSync(new URL("../../../packages/decoder/src/fixtures/families", import.meta.url)).map((file) =>
  file.replace(".json", ""),
);

const BACKENDS = [
  { backend: createReferenceBackend(), logits: 1e-4, keys: 1e-5 },
  // Its attention may be off by 1e-3 of the largest output, and the keys of the next layer follow from that.
  { backend: await createCpuBackend(), logits: 1e-3, keys: 1e-3 },
];

/** Sinks, coded tokens and recent ones, of which sliding layers leave some behind. */
const layer = layerScheme("per-token", { key: 4, value: 2 }, { sinks: 1, recent: 3 });
/** A prefill, a piece, then token by token. */
const cuts = [9, 16, 17, 18, 19, 20, 21, 22, 23];

test.each(fixtures)("the runtime's logits of %s are the evaluator's", async (name) => {
  const model = familyModel(name);
  const decoder = await loadDecoder(await openGguf(bufferSource(familyGguf(model))), {
    createSession: oneThreadSession,
    ...model.options,
  });
  const ids = Int32Array.from(model.ids);
  const plan = Array.from({ length: decoder.shape.layers }, () => layer);
  const expected = await evaluatorLogits(decoder, ids, plan);
  const scale = Math.max(1, ...expected.logits.map(Math.abs));
  for (const { backend, ...tolerance } of BACKENDS) {
    const { headSizes } = backend.capabilities;
    if (headSizes !== "any" && !headSizes.includes(decoder.shape.headSize)) continue;
    const cache = await backend.createCache(decoder.shape, { layers: plan, shape: decoder.shape });
    const run = await runtimeLogits(decoder, cache, ids, cuts, expected);
    expect(largestDifference(run.logits, expected.logits) / scale).toBeLessThan(tolerance.logits);
    expect(run.largestDifference).toBeLessThan(tolerance.keys);
    await cache.dispose();
  }
  await decoder.dispose();
});
