import type { KvtunerError } from "@kvtuner/plan";
import type { DecoderConfig } from "../architecture/config.ts";
import { type Architecture, familyOf } from "../architecture/families.ts";
import { frequencyFactors } from "../architecture/frequency-factors.ts";
import { readLayerInputs } from "../architecture/layer-inputs.ts";
import { type ModelKeys, modelKeys } from "../architecture/model-keys.ts";
import { readMetadata } from "../architecture/read-config.ts";
import { readHead } from "../architecture/read-weights.ts";
import { assertLayerCount } from "../architecture/supported-model.ts";
import type { ModelHeader } from "../architecture/weights.ts";
import { checkingReader, emptySource } from "./checking-reader.ts";
import { orFault, orFaultLater } from "./collect-faults.ts";

/** A header, read as one architecture. */
export interface ReadAs {
  readonly architecture: Architecture;
  /** Keys and tensors that are missing or wrong, and what is not supported. */
  readonly faults: readonly KvtunerError[];
  /** Tensors of layers that the architecture does not read, without `blk.LAYER.`; outputs may be wrong without them. */
  readonly unreadTensors: readonly string[];
  /** Absent if keys are missing or wrong. */
  readonly config?: DecoderConfig;
}

/** Reads keys, and names and sizes of tensors, without stopping at a fault. */
export const readAs = async (header: ModelHeader, architecture: Architecture): Promise<ReadAs> => {
  const faults: KvtunerError[] = [];
  const config = readKeys(header, architecture, faults);
  if (config === undefined) return { architecture, faults, unreadTensors: [] };
  orFault(faults, () => assertLayerCount(config, header.tensors), undefined);
  const empty = emptySource(header);
  await orFaultLater(faults, async () => readHead(empty, config, { from: 0, to: 0 }));
  await orFaultLater(faults, async () => readLayerInputs(empty, config));
  for (const table of config.rope.tables) await orFaultLater(faults, async () => frequencyFactors(empty, table));
  const unreadTensors = await unreadParts(header, config, faults);
  return { architecture, faults: distinct(faults), unreadTensors, config };
};

/** Adds a fault for each key that is missing or wrong; the result is undefined if there is any. */
const readKeys = (
  header: ModelHeader,
  architecture: Architecture,
  faults: KvtunerError[],
): DecoderConfig | undefined => {
  const found: KvtunerError[] = [];
  const keys = tolerant(modelKeys(header.metadata, architecture), found);
  const config = orFault(found, () => readMetadata(header, architecture, undefined, keys), undefined);
  faults.push(...found);
  return found.length === 0 ? config : undefined;
};

/** Keys that add a fault in place of throwing it; the number is then 1. */
const tolerant = (keys: ModelKeys, faults: KvtunerError[]): ModelKeys => {
  const number = (key: string, fallback?: number): number => orFault(faults, () => keys.number(key, fallback), 1);
  const numbers = (key: string, count: number): number[] =>
    orFault(faults, () => keys.numbers(key, count), Array<number>(count).fill(1));
  return { ...keys, number, numbers, optionalNumber: (key) => (keys.has(key) ? number(key) : undefined) };
};

const LAYER_PART = /^blk\.(\d+)\.(.+)\.(?:weight|bias|scale)$/;

/** Read apart from the segments, in any family. */
const COMMON_PARTS: readonly string[] = ["attn_sinks"];

/** Adds a fault for each tensor that is missing or has another size; returns the parts that no layer reads. */
const unreadParts = async (header: ModelHeader, config: DecoderConfig, faults: KvtunerError[]): Promise<string[]> => {
  const { projection, feedForward, recurrent } = familyOf(config.architecture);
  const read = new Set(COMMON_PARTS);
  for (let layer = 0; layer < config.layers; layer++) {
    const reader = checkingReader(header, config, layer, read, faults);
    await orFaultLater(faults, async () =>
      recurrent && reader.isRecurrent ? recurrent.mixer(reader) : projection(reader),
    );
    await orFaultLater(faults, async () => feedForward(reader));
  }
  const parts = [...header.tensors.keys()].flatMap((name) => {
    const [, layer, part = ""] = LAYER_PART.exec(name) ?? [];
    return layer !== undefined && Number(layer) < config.layers ? [part] : [];
  });
  const own = new Set(parts);
  return [...own].filter((part) => !read.has(part));
};

/** One fault of those that differ in the layer only. */
const distinct = (faults: readonly KvtunerError[]): KvtunerError[] =>
  [
    ...new Map(faults.toReversed().map((fault) => [fault.message.replaceAll(/blk\.\d+/g, "blk"), fault])).values(),
  ].toReversed();
