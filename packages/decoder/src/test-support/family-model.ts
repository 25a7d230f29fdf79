import { readFileSync } from "node:fs";
import { type WritableTensor, type WritableValue, writeGguf } from "../gguf/test-support/write-gguf.ts";
import type { GradientSummary } from "./gradient-summary.ts";
import { noise } from "./noise.ts";

/** A small model of one family with its logits by PyTorch `transformers`, made by `tools/make-family-models.py`. */
export interface FamilyModel {
  readonly metadata: Readonly<Record<string, WritableValue>>;
  /** Numbers are `values`, or `offset + scale * noise(name)`. Dims are in GGUF order, fastest first. */
  readonly tensors: Readonly<
    Record<
      string,
      {
        readonly dims: readonly number[];
        readonly scale?: number;
        readonly offset?: number;
        readonly values?: readonly number[];
      }
    >
  >;
  /** For loading. */
  readonly options?: Readonly<{ contextLength?: number }>;
  readonly ids: readonly number[];
  /** One row per id. */
  readonly logits: readonly (readonly number[])[];
  readonly gradients: GradientSummary;
}

/** Reads the fixture of an architecture. */
export const familyModel = (architecture: string): FamilyModel =>
  JSON.parse(
    readFileSync(new URL(`../fixtures/families/${architecture}.json`, import.meta.url), "utf8"),
  ) as FamilyModel;

/** The model as a GGUF file. Tensors that `stored` returns are written as such, with other numbers. */
export const familyGguf = (
  { metadata, tensors }: FamilyModel,
  stored: (name: string, size: number) => Pick<WritableTensor, "typeId" | "data"> | undefined = () => undefined,
): Uint8Array =>
  writeGguf({
    metadata,
    tensors: Object.entries(tensors).map(([name, { dims, scale = 1, offset = 0, values }]) => {
      const next = noise(name);
      const size = dims.reduce((product, dim) => product * dim, 1);
      const replaced = stored(name, size);
      if (replaced) return { name, dims, ...replaced };
      return {
        name,
        dims,
        data: Float32Array.from({ length: size }, (_, index) => values?.[index] ?? offset + scale * next()),
      };
    }),
  });
