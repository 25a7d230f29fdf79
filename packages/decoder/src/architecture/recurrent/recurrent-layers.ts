import { listOf } from "../../gguf/describe-value.ts";
import type { RecurrentConfig } from "../config.ts";
import { ModelError } from "../model-error.ts";
import type { ModelKeys } from "../model-keys.ts";
import type { ModelHeader } from "../weights.ts";
import type { RecurrentKind } from "./recurrent-kind.ts";

/**
 * Reads which layers of a family are recurrent, and their states. These are the layers without KV heads; without a layer like
 * that, those with the kind's tensor; without one, all but the last of each `full_attention_interval`.
 *
 * @throws ModelError `MODEL_METADATA_MISSING` if the file does not tell, `MODEL_METADATA_INVALID`
 */
export const readRecurrent = (
  kind: RecurrentKind,
  keys: ModelKeys,
  tensors: ModelHeader["tensors"],
  { layers, hiddenSize }: { readonly layers: number; readonly hiddenSize: number },
): RecurrentConfig => {
  const at = withoutHeads(keys, layers) ?? withTensor(kind, tensors, layers) ?? byInterval(keys, layers);
  if (at === undefined) throw untold(kind, keys);
  if (at.every(Boolean))
    throw new ModelError(
      "MODEL_METADATA_INVALID",
      `expected a layer with attention among the model's ${layers}, got none by ${keys.name(KV_HEADS)} and the names of tensors; convert the model again`,
    );
  return { kind: kind.name, at, states: kind.states(keys, hiddenSize) };
};

const KV_HEADS = "attention.head_count_kv";
const INTERVAL = "full_attention_interval";

const withoutHeads = (keys: ModelKeys, layers: number): boolean[] | undefined => {
  const at = listOf(keys.value(KV_HEADS))?.map((heads) => Number(heads) === 0);
  return at?.length === layers && at.includes(true) ? at : undefined;
};

const withTensor = (
  { tensor }: RecurrentKind,
  tensors: ModelHeader["tensors"],
  layers: number,
): boolean[] | undefined => {
  const at = Array.from({ length: layers }, (_, layer) => tensors.has(`blk.${layer}.${tensor}.weight`));
  return at.includes(true) ? at : undefined;
};

const byInterval = (keys: ModelKeys, layers: number): boolean[] | undefined => {
  const interval = keys.optionalNumber(INTERVAL);
  return interval === undefined
    ? undefined
    : Array.from({ length: layers }, (_, layer) => (layer + 1) % interval !== 0);
};

const untold = ({ name, tensor }: RecurrentKind, keys: ModelKeys): ModelError =>
  new ModelError(
    "MODEL_METADATA_MISSING",
    `expected the model to tell its layers with a cache from those with ${name}: by ${keys.name(KV_HEADS)} with a number per layer, tensors ${tensor}, or ${keys.name(INTERVAL)}; got none of these; convert the model again`,
  );
