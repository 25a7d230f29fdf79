import type { LayerScheme } from "@kvtuner/plan";
import { type Subject, withSubject } from "../backend-under-test.ts";
import { checkCases, type Law } from "../law.ts";
import { CheckedCache } from "../rig/checked-cache.ts";
import { claimedHeadSizes, claimedLayers, fullLength, layerName, planOf, smallShape } from "../rig/samples.ts";

/** More cases than this are sampled evenly, except in heavy runs. */
const SAMPLE = 96;

/** The backend can do what `capabilities` says. */
export const schemesLaw: Law = {
  name: "attends and stores as the oracle does under every scheme it claims",
  check: (options) =>
    withSubject(options, async (subject) => {
      const headSize = middleHeadSize(subject);
      const all = claimedLayers(subject, headSize);
      const layers = options.heavy ? all : evenly(all, SAMPLE);
      await checkCases([...layers, ...(options.schemes ?? [])], layerName, (layer) =>
        checkLayer(subject, layer, headSize),
      );
    }),
};

/** Large enough for most groups. */
const middleHeadSize = ({ backend }: Subject): number => {
  const sizes = claimedHeadSizes(backend.capabilities);
  return sizes.includes(128) ? 128 : Math.max(...sizes);
};

const evenly = (layers: readonly LayerScheme[], count: number): readonly LayerScheme[] =>
  layers.length <= count
    ? layers
    : Array.from({ length: count }, (_, index) => layers[Math.floor((index * layers.length) / count)]!);

const checkLayer = async (subject: Subject, layer: LayerScheme, headSize: number): Promise<void> => {
  const shape = smallShape(subject, { headSize, layers: 1, queryHeads: 1, kvHeads: 1 });
  const checked = await CheckedCache.create(subject, shape, planOf(shape, layer));
  await checked.append(fullLength(layer) + 7, 3);
  await checked.append(1);
  await checked.assertStored();
  await checked.cache.dispose();
};
