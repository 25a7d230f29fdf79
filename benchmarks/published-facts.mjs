/**
 * What publications say of quantized caches, tried on a model: KL to the float cache on windows of a text.
 *   npm run -s bench:published-facts -- MODEL TEXT --calibration FILE [--windows 4x512] [--samples 4] [--sample-length 512]
 * 1. Hadamard helps keys per token, and hurts where few channels have large means (QuaRot; Qwen2.5 has a bias in its keys).
 * 2. The mean of keys, removed before the Hadamard transform, costs nothing and helps.
 * 3. The first tokens matter most at 2 bits.
 * Means are those of the calibration file, which must not hold TEXT.
 */
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { FLOAT16, layerScheme, layerShape, PLAIN_TRANSFORM } from "@kvtuner/plan";
import { textSamples } from "@kvtuner/tuning";
import { openModel } from "kvtuner";
import { losses, markdownTable } from "./shared.mjs";

const { values: given, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    calibration: { type: "string" },
    windows: { type: "string", default: "4x512" },
    samples: { type: "string", default: "4" },
    "sample-length": { type: "string", default: "512" },
  },
});
const [name, textFile] = positionals;
const model = await openModel(name, { progress: () => {}, warn: console.error });
const { shape } = model;
const read = (file, samples, sampleLength) => textSamples(model, readFileSync(file, "utf8"), { samples, sampleLength });
const [windows, length] = given.windows.split("x").map(Number);
const evaluator = await model.evaluator(read(textFile, windows, length));

const klOf = async ({ layers, assets }) => {
  const [score] = await evaluator.evaluate([layers], { ...(assets && { assets }) });
  return losses(score);
};
const everywhere = (scheme) => Array.from({ length: shape.layers }, () => scheme);
/** Keys alone, all tokens coded. */
const keysAlone = (key) => ({ key, value: FLOAT16, residency: { kind: "prefix", sinks: 0, recent: 0 } });

const table = async (title, rows, columns) => {
  const cells = [];
  for (const [label, plans] of rows) {
    const own = [];
    for (const plan of plans) own.push(await klOf(plan));
    cells.push([label, ...own]);
    console.error(title, ...cells.at(-1));
  }
  console.log(`\n${markdownTable([[title, ...columns], ...cells])}`);
};

/** Mean key of every layer, float32 `[kvHeads, headSize]`, as an asset. */
const keyMeans = async () => {
  const sums = Array.from({ length: shape.layers }, (_, layer) => {
    const { kvHeads, headSize } = layerShape(shape, layer);
    return new Float64Array(kvHeads * headSize);
  });
  let tokens = 0;
  for (const sample of read(given.calibration, Number(given.samples), Number(given["sample-length"]))) {
    await model.trace(sample, (layer, { key }) => {
      for (const [index, number] of key.entries()) sums[layer][index % sums[layer].length] += number;
    });
    tokens += sample.length;
  }
  return sums.map((sum, layer) => {
    const { kvHeads, headSize } = layerShape(shape, layer);
    const data = Float32Array.from(sum, (total) => total / tokens);
    return { name: `mean-${layer}`, dtype: "float32", shape: [kvHeads, headSize], data };
  });
};

const BITS = [4, 3, 2];
const token = (bits, changes) => ({ ...layerScheme("per-token", { key: bits, value: bits }).key, ...changes });
await table(
  "keys per token",
  BITS.map((bits) => [
    `${bits} bits`,
    [{}, { transform: "hadamard" }].map((changes) => ({ layers: everywhere(keysAlone(token(bits, changes))) })),
  ]),
  ["KL, as they are", "KL, Hadamard"],
);

const means = await keyMeans();
const rotated = (bits, mean) => ({ ...PLAIN_TRANSFORM, bits, rotation: "hadamard", gain: "norm16", mean });
await table(
  "keys, Hadamard and Gaussian levels",
  BITS.map((bits) => [
    `${bits} bits`,
    [
      { layers: everywhere(keysAlone(rotated(bits, "none"))) },
      { layers: means.map(({ name: mean }) => keysAlone(rotated(bits, mean))), assets: means },
    ],
  ]),
  ["KL, as they are", "KL, mean removed"],
);

const SINKS = [0, 1, 4];
for (const mode of ["per-token", "compact"])
  await table(
    `${mode}, keys and values`,
    BITS.map((bits) => [
      `${bits} bits`,
      SINKS.map((sinks) => ({ layers: everywhere(layerScheme(mode, { key: bits, value: bits }, { sinks })) })),
    ]),
    SINKS.map((sinks) => `KL, ${sinks} first tokens in 16 bits`),
  );
await evaluator.dispose();
await model.dispose();
