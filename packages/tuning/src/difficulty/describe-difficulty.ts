import { difficultyWarning, layerList } from "./difficulty-warning.ts";
import { type ModelDifficulty, NOISE_NATS } from "./model-difficulty.ts";

/** A model's difficulty in words: a verdict, a table of the layouts, and the layers that stand out. */
export interface DifficultyText {
  readonly verdict: string;
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
  readonly layers: readonly string[];
}

/** Describes what {@link ModelDifficulty} holds, for people. */
export const describeDifficulty = (difficulty: ModelDifficulty): DifficultyText => ({
  verdict: difficultyWarning(difficulty) ?? "no layer's keys look hard to quantize, as far as the weights show",
  head: ["keys", "error of scores, nats", `layers at ${NOISE_NATS} nat or more`],
  rows: difficulty.codings.map(({ name, worstError, difficultLayers }) => [
    name,
    worstError.toPrecision(2),
    difficultLayers.length === 0 ? "none" : layerList(difficultLayers),
  ]),
  layers: unusualLayers(difficulty),
});

const unusualLayers = ({ layers, codings }: ModelDifficulty): string[] => {
  const difficult = new Set(codings.flatMap(({ difficultLayers }) => difficultLayers));
  const withoutRope = layers.filter(({ hasRope }) => !hasRope).map(({ layer }) => layer);
  return [
    ...layers.filter(({ layer }) => difficult.has(layer)).map(layerText),
    ...(withoutRope.length === 0 ? [] : [`no RoPE in ${layerList(withoutRope)}`]),
  ];
};

const layerText = ({ layer, outliers, biasNorm }: ModelDifficulty["layers"][number]): string =>
  `layer ${layer}: ${outliers} outlier channels${biasNorm === 0 ? "" : `, key bias of norm ${biasNorm.toPrecision(3)}`}`;

/** The same in one finding of a check of the model. */
export const difficultyFinding = (
  difficulty: ModelDifficulty,
): { name: "keys"; status: "ok" | "warning"; found: string; message: string; remedy?: string } => {
  const message = "error of attention scores, predicted from the weights; inspect shows it by mode and layer";
  const warning = difficultyWarning(difficulty);
  if (warning === undefined) return { name: "keys", status: "ok", found: "no layer is hard to quantize", message };
  const end = warning.lastIndexOf("; ");
  return { name: "keys", status: "warning", found: warning.slice(0, end), message, remedy: warning.slice(end + 2) };
};
