import { blockTokens, type LayerScheme } from "@kvtuner/plan";
import { type Subject, withSubject } from "../backend-under-test.ts";
import { checkCases, type Law } from "../law.ts";
import { CheckedCache } from "../rig/checked-cache.ts";
import { claimedModes, layerName, planOf, smallShape } from "../rig/samples.ts";

/** The named modes, with different bits for keys and values. */
export const modesLaw: Law = {
  name: "attends as the oracle does under the named modes and every pair of bits it claims",
  check: (options) =>
    withSubject(options, async (subject) => {
      const layers = claimedModes(subject);
      await checkCases(layers, layerName, (layer) => checkMode(subject, layer));
    }),
};

const checkMode = async (subject: Subject, layer: LayerScheme): Promise<void> => {
  const shape = smallShape(subject, { layers: 1, queryHeads: 2, kvHeads: 1 });
  const checked = await CheckedCache.create(subject, shape, planOf(shape, layer));
  const prompt = layer.residency.sinks + layer.residency.recent + blockTokens(layer.key) - 1;
  if (prompt > 0) await checked.append(prompt, 1);
  await checked.append(1);
  await checked.append(2);
  await checked.cache.dispose();
};
