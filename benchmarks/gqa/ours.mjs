import { parseShorthand } from "@kvtuner/plan";
import { syntheticSnapshot } from "kvtuner";
import { Tensor } from "onnxruntime-common";

/** A cache of one layer under a plan, with `length` tokens. */
export const ourCache = async (backend, plan, shape, length, seed) => {
  const whole = { shape: { layers: 1, ...shape }, layers: [parseShorthand(plan).layer] };
  return backend.restoreCache(whole.shape, whole, await syntheticSnapshot(whole, length, seed));
};

/** One of our attention layers under a plan, with `length` tokens in its cache. */
export const ourAttention = async (backend, plan, shape, length, seed) => {
  const cache = await ourCache(backend, plan, shape, length, seed);
  return {
    name: plan,
    bytes: cache.bytes().total,
    run: async ({ query, key, value }) => {
      const rows = [query, key, value].map((data) => new Tensor("float32", data, [1, 1, data.length]));
      const output = await cache.attend(0, ...rows);
      cache.truncate(length);
      return output.data;
    },
    dispose: () => cache.dispose(),
  };
};
