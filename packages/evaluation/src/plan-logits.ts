import type { Decoder } from "@kvtuner/decoder";
import { holesOf, type Plan } from "@kvtuner/plan";
import { Tensor } from "onnxruntime-common";
import { createActivationStore } from "./activation-store.ts";
import { assertLayers } from "./evaluator.ts";
import { createSampleAttention, type SampleTensors } from "./sample-attention.ts";
import { type Finished, planTree, runTree } from "./tree-run.ts";

/**
 * Logits at every position of one sample, as the evaluator scores them: those of a cache under the plan, fed token by token
 * from position 0. For comparing a runtime with the evaluator. Holds all logits at once.
 *
 * @param visit receives query, key and value (after RoPE, not yet rounded) of each layer with a cache, in the order of the layers
 * @returns float32 `[ids.length, vocabulary]`
 * @throws EvaluationError `EVALUATION_LAYERS` for a plan with another number of layers
 */
export const planLogits = async (
  decoder: Decoder,
  ids: Int32Array,
  { layers, assets }: Pick<Plan, "layers" | "assets">,
  visit: (layer: number, tensors: SampleTensors) => void = () => undefined,
): Promise<Float32Array> => {
  assertLayers(layers, decoder.shape);
  const attention = createSampleAttention(decoder.shape, decoder.attention, assets);
  const holes = holesOf(decoder.shape);
  let residual = new Float32Array(0);
  const run = {
    decoder,
    samples: [ids],
    attention: {
      layer: (hole: number, tensors: SampleTensors) => {
        const { layer, sharing } = holes[hole]!;
        if (sharing === undefined) visit(layer, copyOf(tensors));
        return attention.layer(hole, tensors);
      },
    },
    positions: [decoder.positions(Array.from(ids, (_, position) => position))],
    store: createActivationStore({ memoryBytes: Infinity }),
    width: 1,
    finish: async ([only]: readonly Finished[]): Promise<void> => {
      await only!.residuals[0]!.use(async ([own]) => {
        residual = own!.slice();
      });
    },
  };
  await runTree(run, planTree(decoder.shape, [layers]));
  const rows = new Tensor("float32", residual, [ids.length, decoder.config.hiddenSize]);
  return (await decoder.head(rows)).data as Float32Array;
};

/** The evaluator uses the memory of a layer's tensors again. */
const copyOf = ({ query, key, value }: SampleTensors): SampleTensors => ({
  query: query.slice(),
  key: key.slice(),
  value: value.slice(),
});
