import { bitsOf, type LayerScheme } from "@kvtuner/plan";
import { type Subject, withSubject } from "../backend-under-test.ts";
import { checkCases, type Law } from "../law.ts";
import { CheckedCache } from "../rig/checked-cache.ts";
import { CONSTANT_HEADS, constantCall } from "../rig/constant-rows.ts";
import { claimedModes, fullLength, layerName, planOf, sampleLayers, smallShape } from "../rig/samples.ts";

/** A group of equal numbers has scale zero: its codes say nothing, its minimum everything. */
export const constantGroupsLaw: Law = {
  name: "attends as the oracle does over groups of keys or values that are constant, nearly constant or zero",
  check: (options) =>
    withSubject(options, async (subject) => {
      const modes = claimedModes(subject).filter(
        ({ key, value }) => bitsOf(key) === bitsOf(value) && key.kind !== "float16",
      );
      await checkCases([...modes, ...sampleLayers(subject, 6)], layerName, (layer) => checkLayer(subject, layer));
    }),
};

const checkLayer = async (subject: Subject, layer: LayerScheme): Promise<void> => {
  const shape = smallShape(subject, { layers: 1, queryHeads: CONSTANT_HEADS, kvHeads: CONSTANT_HEADS });
  const checked = await CheckedCache.create(subject, shape, planOf(shape, layer));
  await checked.attend(0, constantCall(shape, fullLength(layer) + 24, 1), 2);
  await checked.attend(0, constantCall(shape, 1, 2));
  await checked.assertStored();
  await checked.cache.dispose();
};
