import { KvtunerError } from "@kvtuner/plan";

/** An exported ONNX model that cannot be cut at its attention; `code` says why. */
export class ExportError extends KvtunerError {
  override readonly name = "ExportError";
}

/** A graph of another form than those that can be cut. */
export const uncuttable = (expected: string, got: string): ExportError =>
  new ExportError(
    "EXPORT_UNSUPPORTED",
    `expected ${expected}, got ${got}; export the model with the onnxruntime-genai model builder, or use its GGUF file`,
  );
