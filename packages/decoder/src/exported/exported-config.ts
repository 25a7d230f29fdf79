import type { ExportedHeads } from "./attention-cuts.ts";
import { ExportError } from "./export-error.ts";

/** What the configuration beside an exported model says of it. */
export interface ExportedConfig extends ExportedHeads {
  /** `llama`, `qwen3` and the like. */
  readonly architecture: string;
  readonly layers: number;
  readonly hiddenSize: number;
  readonly vocabularySize: number;
  /** Tokens that the model was trained for. */
  readonly contextLength: number;
  /** Whether some layers read only the newest tokens. */
  readonly slides: boolean;
}

/** A JSON object of unknown contents. */
type Json = Readonly<Record<string, unknown>>;

/**
 * Reads `genai_config.json` of onnxruntime-genai, or `config.json` of Hugging Face.
 *
 * @param text the file's text
 * @param file its name, for messages
 * @throws ExportError `EXPORT_CONFIG`
 */
export const readExportedConfig = (text: string, file: string): ExportedConfig => {
  const json = parsed(text, file);
  const model = json["model"] as Json | undefined;
  return model ? genaiConfig(model, file) : transformersConfig((json["text_config"] as Json) ?? json, file);
};

const genaiConfig = (model: Json, file: string): ExportedConfig => {
  const decoder = (model["decoder"] ?? {}) as Json;
  const count = (from: Json, key: string, fallback?: number): number => countOf(from, key, file, fallback);
  const queryHeads = count(decoder, "num_attention_heads");
  const hiddenSize = count(decoder, "hidden_size");
  return {
    architecture: textOf(model["type"]),
    layers: count(decoder, "num_hidden_layers"),
    hiddenSize,
    queryHeads,
    kvHeads: count(decoder, "num_key_value_heads", queryHeads),
    headSize: count(decoder, "head_size", hiddenSize / queryHeads),
    vocabularySize: count(model, "vocab_size"),
    contextLength: count(model, "context_length"),
    slides: typeof decoder["sliding_window"] === "object" && decoder["sliding_window"] !== null,
  };
};

const transformersConfig = (json: Json, file: string): ExportedConfig => {
  const count = (key: string, fallback?: number): number => countOf(json, key, file, fallback);
  const queryHeads = count("num_attention_heads");
  const hiddenSize = count("hidden_size");
  const contextLength = count("max_position_embeddings");
  return {
    architecture: textOf(json["model_type"]),
    layers: count("num_hidden_layers"),
    hiddenSize,
    queryHeads,
    kvHeads: count("num_key_value_heads", queryHeads),
    headSize: count("head_dim", hiddenSize / queryHeads),
    vocabularySize: count("vocab_size"),
    contextLength,
    slides: slides(json, contextLength),
  };
};

/** A span may be stated and not used, or be as long as the context. */
const slides = (json: Json, contextLength: number): boolean => {
  const [span, types] = [json["sliding_window"], json["layer_types"]];
  if (Array.isArray(types)) return types.includes("sliding_attention");
  return typeof span === "number" && span > 0 && span < contextLength && json["use_sliding_window"] !== false;
};

const textOf = (value: unknown): string => (typeof value === "string" ? value : "unknown");

const parsed = (text: string, file: string): Json => {
  try {
    const json: unknown = JSON.parse(text);
    if (typeof json === "object" && json !== null) return json as Json;
  } catch (cause) {
    throw new ExportError("EXPORT_CONFIG", `expected JSON in ${file}, got other text; download the file again`, {
      cause,
    });
  }
  throw new ExportError("EXPORT_CONFIG", `expected an object in ${file}, got ${text.slice(0, 20)}; download it again`);
};

const countOf = (json: Json, key: string, file: string, fallback?: number): number => {
  // `null` is how configurations say that there is none.
  const value = json[key] ?? fallback;
  if (typeof value === "number" && Number.isSafeInteger(value) && value > 0) return value;
  throw new ExportError(
    "EXPORT_CONFIG",
    `expected ${key} in ${file} to be a positive whole number, got ${JSON.stringify(value) ?? "none"}; export the model again`,
  );
};
