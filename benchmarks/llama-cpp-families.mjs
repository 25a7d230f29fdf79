// Compares logits of the decoder's small models (packages/decoder/src/fixtures/families) with those of llama.cpp, which
// runs the same file with a float32 cache:
//   npm run -s bench:llama.cpp-families [-- NAME ...]
// Needs node-llama-cpp; if it is missing, the error says how to install it. Prints, for each model, the largest difference
// of a logit divided by the largest logit: of llama.cpp and `transformers`, and of llama.cpp and our decoder.
// README.md explains those that are large.
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FloatAttention, bufferSource, forward, loadDecoder, openGguf } from "@kvtuner/decoder";
import { InferenceSession } from "onnxruntime-node";
import { familyGguf, familyModel } from "../packages/decoder/src/test-support/family-model.ts";
import { findNodeLlamaCpp } from "./llama-cpp/package.ts";
import { startPeer } from "./llama-cpp/process.ts";

/** Keys that llama.cpp reads as float32 only; the fixtures may have whole numbers. */
const FLOAT_KEYS = /(freq_base(_swa)?|factor|beta_fast|beta_slow|epsilon|scale|log_multiplier|softcapping)$/;

/** The metadata with the types that llama.cpp wants, and a vocabulary, without which it loads no model. */
const completed = ({ metadata, logits }) => {
  const architecture = metadata["general.architecture"];
  const typed = Object.entries(metadata).map(([key, value]) => [
    key,
    typeof value === "number" && FLOAT_KEYS.test(key) ? { float: value } : value,
  ]);
  // Byte pairs with one pair, and a line break, which llama.cpp looks for.
  const words = logits[0].map((_, id) => ["a", "b", "ab", "Ċ"][id] ?? `word${id}`);
  return {
    ...Object.fromEntries(typed),
    [`${architecture}.attention.value_length`]: metadata[`${architecture}.attention.key_length`],
    "tokenizer.ggml.model": "gpt2",
    "tokenizer.ggml.pre": "default",
    "tokenizer.ggml.tokens": words,
    "tokenizer.ggml.token_type": words.map(() => 1),
    "tokenizer.ggml.merges": ["a b"],
    "tokenizer.ggml.bos_token_id": 0,
    "tokenizer.ggml.eos_token_id": 1,
  };
};

/** Logits of each position, all tokens in one piece. */
const ourLogits = async (gguf, { ids, options }) => {
  const createSession = (model) => InferenceSession.create(model);
  const decoder = await loadDecoder(await openGguf(bufferSource(gguf)), { createSession, ...options });
  const attention = new FloatAttention(decoder.shape, decoder.attention);
  const positions = ids.map((_, position) => position);
  const { data } = await decoder.head(await forward(decoder, ids, positions, attention));
  await decoder.dispose();
  return [...data];
};

/** The same of llama.cpp, which gives those after the last token only. */
const peerLogits = async (modelPath, ids, vocabulary) => {
  const peer = startPeer();
  try {
    const types = { key: "f32", value: "f32", flashAttention: false };
    const capacity = Math.max(256, ids.length);
    await peer.call("open", { packageUrl: findNodeLlamaCpp().url, modelPath, threads: 1, types, capacity });
    const of = Array.from({ length: vocabulary }, (_, id) => id);
    const rows = [];
    for (const [row] of ids.entries())
      rows.push(...(await peer.call("logits", { prompt: Int32Array.from(ids.slice(0, row + 1)), ids: [], of })));
    return rows;
  } finally {
    await peer.end();
  }
};

const difference = (actual, expected) =>
  Math.max(...actual.map((logit, index) => Math.abs(logit - expected[index]))) / Math.max(...expected.map(Math.abs));

const compare = async (name, folder) => {
  const model = familyModel(name);
  const gguf = familyGguf({ ...model, metadata: completed(model) });
  const path = join(folder, `${name}.gguf`);
  await writeFile(path, gguf);
  const ours = await ourLogits(gguf, model);
  const peers = await peerLogits(path, model.ids, model.logits[0].length);
  const [toReference, toOurs] = [difference(peers, model.logits.flat()), difference(peers, ours)];
  return `${toReference.toExponential(1)} from transformers, ${toOurs.toExponential(1)} from ours`;
};

const outcome = async (name, folder) => {
  try {
    return await compare(name, folder);
  } catch (error) {
    return error.message;
  }
};

const files = await readdir(new URL("../packages/decoder/src/fixtures/families", import.meta.url));
const names = process.argv.slice(2);
const folder = await mkdtemp(join(tmpdir(), "kvtuner-families-"));
try {
  for (const name of names.length > 0 ? names : files.map((file) => file.replace(".json", "")))
    console.log(`${name.padEnd(24)} ${await outcome(name, folder)}`);
} finally {
  await rm(folder, { recursive: true });
}
