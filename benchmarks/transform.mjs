/**
 * What transform coding loses at levels of true bits: KL to the float cache on windows of a text.
 *   npm run -s bench:transform -- MODEL TEXT [--calibration FILE,...] [--form channels|full|folded] [--bits 4,3.5,3,2.5,2] [--windows 4x2048,8x512]
 *     [--samples 10] [--sample-length 512] [--context 4096]
 * Tables are calibrated on the model's own text by default, otherwise on as many samples of each file. TEXT must not be among the files.
 */
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { assetBytes, formatBytes, trueBits } from "@kvtuner/plan";
import { calibrateTransform, ownText, textSamples } from "@kvtuner/tuning";
import { openModel } from "kvtuner";
import { losses, markdownTable } from "./shared.mjs";

const { values: given, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    calibration: { type: "string" },
    form: { type: "string", default: "channels" },
    bits: { type: "string", default: "4,3.5,3,2.5,2" },
    windows: { type: "string", default: "4x2048,8x512" },
    samples: { type: "string", default: "10" },
    "sample-length": { type: "string", default: "512" },
    context: { type: "string", default: "4096" },
  },
});
const [name, textFile] = positionals;
const text = readFileSync(textFile, "utf8");
const callbacks = { progress: () => {}, warn: console.error };
const model = await openModel(name, callbacks);
const samples = Number(given.samples);
const cut = { sampleLength: Number(given["sample-length"]) };
const context = Number(given.context);

const files = given.calibration?.split(",");
const calibration = files
  ? files.flatMap((file) =>
      textSamples(model, readFileSync(file, "utf8"), { ...cut, samples: Math.ceil(samples / files.length) }),
    )
  : await ownText(model, { ...cut, samples, seed: 0 }, callbacks);
const start = process.cpuUsage();
const atBits = await calibrateTransform(model, calibration, { form: given.form, context, seed: 0, callbacks });
const { user, system } = process.cpuUsage(start);
console.log(`calibrated in ${((user + system) / 1e6).toFixed(0)} s of processor time`);

const rows = given.bits.split(",").map((bits) => {
  const coded = atBits(Number(bits));
  return {
    coded,
    cells: [trueBits({ ...coded, shape: model.shape }, context).toFixed(3), formatBytes(assetBytes(coded))],
  };
});
const windows = given.windows.split(",");
for (const window of windows) {
  const [count, length] = window.split("x").map(Number);
  const evaluator = await model.evaluator(textSamples(model, text, { samples: count, sampleLength: length }));
  for (const { coded, cells } of rows) {
    const [score] = await evaluator.evaluate([coded.layers], { assets: coded.assets });
    cells.push(losses(score));
    console.error(`${given.form} ${cells[0]} bits, ${window}: KL ${cells.at(-1)}`);
  }
  await evaluator.dispose();
}
console.log(
  markdownTable([
    ["true bits", "tables", ...windows.map((window) => `KL, ${window}`)],
    ...rows.map(({ cells }) => cells),
  ]),
);
await model.dispose();
