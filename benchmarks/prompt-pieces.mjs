// Time of a prompt by the tokens that pass through the model together, and of a token after it:
//   node --conditions=@kvtuner/source --import ./tools/typescript-loader.mjs benchmarks/prompt-pieces.mjs MODEL [compact|exact ...]
//     [--pieces 128,256,512] [--tokens 512] [--rounds 5]
// Milliseconds on the clock and of processor time, medians of rounds that take turns, with the float cache. Compare processor times
// on a busy machine. Writes the segments of each way to hold weights to a temporary folder, up to four times the size of the model.
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { CacheSession, FloatAttention, loadDecoder, loadTokenizer } from "@kvtuner/decoder";
import { openGgufFile, segmentFolder } from "@kvtuner/decoder/node";
import { resolveModel } from "kvtuner";
import { InferenceSession, Tensor } from "onnxruntime-node";
import { median } from "simple-statistics";
import { markdownTable } from "./shared.mjs";

const STORAGE = { compact: "stored-int8", exact: "float32" };
const DECODED = 8;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    pieces: { type: "string", default: "128,256,512" },
    tokens: { type: "string", default: "512" },
    rounds: { type: "string", default: "5" },
  },
});
const [name = "smollm2", ...ways] = positionals;
const pieces = values.pieces.split(",").map(Number);

/** As `run` creates sessions. */
const createSession = async (model, options) => {
  const session = await InferenceSession.create(model, {
    intraOpNumThreads: availableParallelism(),
    enableCpuMemArena: false,
    enableMemPattern: false,
    extra: {
      session: { intra_op: { allow_spinning: "0" }, ...(options?.keepsMapped === true && { disable_prepacking: "1" }) },
    },
  });
  return Object.assign(session, { outputTensor: (data, dims) => new Tensor("float32", data, dims) });
};

const timed = async (work) => {
  const [startMs, before] = [performance.now(), process.cpuUsage()];
  const result = await work();
  const { user, system } = process.cpuUsage(before);
  return { result, clock: performance.now() - startMs, processor: (user + system) / 1000 };
};

const likeliest = (logits) => logits.reduce((best, logit, id) => (logit > logits[best] ? id : best), 0);

/** Times of one prompt, and of a greedy token after it. */
const measure = async (decoder, ids, chunkTokens) => {
  const cache = new FloatAttention(decoder.shape, decoder.attention);
  const session = new CacheSession({ decoder, cache, chunkTokens });
  const { result, ...prompt } = await timed(() => session.prompt(ids));
  const decode = await timed(async () => {
    let logits = result;
    for (let token = 0; token < DECODED; token++) logits = await session.append(Int32Array.of(likeliest(logits)));
  });
  return { prompt, token: { clock: decode.clock / DECODED, processor: decode.processor / DECODED } };
};

const { gguf, close } = await openGgufFile((await resolveModel(name)).path);
const text = readFileSync(fileURLToPath(new URL("../README.md", import.meta.url)), "utf8");
const ids = loadTokenizer(gguf).encode(text.repeat(4)).slice(0, Number(values.tokens));
const folder = mkdtempSync(join(tmpdir(), "kvtuner-pieces-"));
const rows = [];
try {
  for (const way of ways.length > 0 ? ways : Object.keys(STORAGE)) {
    const segmentFiles = segmentFolder(join(folder, way), createSession);
    const decoder = await loadDecoder(gguf, { createSession, weights: STORAGE[way], segmentFiles });
    const times = new Map(pieces.map((piece) => [piece, []]));
    await measure(decoder, ids, pieces[0]);
    for (let round = 0; round < Number(values.rounds); round++)
      for (const piece of round % 2 === 0 ? pieces : pieces.toReversed())
        times.get(piece).push(await measure(decoder, ids, piece));
    for (const [piece, list] of times) {
      const middle = (part, kind) => median(list.map((one) => one[part][kind])).toFixed(0);
      rows.push([
        way,
        piece,
        ...["prompt", "token"].map((part) => `${middle(part, "clock")} / ${middle(part, "processor")}`),
      ]);
    }
    await decoder.dispose();
  }
} finally {
  rmSync(folder, { recursive: true });
  await close();
}
console.log(markdownTable([["weights", "tokens together", `prompt of ${ids.length}, ms`, "token, ms"], ...rows]));
