import { withSubject } from "../backend-under-test.ts";
import { assertLaw, type Law } from "../law.ts";
import { CheckedCache } from "../rig/checked-cache.ts";
import { assertRefused } from "../rig/refusals.ts";
import { planOf, sampleLayers, smallShape } from "../rig/samples.ts";
import { callTensors } from "../rig/tensors.ts";

const CODES = ["BACKEND_LAYER_ORDER"];

/** A decoder runs its layers in order. */
export const layerOrderLaw: Law = {
  name: "accepts layers in order, counts the tokens that all hold, and truncates one that ran ahead",
  check: (options) =>
    withSubject(options, async (subject) => {
      const shape = smallShape(subject, { layers: 3 });
      const plan = planOf(shape, ...sampleLayers(subject));
      const checked = await CheckedCache.create(subject, shape, plan);
      await assertRefused("layer 1 before layer 0", CODES, () =>
        checked.cache.attend(1, ...callTensors(checked.nextCall(1))),
      );
      await checked.append(41, 1);
      await checked.attend(0, checked.nextCall(2));
      await checked.attend(0, checked.nextCall(1));
      await checked.attend(1, checked.nextCall(3));
      assertLength(checked, 41);
      await assertRefused("4 tokens in layer 2 where layer 1 has 3 new ones", CODES, () =>
        checked.cache.attend(2, ...callTensors(checked.nextCall(4))),
      );
      await assertRefused("a snapshot between layers", CODES, () => checked.cache.snapshot());
      await assertRefused("retune() between layers", CODES, () => checked.cache.retune(plan));
      await checked.attend(2, checked.nextCall(2));
      assertLength(checked, 43);
      checked.truncate(43);
      await checked.assertStored();
      await checked.append(2);
    }),
};

const assertLength = ({ cache }: CheckedCache, length: number): void =>
  assertLaw(cache.length === length, `expected ${length} tokens in all layers, got ${cache.length}`);
