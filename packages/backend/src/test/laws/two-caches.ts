import { withSubject } from "../backend-under-test.ts";
import type { Law } from "../law.ts";
import { CheckedCache } from "../rig/checked-cache.ts";
import { planOf, sampleLayers, smallShape } from "../rig/samples.ts";

/** Caches share only the backend. */
export const twoCachesLaw: Law = {
  name: "keeps caches apart: in turns, concurrently, and after one is disposed of",
  check: (options) =>
    withSubject(options, async (subject) => {
      const shape = smallShape(subject);
      const layers = sampleLayers(subject);
      const first = await CheckedCache.create(subject, shape, planOf(shape, ...layers), 1);
      const second = await CheckedCache.create(subject, shape, planOf(shape, ...layers), 2);
      const third = await CheckedCache.create(subject, shape, planOf(shape, ...layers.toReversed()), 3);
      for (const tokens of [40, 1, 1, 7, 90]) {
        await first.append(tokens, 2 > tokens ? 1 : 2);
        await Promise.all([second.append(1), third.append(tokens, 1)]);
      }
      second.truncate(2);
      await third.cache.dispose();
      await first.append(3);
      await second.append(50, 2);
      for (const checked of [first, second]) await checked.assertStored();
    }),
};
