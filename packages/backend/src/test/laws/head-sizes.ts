import { withSubject } from "../backend-under-test.ts";
import { checkCases, type Law } from "../law.ts";
import { CheckedCache } from "../rig/checked-cache.ts";
import { claimedHeadSizes, layerName, planOf, sampleLayers, smallShape } from "../rig/samples.ts";

/** Every claimed head size, power of two or not. */
export const headSizesLaw: Law = {
  name: "attends as the oracle does with every head size it claims",
  check: (options) =>
    withSubject(options, async (subject) => {
      const cases = claimedHeadSizes(subject.backend.capabilities).flatMap((headSize) =>
        sampleLayers(subject).map((layer) => ({ headSize, layer })),
      );
      await checkCases(
        cases,
        ({ headSize, layer }) => `head size ${headSize}, ${layerName(layer)}`,
        async ({ headSize, layer }) => {
          const shape = smallShape(subject, { headSize, layers: 1, queryHeads: 2, kvHeads: 1 });
          const checked = await CheckedCache.create(subject, shape, planOf(shape, layer));
          await checked.append(165, 3);
          await checked.append(2);
          await checked.assertStored();
          await checked.cache.dispose();
        },
      );
    }),
};
