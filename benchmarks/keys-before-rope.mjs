/**
 * Keys per channel before RoPE and after it, as KVQuant compares them: KL to the float cache on windows of a text, values in 16 bits.
 *   npm run -s bench:keys-before-rope -- MODEL TEXT --calibration FILE [--settings nuq2,nuq2-1%,nuq3,nuq3-1%] [--windows 2x512]
 *     [--samples 4] [--sample-length 512]
 * TEXT must not be in the calibration file.
 */
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { FLOAT16, trueBits } from "@kvtuner/plan";
import { METHODS, textSamples } from "@kvtuner/tuning";
import { openModel } from "kvtuner";
import { losses, markdownTable } from "./shared.mjs";

const CONTEXT = 4096;

const { values: given, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    calibration: { type: "string" },
    settings: { type: "string", default: "nuq2,nuq2-1%,nuq3,nuq3-1%" },
    windows: { type: "string", default: "2x512" },
    samples: { type: "string", default: "4" },
    "sample-length": { type: "string", default: "512" },
  },
});
const [name, textFile] = positionals;
const callbacks = { progress: () => {}, warn: console.error };
const model = await openModel(name, callbacks);
const read = (file, samples, sampleLength) => textSamples(model, readFileSync(file, "utf8"), { samples, sampleLength });
const calibration = read(given.calibration, Number(given.samples), Number(given["sample-length"]));
const [windows, length] = given.windows.split("x").map(Number);
const evaluator = await model.evaluator(read(textFile, windows, length));
const { settings } = METHODS.find((method) => method.name === "kvquant");

/** Without its RoPE, a model's keys are coded as the cache gets them. */
const stages = [
  { model: { ...model, ropes: undefined }, samples: [...calibration] },
  { model, samples: calibration },
];
const rows = [];
for (const label of given.settings.split(",")) {
  const { calibrate } = settings.find((setting) => setting.label === label);
  const cells = [];
  for (const stage of stages) {
    const coded = await calibrate({ ...stage, context: CONTEXT, seed: 0, callbacks });
    const layers = coded.layers.map((layer) => ({ ...layer, value: FLOAT16 }));
    const [score] = await evaluator.evaluate([layers], { assets: coded.assets });
    cells[0] ??= trueBits({ layers, shape: model.shape }, CONTEXT).toFixed(2);
    cells.push(losses(score));
    console.error(label, ...cells);
  }
  rows.push([label, ...cells]);
}
console.log(markdownTable([["keys", "true bits", "KL, after RoPE", "KL, before RoPE"], ...rows]));
await evaluator.dispose();
await model.dispose();
