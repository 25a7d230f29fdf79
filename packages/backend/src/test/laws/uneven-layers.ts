import { type CacheShape, layerScheme } from "@kvtuner/plan";
import { type Subject, withSubject } from "../backend-under-test.ts";
import type { Law } from "../law.ts";
import { CheckedCache } from "../rig/checked-cache.ts";
import { assertRefused } from "../rig/refusals.ts";
import { claimedHeadSizes, isClaimed, planOf, sampleLayers, smallShape } from "../rig/samples.ts";

/** Layers that differ in query heads, KV heads and head size. */
export const unevenLayersLaw: Law = {
  name: "stores layers of different sizes as if each were alone, or refuses the model",
  check: (options) =>
    withSubject(options, async (subject) => {
      const { backend } = subject;
      const shape = unevenShape(subject);
      if (backend.capabilities.unevenLayers) return checkLayers(subject, shape);
      await assertRefused("layers of different sizes", ["BACKEND_UNSUPPORTED_SHAPE"], () =>
        backend.createCache(shape, planOf(shape, ...sampleLayers(subject, 3))),
      );
    }),
};

/** Some layers are smaller than the first and some larger, and no two are alike. */
const unevenShape = (subject: Subject): CacheShape => {
  const [headSize, larger = headSize] = claimedHeadSizes(subject.backend.capabilities).toSorted((a, b) => a - b);
  const perLayer = [{}, { queryHeads: 3, kvHeads: 3 }, { headSize: larger!, kvHeads: 1 }, { queryHeads: 8 }];
  return { ...smallShape(subject), layers: perLayer.length, headSize: headSize!, perLayer };
};

/** Starts in 16 bits where they are claimed, so that any plan is coarser. */
const checkLayers = async (subject: Subject, shape: CacheShape): Promise<void> => {
  const exact = layerScheme("per-token", { key: 16, value: 16 });
  const coded = sampleLayers(subject, 3);
  const first = isClaimed(subject, exact) ? [exact] : coded;
  const checked = await CheckedCache.create(subject, shape, planOf(shape, ...first));
  await checked.append(70, 20);
  await checked.retune(planOf(shape, ...coded));
  await checked.append(100, 20);
  await checked.append(1);
  await checked.assertStored();
  await checked.restore();
  await checked.append(2);
  checked.truncate(60);
  await checked.append(1);
  await checked.assertStored();
  await checked.cache.dispose();
};
