import { type Asset, assetsOf, type SchemeOf, schemeOfHead, type TensorScheme } from "@kvtuner/plan";
import { type TransformToken, transformTables, transformToken } from "@kvtuner/quantizers";

/** How kernels store a tensor of the codec `transform`: a row of whole words for each token, its gain, then its codes, lowest bits first. */
export interface TransformRows {
  readonly gainBits: 0 | 4 | 16;
  /** 32-bit words of a row, those of the longest head. */
  readonly rowWords: number;
  /** A token of each KV head, to encode to and to decode from. */
  readonly heads: readonly TransformToken[];
}

/** Rows of a tensor; undefined for other codecs. */
export const transformRows = (
  scheme: TensorScheme,
  assets: readonly Asset[] | undefined,
  { kvHeads, headSize }: { readonly kvHeads: number; readonly headSize: number },
): TransformRows | undefined => {
  if (scheme.kind !== "transform") return undefined;
  const heads = Array.from({ length: kvHeads }, (_, head) => {
    const own = schemeOfHead(scheme, head) as SchemeOf<"transform">;
    return transformToken(transformTables(own, assetsOf(own, assets), head, headSize));
  });
  const gainBits = GAIN_BITS[scheme.gain];
  const most = Math.max(...heads.map(({ tables }) => tables.widths.reduce((sum, width) => sum + width, gainBits)));
  return { gainBits, rowWords: Math.max(1, Math.ceil(most / 32)), heads };
};

const GAIN_BITS = { none: 0, log4: 4, norm16: 16, "norm16-corrected": 16 } as const;
