import { withSubject } from "../backend-under-test.ts";
import { checkCases, type Law } from "../law.ts";
import { CheckedCache } from "../rig/checked-cache.ts";
import { layerName, planOf, sampleLayers, smallShape } from "../rig/samples.ts";

/** Query heads read the KV head of their group. */
export const headGroupsLaw: Law = {
  name: "reads the right KV head with 1, 3, 4 and 8 query heads for each",
  check: (options) =>
    withSubject(options, async (subject) => {
      const cases = sampleLayers(subject, 3).flatMap((layer) =>
        [1, 3, 4, 8].flatMap((ratio) => [1, 2, 3].map((kvHeads) => ({ layer, ratio, kvHeads }))),
      );
      await checkCases(
        cases,
        ({ layer, ratio, kvHeads }) => `${ratio} query heads for each of ${kvHeads} KV heads, ${layerName(layer)}`,
        async ({ layer, ratio, kvHeads }) => {
          const shape = smallShape(subject, { layers: 1, kvHeads, queryHeads: ratio * kvHeads });
          const checked = await CheckedCache.create(subject, shape, planOf(shape, layer));
          await checked.append(70, 2);
          await checked.append(1);
          await checked.cache.dispose();
        },
      );
    }),
};
