import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { embeddedModelUrl, embeddedTexts } from "@kvtuner/embedded-model";
import { parseShorthand, trueBits } from "@kvtuner/plan";
import { calibrateTransform, textSamples } from "@kvtuner/tuning";
import { expect, test } from "vitest";
import { openModel } from "./model/open.ts";

const CONTEXT = 4096;
const callbacks = { progress: () => undefined, warn: () => undefined };

test.each(["channels", "folded"] as const)(
  "transform coding of form %s loses far less than a uniform plan of as many bits",
  async (form) => {
    const model = await openModel(fileURLToPath(embeddedModelUrl), callbacks);
    const { shape } = model;
    const cut = (url: URL, samples: number): Int32Array[] =>
      textSamples(model, readFileSync(url, "utf8"), { samples, sampleLength: 256 });
    const options = { form, context: CONTEXT, seed: 1, callbacks };
    const atBits = await calibrateTransform(model, cut(embeddedTexts.calibration, 4), options);
    const uniform = Array.from({ length: shape.layers }, () => parseShorthand("compact:K2V2").layer);
    const bits = trueBits({ layers: uniform, shape }, CONTEXT);
    const [alike, more] = [atBits(bits), atBits(bits + 1)];
    expect(trueBits({ layers: alike.layers, shape }, CONTEXT)).toBeLessThanOrEqual(bits);
    const evaluator = await model.evaluator(cut(embeddedTexts.evaluation, 1));
    const score = async ({ layers, assets }: typeof alike): Promise<number> =>
      (await evaluator.evaluate([layers], { assets }))[0]!.kl;
    const [[baseline], own, finer] = [await evaluator.evaluate([uniform]), await score(alike), await score(more)];
    expect(own).toBeLessThan(baseline!.kl / 8);
    expect(finer).toBeLessThan(own);
    await evaluator.dispose();
    await model.dispose();
  },
);
