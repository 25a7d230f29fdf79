import { writeFileSync } from "node:fs";

import { uniformFloat32 } from "pure-rand/distribution/uniformFloat32";
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";

const SIZES = { layers: 3, hidden: 64, feedForward: 96, queryHeads: 2, kvHeads: 1, headSize: 32 };

type Value = number | string | readonly number[] | readonly string[];

interface Tensor {
  readonly name: string;
  /** Fastest first, as GGUF has them. */
  readonly dims: readonly number[];
  readonly data: Float32Array;
}

/** Writes a small random llama model with a byte-level tokenizer as a GGUF file (version 3, tensors in F32). */
export const writeTinyModel = (path: string): void => {
  const tokens = [...byteTokens(), "th", "the", "<|endoftext|>"];
  writeFileSync(path, ggufBytes(metadata(tokens), tensors(tokens.length)));
};

const metadata = (tokens: readonly string[]): Record<string, Value> => ({
  "general.architecture": "llama",
  "general.name": "Tiny",
  "llama.block_count": SIZES.layers,
  "llama.context_length": 512,
  "llama.embedding_length": SIZES.hidden,
  "llama.feed_forward_length": SIZES.feedForward,
  "llama.attention.head_count": SIZES.queryHeads,
  "llama.attention.head_count_kv": SIZES.kvHeads,
  "llama.attention.layer_norm_rms_epsilon": 1e-5,
  "llama.rope.freq_base": 10_000,
  "tokenizer.ggml.model": "gpt2",
  "tokenizer.ggml.pre": "smollm",
  "tokenizer.ggml.tokens": tokens,
  "tokenizer.ggml.token_type": tokens.map((token) => (token.startsWith("<|") ? 3 : 1)),
  "tokenizer.ggml.merges": ["t h", "th e"],
  "tokenizer.ggml.bos_token_id": tokens.length - 1,
  "tokenizer.ggml.eos_token_id": tokens.length - 1,
});

/** GPT-2's printable stand-in for each byte. */
const byteTokens = (): string[] => {
  const printable = (byte: number): boolean => (byte >= 33 && byte <= 126) || (byte >= 161 && byte !== 173);
  let next = 256;
  return Array.from({ length: 256 }, (_, byte) => String.fromCodePoint(printable(byte) ? byte : next++));
};

const tensors = (vocabulary: number): Tensor[] => {
  const random = xoroshiro128plus(7);
  const { hidden, feedForward, queryHeads, kvHeads, headSize } = SIZES;
  const tensor = (name: string, dims: readonly number[], scale: number, offset = 0): Tensor => ({
    name,
    dims,
    data: Float32Array.from(
      { length: dims.reduce((size, dim) => size * dim, 1) },
      () => offset + scale * (2 * uniformFloat32(random) - 1),
    ),
  });
  const matrix = (name: string, columns: number, rows: number): Tensor =>
    tensor(name, [columns, rows], 1.5 / Math.sqrt(columns));
  const layer = (index: number): Tensor[] => [
    tensor(`blk.${index}.attn_norm.weight`, [hidden], 0.2, 1),
    matrix(`blk.${index}.attn_q.weight`, hidden, queryHeads * headSize),
    matrix(`blk.${index}.attn_k.weight`, hidden, kvHeads * headSize),
    matrix(`blk.${index}.attn_v.weight`, hidden, kvHeads * headSize),
    matrix(`blk.${index}.attn_output.weight`, queryHeads * headSize, hidden),
    tensor(`blk.${index}.ffn_norm.weight`, [hidden], 0.2, 1),
    matrix(`blk.${index}.ffn_gate.weight`, hidden, feedForward),
    matrix(`blk.${index}.ffn_up.weight`, hidden, feedForward),
    matrix(`blk.${index}.ffn_down.weight`, feedForward, hidden),
  ];
  return [
    tensor("token_embd.weight", [hidden, vocabulary], 0.3),
    tensor("output_norm.weight", [hidden], 0.2, 1),
    ...Array.from({ length: SIZES.layers }, (_, index) => layer(index)).flat(),
  ];
};

const ALIGNMENT = 32;

const ggufBytes = (entries: Record<string, Value>, all: readonly Tensor[]): Buffer => {
  let offset = 0;
  const infos = all.map(({ name, dims, data }) => {
    const info = Buffer.concat([text(name), uint32(dims.length), ...dims.map(uint64), uint32(0), uint64(offset)]);
    offset += padded(data.byteLength);
    return info;
  });
  const head = Buffer.concat([
    Buffer.from("GGUF"),
    uint32(3),
    uint64(all.length),
    uint64(Object.keys(entries).length),
    ...Object.entries(entries).map(([key, value]) => Buffer.concat([text(key), typed(value)])),
    ...infos,
  ]);
  const parts = [head, ...all.map(({ data }) => Buffer.from(data.buffer))];
  return Buffer.concat(parts.flatMap((part) => [part, Buffer.alloc(padded(part.length) - part.length)]));
};

const padded = (length: number): number => Math.ceil(length / ALIGNMENT) * ALIGNMENT;

/** Whole numbers as uint32, others as float32, arrays of int32 or strings. */
const typed = (value: Value): Buffer => {
  if (typeof value === "string") return Buffer.concat([uint32(8), text(value)]);
  if (typeof value === "number")
    return Number.isInteger(value)
      ? Buffer.concat([uint32(4), uint32(value)])
      : Buffer.concat([uint32(6), float32(value)]);
  const items = value.map((item: number | string) => (typeof item === "string" ? text(item) : uint32(item)));
  return Buffer.concat([uint32(9), uint32(typeof value[0] === "string" ? 8 : 5), uint64(value.length), ...items]);
};

const text = (value: string): Buffer => Buffer.concat([uint64(Buffer.byteLength(value)), Buffer.from(value)]);

const uint32 = (value: number): Buffer => Buffer.from(Uint32Array.of(value).buffer);

const uint64 = (value: number): Buffer => Buffer.from(BigUint64Array.of(BigInt(value)).buffer);

const float32 = (value: number): Buffer => Buffer.from(Float32Array.of(value).buffer);
