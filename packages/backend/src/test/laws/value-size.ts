import type { CacheShape } from "@kvtuner/plan";
import { type Subject, withSubject } from "../backend-under-test.ts";
import { checkCases, type Law } from "../law.ts";
import { CheckedCache } from "../rig/checked-cache.ts";
import { assertRefused } from "../rig/refusals.ts";
import { claimedHeadSizes, layerName, planOf, sampleLayers, smallShape } from "../rig/samples.ts";

/** Values of another size than keys. */
export const valueSizeLaw: Law = {
  name: "stores values smaller or larger than keys in their own size, or refuses the model",
  check: (options) =>
    withSubject(options, async (subject) => {
      const { backend } = subject;
      const [small, large] = valueSizes(subject);
      if (backend.capabilities.attention?.valueSize)
        return checkCases(
          sampleLayers(subject).flatMap((layer) => [small, large].map((shape) => ({ layer, shape }))),
          ({ layer, shape }) => `keys of ${shape.headSize}, values of ${shape.valueSize}, ${layerName(layer)}`,
          ({ layer, shape }) => checkCase(subject, shape, layer),
        );
      for (const shape of [small, large])
        await assertRefused("values of another size than keys", ["BACKEND_UNSUPPORTED_SHAPE"], () =>
          backend.createCache(shape, planOf(shape, ...sampleLayers(subject, 2))),
        );
    }),
};

/** Values smaller and larger than keys. */
const valueSizes = (subject: Subject): readonly [CacheShape, CacheShape] => {
  const [one, other = 2 * one!] = claimedHeadSizes(subject.backend.capabilities).toSorted((a, b) => a - b);
  const shape = smallShape(subject);
  return [
    { ...shape, headSize: other, valueSize: one! },
    { ...shape, headSize: one!, valueSize: other },
  ];
};

const checkCase = async (subject: Subject, shape: CacheShape, layer: Parameters<typeof planOf>[1]): Promise<void> => {
  const checked = await CheckedCache.create(subject, shape, planOf(shape, layer, ...sampleLayers(subject, 1)));
  await checked.append(165, 3);
  await checked.append(1);
  await checked.assertStored();
  await checked.restore();
  await checked.append(2);
  checked.truncate(70);
  await checked.append(1);
  await checked.assertStored();
  await checked.cache.dispose();
};
