import type { LayerScheme } from "@kvtuner/plan";
import { type Subject, withSubject } from "../backend-under-test.ts";
import { checkCases, type Law } from "../law.ts";
import { CheckedCache } from "../rig/checked-cache.ts";
import { layerName, planOf, sampleLayers, smallShape } from "../rig/samples.ts";

/** Token by token through every state of window, sinks and half-full blocks. */
export const windowsLaw: Law = {
  name: "keeps window, sinks and half-full blocks exact at every length from the first token",
  check: (options) =>
    withSubject(options, async (subject) => {
      const layers = sampleLayers(subject, 2).flatMap((layer) =>
        [0, 1, 5].flatMap((window) => [0, 1, 4].map((sinks) => ({ ...layer, window, sinks }))),
      );
      await checkCases(layers, layerName, (layer) => checkEveryLength(subject, layer));
    }),
};

const checkEveryLength = async (subject: Subject, layer: LayerScheme): Promise<void> => {
  const shape = smallShape(subject, { layers: 1, queryHeads: 2, kvHeads: 1 });
  const checked = await CheckedCache.create(subject, shape, planOf(shape, layer));
  checked.assertCounts();
  const end = layer.sinks + layer.window + 2 * Math.min(48, layer.key.blockSize) + 3;
  while (checked.length < end) await checked.append(1);
  await checked.assertStored();
  await checked.cache.dispose();
};
