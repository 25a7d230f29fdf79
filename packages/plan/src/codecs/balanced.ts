import type { Asset } from "../asset.ts";
import type { CodecFormat, Heads, Part } from "./codec-format.ts";

/** Widths of a balanced code; 1.5 bits stand for three levels, five codes to a byte (SKVQ). */
export const BALANCED_BITS = [1, 1.5, 2, 3, 4, 5, 6, 8] as const;

/** Asymmetric integer codes of a tile of tokens whose rows and columns were balanced first. */
export interface BalancedScheme {
  readonly kind: "balanced";
  readonly bits: (typeof BALANCED_BITS)[number];
  /** Rows, which have parameters: `channel` rows hold the tokens of a block, `token` rows the channels of a head. */
  readonly axis: "token" | "channel";
  /** Numbers of a row that share a scale and a minimum. */
  readonly groupSize: number | "row";
  /** Tokens of a tile. */
  readonly blockSize: number;
  /** Rotation of the head vector before all else. */
  readonly transform: "none" | "hadamard";
  /**
   * What is balanced. `variance`: the deviations of rows and of columns (KVarN). `largest`: each channel is divided by the
   * square root of its largest magnitude in the tile (ZipCache). `none`: nothing (SKVQ, which reorders and clips).
   */
  readonly balance: "variance" | "largest" | "none";
  /**
   * Order of the channels, so that groups hold channels of like range: an asset, float32 `[kvHeads, headSize]`, of channel
   * numbers; `none` leaves them as they are.
   */
  readonly order: string;
  /** What the smallest and largest number of a group are multiplied by, above 0; 1 does not clip. */
  readonly clip: number;
  /** Type of scales and minima; `float8` is e4m3. */
  readonly parameters: "float16" | "float8";
}

/** KVarN, ZipCache's channel-separable quantizer, and SKVQ. */
export const balancedFormat: CodecFormat<BalancedScheme> = {
  kind: "balanced",
  fields: {
    bits: BALANCED_BITS,
    axis: ["token", "channel"],
    groupSize: ["row", "count"],
    blockSize: ["count"],
    transform: ["none", "hadamard"],
    balance: ["variance", "largest", "none"],
    order: ["none", "asset"],
    clip: ["share"],
    parameters: ["float16", "float8"],
  },
  bits: ({ bits }) => bits,
  blockTokens: ({ blockSize }) => blockSize,
  label: ({ bits, axis, groupSize, blockSize, transform, balance, order, clip, parameters }) =>
    `${bits}-bit balanced, axis ${axis}, group ${groupSize}, block ${blockSize}, transform ${transform}, balance ${balance}, order ${order}, clip ${clip}, ${parameters} parameters`,
  layout: (scheme, { tokens, headSize }) => {
    const { axis, balance, blockSize, parameters } = scheme;
    const blocks = Math.ceil(tokens / blockSize);
    const [rows, length] = axis === "token" ? [tokens, headSize] : [blocks * headSize, blockSize];
    const groups = rows * Math.ceil(length / (scheme.groupSize === "row" ? length : scheme.groupSize));
    const scales: Part = { name: "scales", dtype: parameters === "float8" ? "uint8" : "float16", elements: groups };
    const columns = blocks * (axis === "token" ? headSize : blockSize);
    return [
      { name: "codes", dtype: "uint8", elements: rows * rowBytes(length, scheme.bits) },
      scales,
      { ...scales, name: "minima" },
      ...(balance === "none" ? [] : [{ name: "balances", dtype: "float16" as const, elements: columns }]),
    ];
  },
  fault: (scheme, { headSize }) => {
    const { axis, groupSize, blockSize, balance } = scheme;
    const length = axis === "token" ? headSize : blockSize;
    if (groupSize !== "row" && groupSize > length)
      return `on axis ${axis} to have a groupSize of at most the row's ${length} numbers, got ${groupSize}`;
    return balance === "none" ? reorderedFault(scheme) : balancedFault(scheme);
  },
  assetFault: (_, heads, { order }) => order && orderFault(order, heads),
};

/** Bytes of the codes of a row. */
const rowBytes = (numbers: number, bits: number): number =>
  bits === 1.5 ? Math.ceil(numbers / 5) : Math.ceil((numbers * bits) / 8);

/** What the papers combine; other combinations have no use, and no test. */
const balancedFault = (scheme: BalancedScheme): string | undefined => {
  const { axis, groupSize, transform, balance, order, clip, parameters } = scheme;
  if (order !== "none" || clip !== 1 || parameters !== "float16")
    return `with balance ${balance} to have order none, clip 1 and float16 parameters, got ${order}, ${clip} and ${parameters}`;
  if (balance === "variance" && groupSize !== "row")
    return `with balance variance to have groups of a row, got ${groupSize}`;
  if (balance === "largest" && (axis !== "token" || transform !== "none"))
    return `with balance largest to have axis token and transform none, got ${axis} and ${transform}`;
  return undefined;
};

const reorderedFault = ({ axis, transform }: BalancedScheme): string | undefined =>
  axis === "token" && transform === "none"
    ? undefined
    : `with balance none to have axis token and transform none, got ${axis} and ${transform}`;

const orderFault = ({ name, dtype, shape, data }: Asset, { kvHeads, headSize }: Heads): string | undefined => {
  if (dtype !== "float32" || shape.join() !== [kvHeads, headSize].join())
    return `to have an order of float32 [${kvHeads}, ${headSize}], got ${name} of ${dtype} [${shape.join(", ")}]`;
  for (let head = 0; head < kvHeads; head++) {
    const channels = new Set(data.subarray(head * headSize, (head + 1) * headSize));
    const missing = Array.from({ length: headSize }, (_, channel) => channel).find((channel) => !channels.has(channel));
    if (missing !== undefined)
      return `to have an order with every channel of a head once, got ${name} without channel ${missing} of head ${head}`;
  }
  return undefined;
};
