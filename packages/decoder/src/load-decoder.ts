import type { ModelIdentity } from "@kvtuner/plan";
import { Tensor } from "onnxruntime-common";
import { readShape } from "./architecture/attention.ts";
import type { DecoderConfig } from "./architecture/config.ts";
import { finiteWeights } from "./architecture/finite-weights.ts";
import { LAYER_EMBEDDING } from "./architecture/layer-inputs.ts";
import { type ConfigOptions, readConfig } from "./architecture/read-config.ts";
import { vocabularySize } from "./architecture/read-weights.ts";
import type { WeightSource } from "./architecture/weights.ts";
import { assembleDecoder, type Decoder } from "./decoder.ts";
import { positionInputs, readPositions, type RowPositions } from "./row-positions.ts";
import { decoderSegments, type SegmentOptions } from "./segments/decoder-segments.ts";
import { TOKEN_INPUTS } from "./segments/layer-inputs.ts";
import { type Releasable, releasedOnFailure } from "./session.ts";
import { storedWeights } from "./weight-storage.ts";

/** Options of {@link loadDecoder}. */
export interface LoadOptions extends SegmentOptions, ConfigOptions {
  readonly sha256?: string;
}

/**
 * Builds the segments of a model. A failure releases the segments built so far.
 *
 * @throws ModelError when the metadata or a tensor does not fit
 */
export const loadDecoder = async (source: WeightSource, options: LoadOptions): Promise<Decoder> =>
  releasedOnFailure(options.createSession, async (createSession, opened) =>
    buildDecoder(source, { ...options, createSession }, opened),
  );

const buildDecoder = async (file: WeightSource, options: LoadOptions, opened: Releasable[]): Promise<Decoder> => {
  const source = storedWeights(finiteWeights(file), options.weights ?? "float32");
  const config = readConfig(source, options);
  const shape = await readShape(source, config);
  const segments = await decoderSegments(source, config, options);
  if (options.segmentFiles) opened.push(segments);
  const parts = {
    config,
    shape,
    identity: identity(config, options.sha256),
    vocabularySize: vocabularySize(source),
    segments,
    positions: await readPositions(source, config),
    embed: async (ids: ArrayLike<number>) => ({
      hidden: await embedded(source, config, ids),
      ...(await embeddedForLayers(source, config, ids)),
    }),
    ...(config.recurrentLayers && { recurrentLayers: config.recurrentLayers }),
    positionInputs: (positions: RowPositions, segment: number) => positionInputs(positions, config, segment),
  };
  return assembleDecoder(parts, options);
};

/** Embedding rows of tokens, `[ids, hiddenSize]`. */
const embedded = async (
  source: WeightSource,
  { hiddenSize, embeddingScale }: DecoderConfig,
  ids: ArrayLike<number>,
): Promise<Tensor> => {
  return scaledRows(source, "token_embd.weight", ids, [hiddenSize, embeddingScale]);
};

/** Input of the first segment for embeddings of layers' own, `[ids, layers * layerInputSize]`; none without them. */
const embeddedForLayers = async (
  source: WeightSource,
  { layers, layerInputSize }: DecoderConfig,
  ids: ArrayLike<number>,
): Promise<Readonly<Record<string, Tensor>>> => {
  if (layerInputSize === undefined) return {};
  const size = [layers * layerInputSize, Math.sqrt(layerInputSize)] as const;
  return { [TOKEN_INPUTS]: await scaledRows(source, LAYER_EMBEDDING, ids, size) };
};

const scaledRows = async (
  source: WeightSource,
  name: string,
  ids: ArrayLike<number>,
  [width, scale]: readonly [width: number, scale: number],
): Promise<Tensor> => {
  const rows = await source.readTensorRows(name, ids);
  if (scale !== 1) for (let index = 0; index < rows.length; index++) rows[index]! *= scale;
  return new Tensor("float32", rows, [ids.length, width]);
};

const identity = ({ name, architecture }: DecoderConfig, sha256?: string): ModelIdentity => ({
  name,
  architecture,
  ...(sha256 !== undefined && { sha256 }),
});
