import { type TransformRows, transformRows } from "@kvtuner/backend";
import type { Asset, TensorScheme } from "@kvtuner/plan";
import type { TransformForm } from "../kernels/attend-kernel.ts";

/** How a tensor of the codec `transform` is stored, and how kernels read it. */
export interface TransformFormat extends TransformRows {
  readonly form: TransformForm;
  /** Whether numbers come from channels by a matrix. */
  readonly hasMatrix: boolean;
}

/** How a tensor is stored if it is of the codec `transform`, and where its tables are. */
export interface TablePlace {
  readonly transform: TransformFormat | undefined;
  /** Word of the tables in the layer's buffer. */
  readonly tablesStart: number;
  /** Words of a KV head there. */
  readonly headWords: number;
}

/** Layout of a tensor; undefined for other codecs. */
export const transformFormat = (
  scheme: TensorScheme,
  assets: readonly Asset[] | undefined,
  tensor: { readonly kvHeads: number; readonly headSize: number },
): TransformFormat | undefined => {
  const rows = transformRows(scheme, assets, tensor);
  if (!rows) return undefined;
  const { rotation, rope } = rows.heads[0]!.tables;
  const hasMatrix = rotation.kind === "matrix" || rotation.kind === "hadamard";
  return { ...rows, form: rope ? (hasMatrix ? "mixed" : "turned") : "folded", hasMatrix };
};
