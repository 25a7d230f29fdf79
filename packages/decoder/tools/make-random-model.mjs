// Writes a GGUF file with random weights, part by part, so that it may be larger than memory: matrices in Q4_0, experts in MXFP4.
// For measuring memory: what it says means nothing. The same options give the same file.
//
//   node --conditions=@kvtuner/source --import ./tools/typescript-loader.mjs packages/decoder/tools/make-random-model.mjs random-8b.gguf
//
// Sizes are those of Llama 3 8B by default. With --architecture gpt-oss, layers have experts; those of the 20B model:
//   --architecture gpt-oss --hidden 2880 --feed-forward 2880 --layers 24 --heads 64 --head-size 64 --vocabulary 201088
import { open } from "node:fs/promises";
import { parseArgs } from "node:util";
import { tinyMetadata } from "../src/gguf/test-support/tiny-model.ts";
import { writeGguf } from "../src/gguf/test-support/write-gguf.ts";

const BLOCK_NUMBERS = 32;
const BLOCKS_AT_ONCE = 2 ** 16;
const ALIGNMENT = 32;

/** Standard deviations of codes 0 to 15 of Q4_0, and of MXFP4's numbers times 2, of which a block has half the scale. */
const Q4_0_DEVIATION = Math.sqrt((16 ** 2 - 1) / 12);
const MXFP4_DEVIATION = Math.sqrt([0, 1, 2, 3, 4, 6, 8, 12].reduce((sum, value) => sum + value ** 2, 0) / 8);

/** Positive numbers in float16's normal range. */
const float16 = (value) => {
  const exponent = Math.floor(Math.log2(value));
  return ((exponent + 15) << 10) | Math.floor((value / 2 ** exponent - 1) * 1024);
};

/** Types of tensors. `setScale` writes the scale of the block at an offset into random bytes, for numbers of a standard deviation. */
const F32 = { id: 0 };
const Q4_0 = {
  id: 2,
  blockBytes: 18,
  // Half of the scales are negative, so that the mean of the codes, which is not 0, does no harm.
  setScale: (bytes, at, deviation) => {
    const scale = float16(deviation / Q4_0_DEVIATION);
    bytes[at] = scale;
    bytes[at + 1] = (bytes[at + 1] & 0x80) | (scale >> 8);
  },
};
const MXFP4 = {
  id: 39,
  blockBytes: 17,
  setScale: (bytes, at, deviation) => (bytes[at] = 128 + Math.round(Math.log2(deviation / MXFP4_DEVIATION))),
};

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    architecture: { type: "string", default: "llama" },
    hidden: { type: "string", default: "4096" },
    "feed-forward": { type: "string", default: "14336" },
    layers: { type: "string", default: "32" },
    heads: { type: "string", default: "32" },
    "kv-heads": { type: "string", default: "8" },
    "head-size": { type: "string" },
    experts: { type: "string", default: "32" },
    vocabulary: { type: "string", default: "128256" },
    seed: { type: "string", default: "1" },
  },
});
const [path] = positionals;
if (path === undefined) throw new Error("expected the path of the file to write, got none; pass one");
const size = (name) => {
  const number = Number(values[name]);
  if (Number.isInteger(number) && number > 0) return number;
  throw new Error(`expected --${name} as a whole number above 0, got ${values[name]}; pass one`);
};
const [hidden, feedForward, layers, vocabulary] = ["hidden", "feed-forward", "layers", "vocabulary"].map(size);
const [heads, kvHeads, experts, seed] = ["heads", "kv-heads", "experts", "seed"].map(size);
const headSize = values["head-size"] === undefined ? hidden / heads : size("head-size");

const matrix = (name, columns, rows, gain = 1) => ({ name: `${name}.weight`, dims: [columns, rows], type: Q4_0, gain });
const each = (name, columns, rows) => ({
  name: `${name}.weight`,
  dims: [columns, rows, experts],
  type: MXFP4,
  gain: 1,
});
/** Floats that are all the same. */
const floats = (name, dims, value) => ({ name, dims, type: F32, value });
const norm = (name) => floats(`${name}.weight`, [hidden], 1);

