import { Tensor } from "onnxruntime-common";
import { type Subject, withSubject } from "../backend-under-test.ts";
import type { Law } from "../law.ts";
import { CheckedCache } from "../rig/checked-cache.ts";
import { assertRefused } from "../rig/refusals.ts";
import { samplePlan } from "../rig/samples.ts";
import { type CallTensors, callTensors } from "../rig/tensors.ts";

/** Tensors of the wrong shape, type or location. */
export const tensorShapesLaw: Law = {
  name: "rejects tensors of a wrong shape, type, location or layer by name, and is unchanged",
  check: (options) =>
    withSubject(options, async (subject) => {
      const plan = samplePlan(subject);
      const checked = await CheckedCache.create(subject, plan.shape, plan);
      await checked.append(20, 1);
      const good = callTensors(checked.nextCall(3));
      for (const [what, code, layer, tensors] of badCalls(subject, plan.shape.layers, good))
        await assertRefused(what, [code], () => checked.cache.attend(layer, ...tensors));
      await checked.assertStored();
      await checked.append(2);
    }),
};

type BadCall = readonly [what: string, code: string, layer: number, tensors: CallTensors];

const badCalls = ({ backend }: Subject, layers: number, [query, key, value]: CallTensors): BadCall[] => {
  const shape = "BACKEND_TENSOR_SHAPE";
  const calls: BadCall[] = [
    ["a query of two batches", shape, 0, [zeros(2, 3, query.dims[2]!), key, value]],
    [
      "tensors of two batches",
      shape,
      0,
      [zeros(2, 3, query.dims[2]!), zeros(2, 3, key.dims[2]!), zeros(2, 3, key.dims[2]!)],
    ],
    ["a query without its batch", shape, 0, [zeros(3, query.dims[2]!), key, value]],
    ["a key of fewer tokens", shape, 0, [query, zeros(1, 2, key.dims[2]!), value]],
    ["a value of more tokens", shape, 0, [query, key, zeros(1, 4, value.dims[2]!)]],
    ["a key with the heads of the query", shape, 0, [query, zeros(1, 3, query.dims[2]!), value]],
    ["a query with the heads of the key", shape, 0, [zeros(1, 3, key.dims[2]!), key, value]],
    ["no tokens", shape, 0, [zeros(1, 0, query.dims[2]!), zeros(1, 0, key.dims[2]!), zeros(1, 0, key.dims[2]!)]],
    ["a value in int32", "BACKEND_TENSOR_DTYPE", 0, [query, key, integers(value)]],
    ["layer -1", "BACKEND_LAYER", -1, [query, key, value]],
    ["a layer too many", "BACKEND_LAYER", layers, [query, key, value]],
    ["layer 0.5", "BACKEND_LAYER", 0.5, [query, key, value]],
  ];
  if (!backend.capabilities.deviceTensors)
    calls.push(["a key on a device", "BACKEND_TENSOR_LOCATION", 0, [query, onDevice(key), value]]);
  return calls;
};

const zeros = (...dims: number[]): Tensor =>
  new Tensor("float32", new Float32Array(dims.reduce((a, b) => a * b)), dims);

const integers = ({ dims }: Tensor): Tensor => new Tensor("int32", new Int32Array(dims.reduce((a, b) => a * b)), dims);

/** Looks like a device tensor; reading its numbers throws. */
const onDevice = ({ dims }: Tensor): Tensor =>
  Tensor.fromGpuBuffer({ destroy: () => {} } as never, { dataType: "float32", dims });
