import { withSubject } from "../backend-under-test.ts";
import { checkCases, type Law } from "../law.ts";
import { CheckedCache } from "../rig/checked-cache.ts";
import { layerName, planOf, sampleLayers, smallShape } from "../rig/samples.ts";

const TOKENS = 175;

/** Ways to cut a prompt into calls. */
const SPLITS: readonly (readonly number[])[] = [
  [TOKENS],
  [1, TOKENS - 1],
  [64, 64, TOKENS - 128],
  [33, 1, 1, 100, TOKENS - 135],
  Array.from({ length: TOKENS }, () => 1),
];

/** Every query sees its own prefix, however a prompt is cut into calls. */
export const prefillLaw: Law = {
  name: "gives the same for a prompt in one piece, in pieces and token by token",
  check: (options) =>
    withSubject(options, async (subject) => {
      const cases = sampleLayers(subject).flatMap((layer) => SPLITS.map((split) => ({ layer, split })));
      await checkCases(
        cases,
        ({ layer, split }) => `calls of ${split.slice(0, 5).join(", ")} tokens, ${layerName(layer)}`,
        async ({ layer, split }) => {
          const shape = smallShape(subject, { layers: 1, queryHeads: 2, kvHeads: 1 });
          const checked = await CheckedCache.create(subject, shape, planOf(shape, layer));
          for (const tokens of split) await checked.append(tokens);
          await checked.assertStored();
          await checked.cache.dispose();
        },
      );
    }),
};
