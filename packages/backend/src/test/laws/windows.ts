import type { LayerScheme } from "@kvtuner/plan";
import { OutOfMemoryError } from "../../append.ts";
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
      await checkCases(sampleLayers(subject, 2).flatMap(beyondCounting), layerName, (layer) =>
        checkBeyondCounting(subject, layer),
      );
    }),
};

/** Windows, sinks and blocks that plans may have, and that 32 bits cannot count. */
const beyondCounting = (layer: LayerScheme): LayerScheme[] => [
  { ...layer, window: 2 ** 32 },
  { ...layer, sinks: 2 ** 32 + 1 },
  { ...layer, window: 2 ** 31, sinks: 2 ** 31 },
  { ...layer, key: { ...layer.key, blockSize: 2 ** 32 * layer.key.blockSize } },
  { ...layer, value: { ...layer.value, blockSize: 2 ** 32 * layer.value.blockSize + layer.value.blockSize } },
];

/** Nothing is quantized, unless the backend has no room for such a layer, and says so. */
const checkBeyondCounting = async (subject: Subject, layer: LayerScheme): Promise<void> => {
  const shape = smallShape(subject, { layers: 1, queryHeads: 2, kvHeads: 1 });
  try {
    const checked = await CheckedCache.create(subject, shape, planOf(shape, layer));
    for (const tokens of [40, 1]) await checked.append(tokens);
    await checked.assertStored();
    await checked.cache.dispose();
  } catch (error) {
    if (!(error instanceof OutOfMemoryError)) throw error;
  }
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
