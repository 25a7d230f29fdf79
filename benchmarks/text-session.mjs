import { readFileSync } from "node:fs";
import { openModel } from "kvtuner";

/** Opens a model and the first samples of a text. `evaluate` scores plans given as one layer scheme per layer. */
export const openTextSession = async (name, textFile, { samples, sampleLength }) => {
  const model = await openModel(name, { progress: () => {}, warn: () => {} });
  const text = readFileSync(textFile, "utf8").slice(0, 8 * samples * sampleLength);
  const ids = model.encode(text);
  if (ids.length < samples * sampleLength)
    throw new Error(`expected ${samples * sampleLength} tokens, ${textFile} gave ${ids.length}`);
  const cut = Array.from({ length: samples }, (_, sample) =>
    ids.slice(sample * sampleLength, (sample + 1) * sampleLength),
  );
  const evaluator = await model.evaluator(cut);
  return { model, evaluator, ids, shape: model.shape, dispose: () => evaluator.dispose().then(() => model.dispose()) };
};

/** The same layer scheme in every layer. */
export const uniform = (shape, layer) => Array.from({ length: shape.layers }, () => layer);
