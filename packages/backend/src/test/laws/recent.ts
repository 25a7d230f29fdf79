import { blockTokens, type LayerScheme, type TensorScheme } from "@kvtuner/plan";
import { OutOfMemoryError } from "../../append.ts";
import { type Subject, withSubject } from "../backend-under-test.ts";
import { checkCases, type Law } from "../law.ts";
import { CheckedCache } from "../rig/checked-cache.ts";
import { layerName, planOf, sampleLayers, smallShape } from "../rig/samples.ts";

/** Token by token through every state of sinks, recent tokens and half-full blocks. */
export const recentLaw: Law = {
  name: "keeps sinks, recent tokens and half-full blocks exact at every length from the first token",
  check: (options) =>
    withSubject(options, async (subject) => {
      const layers = sampleLayers(subject, 2).flatMap((layer) =>
        [0, 1, 5].flatMap((recent) => [0, 1, 4].map((sinks) => withPrefix(layer, sinks, recent))),
      );
      await checkCases(layers, layerName, (layer) => checkEveryLength(subject, layer));
      await checkCases(sampleLayers(subject, 2).flatMap(beyondCounting), layerName, (layer) =>
        checkBeyondCounting(subject, layer),
      );
    }),
};

/** Valid residencies and blocks that 32 bits cannot count. */
const beyondCounting = (layer: LayerScheme): LayerScheme[] => [
  withPrefix(layer, layer.residency.sinks, 2 ** 32),
  withPrefix(layer, 2 ** 32 + 1, layer.residency.recent),
  withPrefix(layer, 2 ** 31, 2 ** 31),
  { ...layer, key: inBlocks(layer.key, 2 ** 32) },
  { ...layer, value: inBlocks(layer.value, 2 ** 32 + 1) },
];

const withPrefix = (layer: LayerScheme, sinks: number, recent: number): LayerScheme => ({
  ...layer,
  residency: { kind: "prefix", sinks, recent },
});

/** The same scheme in far larger blocks. */
const inBlocks = (scheme: TensorScheme, times: number): TensorScheme =>
  "blockSize" in scheme ? { ...scheme, blockSize: times * scheme.blockSize } : scheme;

/** Nothing is quantized, unless the backend rejects the layer as too large. */
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
  const end = layer.residency.sinks + layer.residency.recent + 2 * Math.min(48, blockTokens(layer.key)) + 3;
  while (checked.length < end) await checked.append(1);
  await checked.assertStored();
  await checked.cache.dispose();
};
