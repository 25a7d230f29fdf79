import type { Architecture } from "../architecture/families.ts";
import type { WeightSource } from "../architecture/weights.ts";

/** Sizes of a small random model. */
export interface SmallModel {
  readonly architecture: Architecture;
  readonly layers: number;
  readonly hiddenSize: number;
  readonly feedForwardSize: number;
  readonly queryHeads: number;
  readonly kvHeads: number;
  readonly headSize: number;
  readonly vocabulary: number;
  readonly tied: boolean;
  readonly frequencyFactors?: readonly number[];
  /** Metadata under `ARCHITECTURE.rope.` */
  readonly rope?: Readonly<Record<string, number | string>>;
  /** Metadata besides the sizes, without the architecture's prefix. */
  readonly metadata?: Readonly<Record<string, unknown>>;
  /** Random sink logits in every layer. */
  readonly hasSinks?: boolean;
}

/**
 * A weight source in memory, with numbers from a linear congruential generator. Dims are in GGUF order, fastest first.
 */
export const randomWeights = (model: SmallModel, seed: number): WeightSource => {
  const tensors = new Map<string, { dims: number[]; data: Float32Array }>();
  const random = generator(seed);
  const add = (name: string, dims: number[], scale: number, offset = 0): void => {
    const size = dims.reduce((product, dim) => product * dim, 1);
    tensors.set(name, { dims, data: Float32Array.from({ length: size }, () => offset + scale * random()) });
  };
  const hasBias = model.architecture === "qwen2";
  const hasHeadNorms = model.architecture === "qwen3";
  const { hiddenSize: hidden, headSize, feedForwardSize } = model;
  add("token_embd.weight", [hidden, model.vocabulary], 1);
  if (!model.tied) add("output.weight", [hidden, model.vocabulary], 0.3);
  add("output_norm.weight", [hidden], 0.2, 1);
  for (let layer = 0; layer < model.layers; layer++) {
    const matrix = (name: string, columns: number, rows: number): void => {
      add(`blk.${layer}.${name}.weight`, [columns, rows], 1.5 / Math.sqrt(columns));
      if (hasBias && /attn_[qkv]/.test(name)) add(`blk.${layer}.${name}.bias`, [rows], 0.5);
    };
    add(`blk.${layer}.attn_norm.weight`, [hidden], 0.2, 1);
    add(`blk.${layer}.ffn_norm.weight`, [hidden], 0.2, 1);
    matrix("attn_q", hidden, model.queryHeads * headSize);
    matrix("attn_k", hidden, model.kvHeads * headSize);
    matrix("attn_v", hidden, model.kvHeads * headSize);
    if (hasHeadNorms)
      for (const name of ["attn_q_norm", "attn_k_norm"]) add(`blk.${layer}.${name}.weight`, [headSize], 0.5, 1);
    if (model.hasSinks) add(`blk.${layer}.attn_sinks.weight`, [model.queryHeads], 2);
    matrix("attn_output", model.queryHeads * headSize, hidden);
    matrix("ffn_gate", hidden, feedForwardSize);
    matrix("ffn_up", hidden, feedForwardSize);
    matrix("ffn_down", feedForwardSize, hidden);
  }
  if (model.frequencyFactors)
    tensors.set("rope_freqs.weight", { dims: [headSize / 2], data: Float32Array.from(model.frequencyFactors) });
  return {
    metadata: metadata(model),
    tensors,
    readTensor: async (name) => tensors.get(name)!.data,
    readTensorRows: async (name, rows) => {
      const { dims, data } = tensors.get(name)!;
      return Float32Array.from(
        Array.from(rows).flatMap((row) => [...data.subarray(row * dims[0]!, (row + 1) * dims[0]!)]),
      );
    },
  };
};

const metadata = (model: SmallModel): Map<string, unknown> =>
  new Map<string, unknown>([
    ["general.architecture", model.architecture],
    [`${model.architecture}.block_count`, model.layers],
    [`${model.architecture}.context_length`, 512],
    [`${model.architecture}.embedding_length`, model.hiddenSize],
    [`${model.architecture}.feed_forward_length`, model.feedForwardSize],
    [`${model.architecture}.attention.head_count`, model.queryHeads],
    [`${model.architecture}.attention.head_count_kv`, model.kvHeads],
    [`${model.architecture}.attention.key_length`, model.headSize],
    [`${model.architecture}.attention.layer_norm_rms_epsilon`, 1e-5],
    [`${model.architecture}.rope.freq_base`, 10_000],
    ...Object.entries(model.rope ?? {}).map(([key, value]) => [`${model.architecture}.rope.${key}`, value] as const),
    ...Object.entries(model.metadata ?? {}).map(([key, value]) => [`${model.architecture}.${key}`, value] as const),
  ]);

const generator = (seed: number): (() => number) => {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 31 - 1;
  };
};
