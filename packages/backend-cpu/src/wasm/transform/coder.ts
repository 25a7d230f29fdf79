import { type Asset, assetsOf, schemeOfHead, type SchemeOf } from "@kvtuner/plan";
import { type TransformToken, transformTables, transformToken } from "@kvtuner/quantizers";
import { TILE_TOKENS } from "../layer-record.ts";

/** Codes of one KV head, and where they are in a record; `kernels/transform-table.ts` says how. */
export interface HeadCoder {
  /** A token to encode to and to decode from. */
  readonly token: TransformToken;
  /** First byte of the KV head's part of a record of all heads. */
  readonly offset: number;
  readonly gains: "none" | "logarithmic" | "float16";
  /** Channels with bits, among those of the token. */
  readonly channels: readonly CodedChannel[];
}

export interface CodedChannel {
  /** Its number among the codes of a token. */
  readonly index: number;
  readonly width: number;
  /** First byte of its codes in the KV head's part. */
  readonly offset: number;
}

/** Coders of all KV heads. */
export interface Coder {
  readonly heads: readonly HeadCoder[];
  /** Bytes of a tile, all KV heads together. */
  readonly recordBytes: number;
}

/** How a tensor of the codec `transform` is coded. */
export const createCoder = (
  scheme: SchemeOf<"transform">,
  assets: readonly Asset[] | undefined,
  { kvHeads, headSize }: { readonly kvHeads: number; readonly headSize: number },
): Coder => {
  const heads: HeadCoder[] = [];
  let offset = 0;
  for (let head = 0; head < kvHeads; head++) {
    const own = schemeOfHead(scheme, head) as SchemeOf<"transform">;
    const token = transformToken(transformTables(own, assetsOf(own, assets), head, headSize));
    const { end, ...parts } = partsOf(token);
    heads.push({ token, offset, ...parts });
    offset += end;
  }
  return { heads, recordBytes: offset };
};

const GAIN_BITS = { none: 0, logarithmic: 4, float16: 16 };

const partsOf = ({
  tables: { scheme, widths },
}: TransformToken): Pick<HeadCoder, "gains" | "channels"> & { readonly end: number } => {
  const gains = scheme.gain === "none" ? "none" : scheme.gain === "log4" ? "logarithmic" : "float16";
  let end = planeBytes(GAIN_BITS[gains]);
  const channels: CodedChannel[] = [];
  for (const [index, width] of widths.entries()) {
    if (width === 0) continue;
    channels.push({ index, width, offset: end });
    end += planeBytes(width);
  }
  return { gains, channels, end };
};

const planeBytes = (width: number): number => (width * TILE_TOKENS) / 8;
