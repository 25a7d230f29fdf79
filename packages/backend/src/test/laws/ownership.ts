import { withSubject } from "../backend-under-test.ts";
import { assertLaw, type Law } from "../law.ts";
import { appended } from "../oracle/oracle-cache.ts";
import { CheckedCache } from "../rig/checked-cache.ts";
import { planOf, sampleLayers, smallShape } from "../rig/samples.ts";
import { callTensors, outputNumbers } from "../rig/tensors.ts";

/** Tensors belong to the caller, before and after. */
export const ownershipLaw: Law = {
  name: "does not change its inputs, needs them only during the call, and gives its output away",
  check: (options) =>
    withSubject(options, async (subject) => {
      const shape = smallShape(subject, { layers: 1 });
      for (const layer of sampleLayers(subject)) {
        const checked = await CheckedCache.create(subject, shape, planOf(shape, layer));
        const call = checked.nextCall(40);
        const tensors = callTensors(call);
        const output = await checked.cache.attend(0, ...tensors);
        const kept = await outputNumbers(output, shape, 40);
        for (const [index, name] of (["query", "key", "value"] as const).entries()) {
          const numbers = tensors[index]!.data as Float32Array;
          assertLaw(
            numbers.every((number, place) => number === call[name][place]),
            `expected the ${name} to stay unchanged`,
          );
          numbers.fill(1e9);
        }
        checked.oracle = appended(checked.oracle, 0, call.key, call.value);
        await checked.append(40, 1);
        await checked.assertStored();
        const later = await outputNumbers(output, shape, 40);
        assertLaw(
          later.every((number, place) => number === kept[place]),
          "expected an output to stay as it is after the next call; give a copy away",
        );
        await checked.cache.dispose();
      }
    }),
};
