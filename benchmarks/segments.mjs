// Cost of a token's weights without attention, and the share of it spent reading them from memory:
//   node bench/segments.mjs [float32|stored|stored-int8] [--rounds N]
// Milliseconds per segment, median and tenth percentile: all segments in turn, whose weights come from memory, and one segment
// repeatedly, whose weights stay in the processor's caches. One thread.
import { homedir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { loadDecoder, openGguf } from "@kvtuner/decoder";
import { openFileSource } from "@kvtuner/decoder/node";
import { InferenceSession } from "onnxruntime-node";

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: { rounds: { type: "string", default: "100" } },
});
const [weights = "stored-int8"] = positionals;
const home = process.env.KVTUNER_HOME ?? join(homedir(), ".cache/kvtuner");
const source = await openFileSource(join(home, "models/smollm2.gguf"));
const createSession = (model) => InferenceSession.create(model, { intraOpNumThreads: 1 });
const decoder = await loadDecoder(await openGguf(source), { createSession, weights });
const positions = decoder.positions([3]);
const { residual, query } = await decoder.first([100], positions);
const between = decoder.shape.layers - 1;

const timeMs = async (layerOf) => {
  const startMs = performance.now();
  for (let index = 0; index < between; index++) await decoder.next(layerOf(index), residual, query, positions);
  return (performance.now() - startMs) / between;
};

const times = { all: [], one: [] };
for (let round = 0; round < Number(options.rounds); round++) {
  times.all.push(await timeMs((index) => index));
  times.one.push(await timeMs(() => 0));
}
for (const [name, list] of Object.entries(times)) {
  const sorted = list.toSorted((a, b) => a - b);
  const at = (share) => sorted[Math.floor(share * sorted.length)].toFixed(3);
  console.log(
    `${weights}, ${name === "all" ? "all segments in turn" : "one segment"}: median ${at(0.5)}, tenth ${at(0.1)}`,
  );
}
await decoder.dispose();
await source.close();
