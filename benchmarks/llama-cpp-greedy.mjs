import { loadDecoder, loadTokenizer } from "@kvtuner/decoder";
import { openGgufFile } from "@kvtuner/decoder/node";
// Compares greedy texts of our decoder, with exact weights and a float cache, with those of llama.cpp with a float32 cache:
//   npm run -s bench:llama.cpp-greedy -- MODEL
// Where they part, prints the gap between both choices on either side, and how far all of llama.cpp's logits are from ours there:
// its products round activations to 8 bits. Needs node-llama-cpp; if it is missing, the error says how to install it.
import { resolveModel } from "kvtuner";
import { InferenceSession } from "onnxruntime-node";
import { checkAgreement } from "./llama-cpp/agreement.ts";
import { agreedText } from "./llama-cpp/command.ts";
import { findNodeLlamaCpp } from "./llama-cpp/package.ts";
import { startPeer } from "./llama-cpp/process.ts";

const PROMPTS = [
  "The history of the bicycle began in",
  "Water boils at a lower temperature on a mountain because",
  "def fibonacci(n):",
  "The three largest cities of Germany are",
];

const [model = "embedded"] = process.argv.slice(2);
const { path: modelPath } = await resolveModel(model);
const types = { key: "f32", value: "f32", flashAttention: false };
const peer = startPeer();
await peer.call("open", { packageUrl: findNodeLlamaCpp().url, modelPath, threads: 1, types, capacity: 256 });
const { gguf, close } = await openGgufFile(modelPath);
const tokenizer = loadTokenizer(gguf);
const decoder = await loadDecoder(gguf, { createSession: (graph) => InferenceSession.create(graph) });
try {
  const encode = (text) => Int32Array.of(...tokenizer.startIds, ...tokenizer.encode(text));
  for (const prompt of PROMPTS) {
    const agreement = await checkAgreement({ decoder, encode, decode: tokenizer.decode, peer }, prompt);
    console.log(`${JSON.stringify(prompt)}: equal for ${agreedText(agreement)}`);
  }
} finally {
  await Promise.all([decoder.dispose(), peer.end()]);
  await close();
}
