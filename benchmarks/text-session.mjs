import { readFileSync } from "node:fs";
import { openModel } from "kvtuner";

/** Opens a model and the first windows of a text; `evaluate` scores plans given as one layer scheme a layer. */
export const openTextSession = async (name, textFile, { windows, windowLength }) => {
  const model = await openModel(name, { progress: () => {}, warn: () => {} });
  const text = readFileSync(textFile, "utf8").slice(0, 8 * windows * windowLength);
  const ids = model.encode(text);
  if (ids.length < windows * windowLength)
    throw new Error(`expected ${windows * windowLength} tokens, ${textFile} gave ${ids.length}`);
  const cut = Array.from({ length: windows }, (_, window) =>
    ids.slice(window * windowLength, (window + 1) * windowLength),
  );
  const evaluator = await model.evaluator(cut);
  return { model, evaluator, ids, shape: model.shape, dispose: () => evaluator.dispose().then(() => model.dispose()) };
};

/** The same layer scheme in every layer. */
export const uniform = (shape, layer) => Array.from({ length: shape.layers }, () => layer);
