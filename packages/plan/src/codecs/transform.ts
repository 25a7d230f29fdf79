import type { CodecFormat, Heads } from "./codec-format.ts";
import { ropeFault } from "./rope-fields.ts";
import { transformAssetFault } from "./transform-assets.ts";
import { CHANNEL_BITS, tokenBits, type TransformScheme } from "./transform-scheme.ts";

/** Rotated, centred, scaled channels with bits of their own: transform coding, TurboQuant, Palu. */
export const transformFormat: CodecFormat<TransformScheme> = {
  kind: "transform",
  fields: {
    stage: ["as-given", "before-rope"],
    frequencies: ["none", "asset"],
    pairing: ["none", "halves", "neighbours"],
    mean: ["none", "asset"],
    rotation: ["none", "hadamard", "asset"],
    signs: ["none", "count"],
    bits: [...CHANNEL_BITS, "numbers"],
    widths: ["equal", "asset"],
    gain: ["none", "norm16", "norm16-corrected", "log4"],
    levels: ["gaussian", "asset"],
    scales: ["none", "asset"],
    metric: ["none", "asset"],
    blockSize: ["count"],
  },
  bits: ({ bits }) => (typeof bits === "number" ? bits : bits.reduce((sum, own) => sum + own, 0) / bits.length),
  blockTokens: ({ blockSize }) => blockSize,
  label: (scheme) =>
    [
      `transform of ${Number(transformFormat.bits(scheme).toFixed(2))} bits`,
      ...(scheme.stage === "before-rope" ? ["before RoPE"] : []),
      `rotation ${scheme.rotation}`,
      `gain ${scheme.gain}`,
      `levels ${scheme.levels}`,
      `block ${scheme.blockSize}`,
    ].join(", "),
  layout: (scheme, { tokens, headSize }) => {
    const bits = tokenBits(scheme, headSize);
    const blocks = Math.ceil(tokens / scheme.blockSize);
    return [
      { name: "codes", dtype: "uint8", elements: blocks * Math.ceil((scheme.blockSize * bits) / 8) },
      { name: "gains", dtype: "float16", elements: scheme.gain.startsWith("norm16") ? tokens : 0 },
    ];
  },
  fault: (scheme, heads) => ropeFault(scheme) ?? signsFault(scheme) ?? bitsFault(scheme, heads),
  assetFault: transformAssetFault,
  ofHead: (scheme, head) =>
    typeof scheme.bits !== "number" && scheme.bits.length > 1 ? { ...scheme, bits: [scheme.bits[head]!] } : scheme,
};

const signsFault = ({ rotation, signs }: TransformScheme): string | undefined =>
  signs === "none" || rotation === "hadamard"
    ? undefined
    : `to have signs only with rotation hadamard, got rotation ${rotation}`;

const bitsFault = ({ bits, widths }: TransformScheme, { kvHeads, headSize }: Heads): string | undefined => {
  if (typeof bits === "number")
    return widths === "equal" ? undefined : `to have bits in a list, as it has a table of widths, got ${bits}`;
  if (widths === "equal") return "to have bits as one number, as it has no table of widths, got a list";
  if (bits.length !== 1 && bits.length !== kvHeads)
    return `to have bits of all heads or of each of ${kvHeads}, got ${bits.length} numbers`;
  const broken = bits.find((mean) => mean > 16 || Math.abs(mean * headSize - Math.round(mean * headSize)) > 1e-6);
  return broken === undefined ? undefined : `to have whole bits in ${headSize} channels, got ${broken} bits a channel`;
};
