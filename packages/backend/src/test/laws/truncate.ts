import { type Subject, withSubject } from "../backend-under-test.ts";
import { checkCases, type Law } from "../law.ts";
import { CheckedCache } from "../rig/checked-cache.ts";
import { assertRefused } from "../rig/refusals.ts";
import { layerName, planOf, sampleLayers, samplePlan, smallShape } from "../rig/samples.ts";

/** Lengths to truncate to from 180 tokens: within the recent tokens, a block, the sinks, to nothing, and no change. */
const LENGTHS = [180, 179, 150, 131, 100, 37, 3, 1, 0];

/** Truncates, then appends again. */
export const truncateLaw: Law = {
  name: "truncates to any length and continues as if the rest had never been appended, except for decoded tokens",
  check: (options) =>
    withSubject(options, async (subject) => {
      const cases = sampleLayers(subject).flatMap((layer) => LENGTHS.map((length) => ({ layer, length })));
      await checkCases(
        cases,
        ({ layer, length }) => `truncate(${length}), ${layerName(layer)}`,
        async ({ layer, length }) => {
          const shape = smallShape(subject, { layers: 1, queryHeads: 2, kvHeads: 1 });
          const checked = await CheckedCache.create(subject, shape, planOf(shape, layer));
          await checked.append(180, 1);
          checked.truncate(length);
          await checked.assertStored();
          await checked.append(1);
          await checked.append(90, 2);
          await checked.assertStored();
          await checked.cache.dispose();
        },
      );
      await checkRefusals(subject);
    }),
};

const checkRefusals = async (subject: Subject): Promise<void> => {
  const plan = samplePlan(subject);
  const checked = await CheckedCache.create(subject, plan.shape, plan);
  await checked.append(40, 1);
  for (const length of [-1, 41, 1.5, NaN])
    await assertRefused(`truncate(${length}) of 40 tokens`, ["BACKEND_TRUNCATE"], () => checked.cache.truncate(length));
  await checked.assertStored();
  await checked.append(1);
};
