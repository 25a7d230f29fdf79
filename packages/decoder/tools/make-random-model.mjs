// Writes a GGUF file of Llama's architecture with random weights in Q4_0, part by part, so that it may be larger than memory.
// For measuring memory: what it says means nothing. The same options give the same file.
//
//   node --conditions=@kvtuner/source --import ./tools/typescript-loader.mjs packages/decoder/tools/make-random-model.mjs random-8b.gguf
import { open } from "node:fs/promises";
import { parseArgs } from "node:util";
import { tinyMetadata } from "../src/gguf/test-support/tiny-model.ts";
import { writeGguf } from "../src/gguf/test-support/write-gguf.ts";

const F32 = 0;
const Q4_0 = 2;
const BLOCK_NUMBERS = 32;
const BLOCK_BYTES = 18;
const BLOCKS_AT_ONCE = 2 ** 16;
const ALIGNMENT = 32;
/** Standard deviation of codes 0 to 15. */
const CODE_DEVIATION = Math.sqrt((16 ** 2 - 1) / 12);

// Llama 3 8B's sizes.
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    hidden: { type: "string", default: "4096" },
    "feed-forward": { type: "string", default: "14336" },
    layers: { type: "string", default: "32" },
    heads: { type: "string", default: "32" },
    "kv-heads": { type: "string", default: "8" },
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
const [heads, kvHeads, seed] = ["heads", "kv-heads", "seed"].map(size);
const headSize = hidden / heads;

const matrix = (name, columns, rows, gain = 1) => ({
  name: `${name}.weight`,
  dims: [columns, rows],
  typeId: Q4_0,
  gain,
});
const norm = (name) => ({ name: `${name}.weight`, dims: [hidden], typeId: F32 });
const layerTensors = (layer) => {
  const name = (part) => `blk.${layer}.${part}`;
  return [
    norm(name("attn_norm")),
    matrix(name("attn_q"), hidden, hidden),
    matrix(name("attn_k"), hidden, kvHeads * headSize),
    matrix(name("attn_v"), hidden, kvHeads * headSize),
    matrix(name("attn_output"), hidden, hidden),
    norm(name("ffn_norm")),
    matrix(name("ffn_gate"), hidden, feedForward),
    matrix(name("ffn_up"), hidden, feedForward),
    matrix(name("ffn_down"), feedForward, hidden),
  ];
};
const tensors = [
  matrix("token_embd", hidden, vocabulary, Math.sqrt(hidden)),
  norm("output_norm"),
  matrix("output", hidden, vocabulary, 3),
  ...Array.from({ length: layers }, (_, layer) => layerTensors(layer)).flat(),
];

/** Marsaglia's xorshift, 32 bits. */
let state = seed;
const random = () => {
  state ^= state << 13;
  state ^= state >>> 17;
  state ^= state << 5;
  return state;
};

/** Positive numbers in float16's normal range. */
const float16 = (value) => {
  const exponent = Math.floor(Math.log2(value));
  return ((exponent + 15) << 10) | Math.floor((value / 2 ** exponent - 1) * 1024);
};

const onesOf = ({ dims: [length] }) => new Uint8Array(new Float32Array(length).fill(1).buffer);

/** Blocks with random codes. Half of the scales are negative, so that the mean of the codes, which is not 0, does no harm. */
function* blocksOf({ dims: [columns, rows], gain }) {
  const scale = float16(gain / Math.sqrt(columns) / CODE_DEVIATION);
  for (let left = (columns * rows) / BLOCK_NUMBERS; left > 0; left -= BLOCKS_AT_ONCE) {
    const bytes = new Uint8Array(Math.min(left, BLOCKS_AT_ONCE) * BLOCK_BYTES);
    const words = new Uint16Array(bytes.buffer);
    for (let index = 0; index < words.length; index++) words[index] = random();
    for (let index = 0; index < words.length; index += BLOCK_BYTES / 2) words[index] = scale | (words[index] & 0x8000);
    yield bytes;
  }
}

const bytesOf = ({ dims, typeId }) => {
  const numbers = dims.reduce((product, dim) => product * dim, 1);
  return typeId === F32 ? 4 * numbers : (numbers / BLOCK_NUMBERS) * BLOCK_BYTES;
};

const padded = (bytes) => Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;
let end = 0;
const placed = tensors.map((tensor) => {
  const offset = end;
  end = padded(offset + bytesOf(tensor));
  return { ...tensor, offset, data: new Uint8Array(0) };
});
const metadata = tinyMetadata({
  architecture: "llama",
  layers,
  hiddenSize: hidden,
  heads,
  kvHeads,
  feedForward,
  vocabulary,
  metadata: { "general.name": `Random ${layers}x${hidden}`, "llama.context_length": 8192 },
});

const file = await open(path, "w");
const header = writeGguf({ metadata, tensors: placed });
await file.write(header, 0, header.length, 0);
for (const tensor of placed) {
  let at = header.length + tensor.offset;
  for (const part of tensor.typeId === F32 ? [onesOf(tensor)] : blocksOf(tensor)) {
    await file.write(part, 0, part.length, at);
    at += part.length;
  }
}
await file.truncate(header.length + end);
await file.close();
console.log(`${path}: ${((header.length + end) / 1e9).toFixed(2)} GB`);
