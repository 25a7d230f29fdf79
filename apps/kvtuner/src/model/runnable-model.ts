import {
  loadDecoder,
  loadTokenizer,
  readConfig,
  type BackwardSizes,
  type CreateSession,
  type Decoder,
  type GgufFile,
  type Tokenizer,
} from "@kvtuner/decoder";
import { formatBytes, type CacheShape, type ModelIdentity } from "@kvtuner/plan";
import { exportMemory, openExportedHeader } from "./exported-model.ts";
import { filesChecksum } from "./file-checksum.ts";
import { type ContextOption, openHeader } from "./header.ts";
import { lazyDecoder } from "./lazy-decoder.ts";
import { type BesideMemory, chooseAsStored, chooseWeights, type WeightChoice, type WeightWishes } from "./memory.ts";
import { type ModelAccess, resolveModel } from "./resolve.ts";
import { bytesToWrite, cachedSegments } from "./segment-cache.ts";
import { STORAGE } from "./weights.ts";

/** A model whose header is read at once and whose weights `load` loads, so that everything else is checked first. */
export interface RunnableModel {
  /** Its files, in order; several for a split model. */
  readonly paths: readonly [string, ...string[]];
  /** Whether they are those of an exported ONNX model; otherwise of a GGUF model. */
  readonly isExport: boolean;
  readonly identity: ModelIdentity;
  readonly shape: CacheShape;
  /** Context length of the model, tokens. */
  readonly contextLength: number;
  readonly tokenizer: Tokenizer;
  /** How the weights are held once they are loaded. */
  readonly choice: WeightChoice;
  /** Loads the weights, once. */
  load(): Promise<Decoder>;
  /** Releases memory and the files. */
  dispose(): Promise<void>;
}

/** Sizes of a model that memory depends on. */
export interface ModelSizes extends Pick<BackwardSizes, "shape" | "vocabularySize"> {
  /** Absent for exported models. */
  readonly config?: BackwardSizes["config"];
}

/** How the weights are held and run. */
export interface RunnableOptions extends Omit<WeightWishes, "beside">, ContextOption {
  /** Memory that the caller takes beside the model; none by default. */
  readonly beside?: (sizes: ModelSizes, identity: ModelIdentity) => Promise<BesideMemory>;
  readonly createSession: CreateSession<Uint8Array | string>;
}

/**
 * Opens a model to run, as {@link resolveModel} finds it.
 *
 * @throws KvtunerError when there is no such file, or the model cannot be run
 */
export const openRunnableModel = async (
  name: string,
  options: RunnableOptions,
  access: ModelAccess,
): Promise<RunnableModel> => {
  const { path, source, isExport } = await resolveModel(name, access);
  if (isExport) return openRunnableExport(path, options, access);
  const { beside, ...wishes } = options;
  const intended = intendedContext(options);
  const { gguf, paths, identity, shape, contextLength, close } = await openHeader(path, intended);
  try {
    const tokenizer = loadTokenizer(gguf);
    tokenizer.warnings.forEach(access.warn);
    const sha256 = await filesChecksum(paths);
    const { vocabularySize } = tokenizer;
    const sizes = { config: readConfig(gguf, intended), shape, vocabularySize };
    const choice = chooseWeights(gguf, { ...wishes, ...(beside && { beside: await beside(sizes, identity) }) });
    const decoder = lazyDecoder(
      async (onProgress) => load({ gguf, sha256, choice, createSession: options.createSession, intended }, onProgress),
      access,
    );
    const dispose = async (): Promise<void> => {
      await decoder.dispose();
      await close();
    };
    const known = { ...identity, sha256, ...(source !== undefined && { source }) };
    return {
      paths,
      isExport: false,
      identity: known,
      shape,
      contextLength,
      tokenizer,
      choice,
      load: decoder.get,
      dispose,
    };
  } catch (error) {
    await close();
    throw error;
  }
};

const intendedContext = ({ contextLength }: ContextOption): ContextOption =>
  contextLength === undefined ? {} : { contextLength };

const openRunnableExport = async (
  path: string,
  options: RunnableOptions,
  access: ModelAccess,
): Promise<RunnableModel> => {
  const { createSession, weights, beside, ...wishes } = options;
  const { paths, identity, shape, contextLength, ...header } = await openExportedHeader(path);
  const tokenizer = header.tokenizer();
  const need = exportMemory(header, tokenizer.vocabularySize, options.memory !== undefined);
  const { vocabularySize } = tokenizer;
  const choice = chooseAsStored(need, {
    ...wishes,
    ...(beside && { beside: await beside({ shape, vocabularySize }, identity) }),
  });
  const { peakBytes, residentSegments } = choice;
  if (weights === "compact")
    access.warn(
      "expected --weights exact for an ONNX model, got compact; its weights are used as they are in their files",
    );
  const sha256 = await filesChecksum(paths);
  const note = `up to about ${formatBytes(peakBytes)} of memory`;
  const decoder = lazyDecoder(
    async (onProgress) =>
      header.load({
        createSession,
        sha256,
        ...(residentSegments !== undefined && { residentSegments }),
        onProgress: (done, total) => onProgress(done, total, note),
      }),
    access,
  );
  return {
    paths,
    isExport: true,
    identity: { ...identity, sha256 },
    shape,
    contextLength,
    tokenizer,
    choice,
    load: decoder.get,
    dispose: decoder.dispose,
  };
};

interface LoadParts {
  readonly gguf: GgufFile;
  readonly sha256: string;
  readonly choice: WeightChoice;
  readonly createSession: RunnableOptions["createSession"];
  readonly intended: ContextOption;
}

/** Segments of models below this size are built in memory: files would gain nothing. */
const LEAST_FILED_BYTES = 32e6;

const load = async (
  { gguf, sha256, choice, createSession, intended }: LoadParts,
  onProgress: (done: number, total: number, note?: string) => void,
): Promise<Decoder> => {
  const { weights, residentSegments, peakBytes, diskBytes } = choice;
  const storage = STORAGE[weights];
  const common = { createSession, weights: storage, sha256, ...intended };
  if (diskBytes < LEAST_FILED_BYTES) return loadDecoder(gguf, { ...common, onProgress });
  const { folder, files } = cachedSegments(sha256, storage, createSession);
  const missing = bytesToWrite(folder, diskBytes);
  const writes = missing > 0 ? `; writes ${formatBytes(missing)} to ${folder} once` : "";
  const note = `up to about ${formatBytes(peakBytes)} of memory${writes}`;
  // Says what a first load writes before it does.
  onProgress(0, 1, note);
  return loadDecoder(gguf, {
    ...common,
    segmentFiles: files,
    ...(residentSegments !== undefined && { residentSegments }),
    onProgress: (done, total) => onProgress(done, total, note),
  });
};
