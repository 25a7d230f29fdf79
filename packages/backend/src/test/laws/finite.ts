import { type LayerScheme, layerScheme } from "@kvtuner/plan";
import { type Subject, withSubject } from "../backend-under-test.ts";
import type { Law } from "../law.ts";
import { CheckedCache } from "../rig/checked-cache.ts";
import type { CallNumbers } from "../rig/random-rows.ts";
import { assertRefused } from "../rig/refusals.ts";
import { isClaimed, planOf, sampleLayers, smallShape } from "../rig/samples.ts";
import { callTensors } from "../rig/tensors.ts";

const CODES = ["BACKEND_TENSOR_NOT_FINITE"];

/** A cache rejects numbers that it cannot hold. */
export const finiteLaw: Law = {
  name: "rejects NaN, infinity and numbers beyond float16, and is unchanged",
  check: (options) =>
    withSubject(options, async (subject) => {
      for (const layer of [...sampleLayers(subject, 2), ...rotatedLayers(subject)]) await checkLayer(subject, layer);
    }),
};

/** A transform can enlarge numbers. */
const rotatedLayers = (subject: Subject): LayerScheme[] =>
  [layerScheme("compact", { key: 4, value: 4 })].filter((layer) => isClaimed(subject, layer));

const checkLayer = async (subject: Subject, layer: LayerScheme): Promise<void> => {
  const shape = smallShape(subject, { layers: 1 });
  const checked = await CheckedCache.create(subject, shape, planOf(shape, layer));
  await checked.append(45, 1);
  for (const [what, call] of badCalls(checked.nextCall(3)))
    await assertRefused(what, CODES, () => checked.cache.attend(0, ...callTensors(call)));
  if (layer.value.kind === "affine" && layer.value.transform === "hadamard") {
    const call = checked.nextCall(1);
    const flat = { ...call, value: call.value.map(() => 60_000) };
    await assertRefused("a value beyond float16 after its transform", CODES, () =>
      checked.cache.attend(0, ...callTensors(flat)),
    );
  }
  await checked.assertStored();
  await checked.attend(0, largest(checked.nextCall(2)));
  await checked.append(40, 1);
  await checked.cache.dispose();
};

const badCalls = (call: CallNumbers): [string, CallNumbers][] =>
  (["query", "key", "value"] as const).flatMap((tensor) =>
    [NaN, Infinity, -Infinity, ...(tensor === "query" ? [] : [65_520, -1e30])].map((number): [string, CallNumbers] => [
      `${number} in the ${tensor}`,
      { ...call, [tensor]: call[tensor].with(call[tensor].length - 2, number) },
    ]),
  );

/** The largest float16 is still accepted. */
const largest = (call: CallNumbers): CallNumbers => ({
  ...call,
  key: call.key.with(3, 65_504),
  value: call.value.with(7, -65_504),
});