const attention = (name) => [
  norm(name("attn_norm")),
  matrix(name("attn_q"), hidden, heads * headSize),
  matrix(name("attn_k"), hidden, kvHeads * headSize),
  matrix(name("attn_v"), hidden, kvHeads * headSize),
  matrix(name("attn_output"), heads * headSize, hidden),
];
/** Tensors of a layer by architecture, and its metadata besides the sizes. */
const ARCHITECTURES = {
  llama: {
    layer: (name) => [
      ...attention(name),
      norm(name("ffn_norm")),
      matrix(name("ffn_gate"), hidden, feedForward),
      matrix(name("ffn_up"), hidden, feedForward),
      matrix(name("ffn_down"), feedForward, hidden),
    ],
    metadata: {},
  },
  "gpt-oss": {
    layer: (name) => [
      ...attention(name),
      ...["q", "k", "v"].map((part) =>
        floats(name(`attn_${part}.bias`), [(part === "q" ? heads : kvHeads) * headSize], 0),
      ),
      floats(name("attn_output.bias"), [hidden], 0),
      floats(name("attn_sinks.weight"), [heads], 0),
      norm(name("post_attention_norm")),
      matrix(name("ffn_gate_inp"), hidden, experts),
      floats(name("ffn_gate_inp.bias"), [experts], 0),
      each(name("ffn_gate_exps"), hidden, feedForward),
      each(name("ffn_up_exps"), hidden, feedForward),
      each(name("ffn_down_exps"), feedForward, hidden),
      floats(name("ffn_gate_exps.bias"), [feedForward, experts], 0),
      floats(name("ffn_up_exps.bias"), [feedForward, experts], 0),
      floats(name("ffn_down_exps.bias"), [hidden, experts], 0),
    ],
    metadata: {
      "gpt-oss.expert_count": experts,
      "gpt-oss.expert_used_count": Math.min(4, experts),
      "gpt-oss.expert_feed_forward_length": feedForward,
      "gpt-oss.attention.sliding_window": 128,
    },
  },
};
const architecture = ARCHITECTURES[values.architecture];
if (architecture === undefined)
  throw new Error(
    `expected --architecture as one of ${Object.keys(ARCHITECTURES).join(", ")}, got ${values.architecture}; pass one`,
  );
const tensors = [
  matrix("token_embd", hidden, vocabulary, Math.sqrt(hidden)),
  norm("output_norm"),
  matrix("output", hidden, vocabulary, 3),
  ...Array.from({ length: layers }, (_, layer) => architecture.layer((part) => `blk.${layer}.${part}`)).flat(),
];

/** Marsaglia's xorshift, 32 bits. */
let state = seed;
const random = () => {
  state ^= state << 13;
  state ^= state >>> 17;
  state ^= state << 5;
  return state;
};

const numbersOf = (dims) => dims.reduce((product, dim) => product * dim, 1);

/** Blocks with random codes. */
function* blocksOf({ dims, gain, type: { blockBytes, setScale } }) {
  for (let left = numbersOf(dims) / BLOCK_NUMBERS; left > 0; left -= BLOCKS_AT_ONCE) {
    const bytes = new Uint8Array(Math.min(left, BLOCKS_AT_ONCE) * blockBytes);
    const words = new Uint16Array(bytes.buffer, 0, bytes.length >> 1);
    for (let index = 0; index < words.length; index++) words[index] = random();
    for (let at = 0; at < bytes.length; at += blockBytes) setScale(bytes, at, gain / Math.sqrt(dims[0]));
    yield bytes;
  }
}

const floatsOf = ({ dims, value }) => new Uint8Array(new Float32Array(numbersOf(dims)).fill(value).buffer);

const bytesOf = ({ dims, type }) =>
  type === F32 ? 4 * numbersOf(dims) : (numbersOf(dims) / BLOCK_NUMBERS) * type.blockBytes;

const padded = (bytes) => Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;
let end = 0;
const placed = tensors.map((tensor) => {
  const offset = end;
  end = padded(offset + bytesOf(tensor));
  return { ...tensor, typeId: tensor.type.id, offset, data: new Uint8Array(0) };
});
const metadata = tinyMetadata({
  architecture: values.architecture,
  layers,
  hiddenSize: hidden,
  heads,
  kvHeads,
  headSize,
  feedForward,
  vocabulary,
  metadata: {
    "general.name": `Random ${layers}x${hidden}`,
    [`${values.architecture}.context_length`]: 8192,
    ...architecture.metadata,
  },
});

const file = await open(path, "w");
const header = writeGguf({ metadata, tensors: placed });
await file.write(header, 0, header.length, 0);
for (const tensor of placed) {
  let at = header.length + tensor.offset;
  for (const part of tensor.type === F32 ? [floatsOf(tensor)] : blocksOf(tensor)) {
    await file.write(part, 0, part.length, at);
    at += part.length;
  }
}
await file.truncate(header.length + end);
await file.close();
console.log(`${path}: ${((header.length + end) / 1e9).toFixed(2)} GB`);
