import type { LayerScheme } from "@kvtuner/plan";
import { type Subject, withSubject } from "../backend-under-test.ts";
import { assertLaw, checkCases, type Law } from "../law.ts";
import { CheckedCache } from "../rig/checked-cache.ts";
import { countAllocations } from "../rig/count-allocations.ts";
import { claimedHeadSizes, layerName, planOf, sampleLayers, smallShape } from "../rig/samples.ts";
import { callTensors } from "../rig/tensors.ts";

const TOKENS = 64;

/**
 * Counts the bytes that JavaScript allocates while the cache grows by half. (Attention reads the whole cache, so time says
 * little.) Scores need a few bytes per held token; copying or re-encoding what is held needs far more.
 */
export const appendCostLaw: Law = {
  name: "appends without copying or encoding again what it holds",
  check: (options) =>
    withSubject(options, async (subject) => {
      await checkCases(sampleLayers(subject, 3), layerName, (layer) => checkGrowth(subject, layer));
    }),
};

const checkGrowth = async (subject: Subject, layer: LayerScheme): Promise<void> => {
  const sizes = claimedHeadSizes(subject.backend.capabilities);
  const headSize = sizes.includes(64) ? 64 : Math.max(...sizes);
  const shape = smallShape(subject, { layers: 1, queryHeads: 2, kvHeads: 2, headSize });
  const checked = await CheckedCache.create(subject, shape, planOf(shape, layer));
  const calls = [checked.nextCall(2 * TOKENS), ...Array.from({ length: TOKENS }, () => checked.nextCall(1))];
  const [prompt, ...tokens] = calls.map(callTensors);
  await checked.cache.attend(0, ...prompt!);
  const heldBytes = checked.cache.bytes().total;
  const allocatedBytes = await countAllocations(async () => {
    for (const tensors of tokens) await checked.cache.attend(0, ...tensors);
  });
  const limitBytes =
    TOKENS * (SCRATCH_BYTES * shape.queryHeads * 3 * TOKENS + NEW_BYTES * shape.kvHeads * headSize) + 3 * heldBytes;
  assertLaw(
    allocatedBytes <= limitBytes,
    `expected at most ${limitBytes} bytes to be allocated by ${TOKENS} tokens on top of ${2 * TOKENS}, which take ${heldBytes}; got ${allocatedBytes}`,
  );
  await checked.cache.dispose();
};

/** Per query head and held token: scores and weights in double precision, with a margin. */
const SCRATCH_BYTES = 40;

/** Per number of a new token: rounding, encoding and decoding, some of it twice. */
const NEW_BYTES = 200;
