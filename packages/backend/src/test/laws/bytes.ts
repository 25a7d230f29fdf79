import { withSubject } from "../backend-under-test.ts";
import { checkCases, type Law } from "../law.ts";
import { CheckedCache } from "../rig/checked-cache.ts";
import { layerName, planOf, sampleLayers, smallShape } from "../rig/samples.ts";

/** `bytes()` is exact. Every append compares it; this law passes every length, up and down. */
export const bytesLaw: Law = {
  name: "takes the plan's bytes, part by part, at every length",
  check: (options) =>
    withSubject(options, async (subject) => {
      await checkCases(sampleLayers(subject), layerName, async (layer) => {
        const shape = smallShape(subject, { queryHeads: 1, kvHeads: 1 });
        const checked = await CheckedCache.create(subject, shape, planOf(shape, layer, ...sampleLayers(subject, 1)));
        checked.assertCounts();
        for (let length = 1; length <= 200; length++) await checked.append(1, 0);
        for (let length = 199; length >= 0; length -= 7) checked.truncate(length);
        checked.truncate(0);
        await checked.append(3);
        await checked.cache.dispose();
      });
    }),
};
