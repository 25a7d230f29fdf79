import { bitsOf, type LayerScheme } from "@kvtuner/plan";
import { type Subject, withSubject } from "../backend-under-test.ts";
import { checkCases, type Law } from "../law.ts";
import { CheckedCache } from "../rig/checked-cache.ts";
import { farOutCall } from "../rig/random-rows.ts";
import {
  claimedHeadSizes,
  claimedModes,
  fullLength,
  layerName,
  planOf,
  sampleLayers,
  smallShape,
} from "../rig/samples.ts";

/** Scores in the thousands that differ by a few: sums in 32 bits and rounded factors lose the difference. */
export const farOutLaw: Law = {
  name: "stays within the tolerance with queries and keys that are large in some channels",
  check: (options) =>
    withSubject(options, async (subject) => {
      const modes = claimedModes(subject).filter(({ key, value }) => bitsOf(key) === bitsOf(value));
      await checkCases([...modes, ...sampleLayers(subject, 2)], layerName, (layer) => checkLayer(subject, layer));
    }),
};

/** Minimum tokens before the compared ones; enough for two keys to come close. */
const HISTORY = 165;

const headSizeOf = ({ backend }: Subject): number => {
  const sizes = claimedHeadSizes(backend.capabilities);
  return sizes.includes(64) ? 64 : Math.min(...sizes);
};

const checkLayer = async (subject: Subject, layer: LayerScheme): Promise<void> => {
  const shape = smallShape(subject, { layers: 1, kvHeads: 1, headSize: headSizeOf(subject) });
  const checked = await CheckedCache.create(subject, shape, planOf(shape, layer));
  await checked.attend(0, farOutCall(shape, Math.max(fullLength(layer), HISTORY) + 120, 1), 120);
  await checked.attend(0, farOutCall(shape, 1, 2));
  await checked.cache.dispose();
};
