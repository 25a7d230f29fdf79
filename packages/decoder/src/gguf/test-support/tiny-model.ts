import { uniformFloat32 } from "pure-rand/distribution/uniformFloat32";
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";
import { byteLevelTokens } from "../../tokenizer/test-support/byte-level-tokens.ts";
import { randomBlocks } from "./random-blocks.ts";
import { type WritableGguf, type WritableTensor, type WritableValue, writeGguf } from "./write-gguf.ts";

/** Sizes of a small random model. */
export interface TinyModel {
  readonly architecture: "llama" | "qwen2";
  readonly layers: number;
  readonly hiddenSize: number;
  readonly heads: number;
  readonly kvHeads: number;
  /** `hiddenSize / heads` by default. */
  readonly headSize?: number;
  readonly feedForward: number;
  /** Tokens; at least 260: the bytes, `th`, `the`, `<|endoftext|>` and fillers. */
  readonly vocabulary: number;
  readonly seed: number;
  /** Whether the output matrix is the embedding. */
  readonly tied: boolean;
  /** Types of the matrices, in turn, as in {@link randomBlocks}; F32 by default. */
  readonly matrixTypes?: readonly number[];
  /** Jinja template of conversations; none by default. */
  readonly chatTemplate?: string;
  /** Additional metadata; overrides entries that follow from other fields. */
  readonly metadata?: WritableGguf["metadata"];
}

/** A GGUF file in memory, with llama.cpp's tensor names and a byte-level tokenizer with two merges. */
export const tinyModel = (model: TinyModel): Uint8Array => writeGguf(tinyContents(model));

/** What is in that file. */
export const tinyContents = (model: TinyModel): WritableGguf => ({
  metadata: tinyMetadata(model),
  tensors: tensorsOf(model),
});

const headSizeOf = ({ headSize, hiddenSize, heads }: Pick<TinyModel, "headSize" | "hiddenSize" | "heads">): number =>
  headSize ?? hiddenSize / heads;

/** Metadata of a model of these sizes. */
export const tinyMetadata = (model: Omit<TinyModel, "seed" | "tied" | "matrixTypes">): WritableGguf["metadata"] => {
  const { architecture } = model;
  return {
    "general.architecture": architecture,
    "general.name": "Tiny",
    [`${architecture}.block_count`]: model.layers,
    [`${architecture}.context_length`]: 512,
    [`${architecture}.embedding_length`]: model.hiddenSize,
    [`${architecture}.feed_forward_length`]: model.feedForward,
    [`${architecture}.attention.head_count`]: model.heads,
    [`${architecture}.attention.head_count_kv`]: model.kvHeads,
    [`${architecture}.attention.key_length`]: headSizeOf(model),
    [`${architecture}.attention.layer_norm_rms_epsilon`]: 1e-5,
    [`${architecture}.rope.freq_base`]: 10_000,
    ...tokenizerOf(model),
    ...model.metadata,
  };
};

const tokenizerOf = ({
  architecture,
  vocabulary,
  chatTemplate,
}: Pick<TinyModel, "architecture" | "vocabulary" | "chatTemplate">): Record<string, WritableValue> => {
  const named = [...byteLevelTokens(), "th", "the", "<|endoftext|>"];
  const fillers = Array.from({ length: vocabulary - named.length }, (_, index) => `<|unused${index}|>`);
  const tokens = [...named, ...fillers];
  return {
    "tokenizer.ggml.model": "gpt2",
    "tokenizer.ggml.pre": architecture === "qwen2" ? "qwen2" : "smollm",
    "tokenizer.ggml.tokens": tokens,
    "tokenizer.ggml.token_type": tokens.map((token) => (token.startsWith("<|") ? 3 : 1)),
    "tokenizer.ggml.merges": ["t h", "th e"],
    "tokenizer.ggml.bos_token_id": named.length - 1,
    "tokenizer.ggml.eos_token_id": named.length - 1,
    ...(chatTemplate !== undefined && { "tokenizer.chat_template": chatTemplate }),
  };
};

const tensorsOf = (model: TinyModel): WritableTensor[] => {
  const random = xoroshiro128plus(model.seed);
  let matrices = 0;
  const tensor = (name: string, dims: readonly number[], scale: number, offset = 0): WritableTensor => {
    const size = dims.reduce((product, dim) => product * dim, 1);
    const typeId = dims.length === 2 ? model.matrixTypes?.[matrices++ % model.matrixTypes.length] : undefined;
    if (typeId) return { name, dims, typeId, data: randomBlocks(typeId, size, scale, () => uniformFloat32(random)) };
    return {
      name,
      dims,
      data: Float32Array.from({ length: size }, () => offset + scale * (2 * uniformFloat32(random) - 1)),
    };
  };
  const { hiddenSize, vocabulary } = model;
  return [
    tensor("token_embd.weight", [hiddenSize, vocabulary], 0.3),
    tensor("output_norm.weight", [hiddenSize], 0.2, 1),
    ...(model.tied ? [] : [tensor("output.weight", [hiddenSize, vocabulary], 0.3)]),
    ...Array.from({ length: model.layers }, (_, layer) => layerOf(model, `blk.${layer}.`, tensor)).flat(),
  ];
};

const layerOf = (
  model: TinyModel,
  prefix: string,
  tensor: (name: string, dims: readonly number[], scale: number, offset?: number) => WritableTensor,
): WritableTensor[] => {
  const { hiddenSize, feedForward, heads, kvHeads } = model;
  const norm = (name: string): WritableTensor => tensor(`${prefix}${name}.weight`, [hiddenSize], 0.2, 1);
  const matrix = (name: string, columns: number, rows: number): WritableTensor =>
    tensor(`${prefix}${name}.weight`, [columns, rows], 1.5 / Math.sqrt(columns));
  const projection = (name: string, rows: number): WritableTensor[] =>
    model.architecture === "qwen2"
      ? [matrix(name, hiddenSize, rows), tensor(`${prefix}${name}.bias`, [rows], 0.5)]
      : [matrix(name, hiddenSize, rows)];
  return [
    norm("attn_norm"),
    ...projection("attn_q", heads * headSizeOf(model)),
    ...projection("attn_k", kvHeads * headSizeOf(model)),
    ...projection("attn_v", kvHeads * headSizeOf(model)),
    matrix("attn_output", heads * headSizeOf(model), hiddenSize),
    norm("ffn_norm"),
    matrix("ffn_gate", hiddenSize, feedForward),
    matrix("ffn_up", hiddenSize, feedForward),
    matrix("ffn_down", feedForward, hiddenSize),
  ];
};
