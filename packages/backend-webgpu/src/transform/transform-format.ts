import { type Asset, assetsOf, type SchemeOf, schemeOfHead, type TensorScheme } from "@kvtuner/plan";
import { type TransformToken, transformTables, transformToken } from "@kvtuner/quantizers";
import type { TransformForm } from "../kernels/attend-kernel.ts";

/** How a tensor of the codec `transform` is stored: a row of whole words for each token, its gain, then its codes, lowest bits first. */
export interface TransformFormat {
  readonly form: TransformForm;
  /** Whether numbers come from channels by a matrix. */
  readonly hasMatrix: boolean;
  readonly gainBits: 0 | 4 | 16;
  /** Words of a row, those of the longest head. */
  readonly rowWords: number;
  /** A token of each KV head, to encode to and to decode from. */
  readonly heads: readonly TransformToken[];
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
  { kvHeads, headSize }: { readonly kvHeads: number; readonly headSize: number },
): TransformFormat | undefined => {
  if (scheme.kind !== "transform") return undefined;
  const heads = Array.from({ length: kvHeads }, (_, head) => {
    const own = schemeOfHead(scheme, head) as SchemeOf<"transform">;
    return transformToken(transformTables(own, assetsOf(own, assets), head, headSize));
  });
  const { rotation, rope } = heads[0]!.tables;
  const hasMatrix = rotation.kind === "matrix" || rotation.kind === "hadamard";
  const gainBits = GAIN_BITS[scheme.gain];
  const most = Math.max(...heads.map(({ tables }) => tables.widths.reduce((sum, width) => sum + width, gainBits)));
  return {
    form: rope ? (hasMatrix ? "mixed" : "turned") : "folded",
    hasMatrix,
    gainBits,
    rowWords: Math.max(1, Math.ceil(most / 32)),
    heads,
  };
};

const GAIN_BITS = { none: 0, log4: 4, norm16: 16, "norm16-corrected": 16 } as const;
