import { readFileSync } from "node:fs";
import { type Decoder, FloatAttention, forward } from "@kvtuner/decoder";

/** What tools/embedded-model/reference.py wrote: logits of the exported weights in PyTorch. */
interface Reference {
  readonly ids: readonly number[];
  readonly positions: readonly number[];
  readonly logits: readonly (readonly number[])[];
}

/** Largest difference of a model's logits from those of the program that trained it, divided by the largest logit. */
export const trainedLogitsError = async (decoder: Decoder, name: string): Promise<number> => {
  const text = readFileSync(new URL(`fixtures/${name}-logits.json`, import.meta.url), "utf8");
  const { ids, positions, logits } = JSON.parse(text) as Reference;
  const attention = new FloatAttention(decoder.shape, decoder.attention);
  const residual = await forward(decoder, ids, [...ids.keys()], attention);
  const rows = (await decoder.head(residual)).data as Float32Array;
  const errors = positions.flatMap((position, index) =>
    Array.from({ length: decoder.vocabularySize }, (_, id) =>
      Math.abs(logits[index]![id]! - rows[position * decoder.vocabularySize + id]!),
    ),
  );
  return Math.max(...errors) / Math.max(...logits.flat().map(Math.abs));
};
