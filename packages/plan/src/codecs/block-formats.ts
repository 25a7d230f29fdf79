/** How a runtime's format groups and stores numbers. */
export interface BlockFormatSizes {
  /** Bits of a code. */
  readonly bits: number;
  /** Numbers in a group; `head` is all of one token and head. */
  readonly numbers: number | "head";
  /** Bytes that a group stores beside its codes: scale, minimum, exponent. */
  readonly parameterBytes: number;
  /**
   * What a group covers: neighbouring channels of one token; the same, running on into the next token; or neighbouring tokens of
   * one channel.
   */
  readonly along: "token" | "tokens" | "channel";
  /** Scales that are fixed before the run. */
  readonly fixedScales: "none" | "tensor" | "tensor or channel";
  /** Whether llama.cpp rotates what it stores in this format. */
  readonly rotates: boolean;
}

const PLAIN = { along: "token", fixedScales: "none", rotates: false } as const;

const ggml = (bits: number, parameterBytes: number) =>
  ({ ...PLAIN, bits, numbers: 32, parameterBytes, rotates: true }) as const;
const mlx = (bits: number) => ({ ...PLAIN, bits, numbers: 64, parameterBytes: 4 }) as const;
const huggingFace = (bits: number, along: "tokens" | "channel") => ({ ...mlx(bits), along }) as const;
const exllama = (bits: number) => ({ ...PLAIN, bits, numbers: 32, parameterBytes: 2 }) as const;
const onnxruntime = (bits: number) =>
  ({ ...PLAIN, bits, numbers: "head", parameterBytes: 0, fixedScales: "tensor or channel" }) as const;

/** Names of formats of other runtimes. */
export const BLOCK_FORMAT_NAMES = [
  "q8_0",
  "q5_1",
  "q5_0",
  "q4_1",
  "q4_0",
  "iq4_nl",
  "mxfp4",
  "nvfp4",
  "mlx2",
  "mlx3",
  "mlx4",
  "mlx5",
  "mlx6",
  "mlx8",
  "quanto2",
  "quanto4",
  "quanto2-channel",
  "quanto4-channel",
  "hqq4",
  "exllama2",
  "exllama3",
  "exllama4",
  "exllama5",
  "exllama6",
  "exllama7",
  "exllama8",
  "ort-int8",
  "ort-int4",
] as const;

/** Name of a format of another runtime. */
export type BlockFormatName = (typeof BLOCK_FORMAT_NAMES)[number];

/** Formats of other runtimes, by name. `@kvtuner/quantizers` has their arithmetic and its sources. */
export const BLOCK_FORMATS: Readonly<Record<BlockFormatName, BlockFormatSizes>> = {
  q8_0: ggml(8, 2),
  q5_1: ggml(5, 4),
  q5_0: ggml(5, 2),
  q4_1: ggml(4, 4),
  q4_0: ggml(4, 2),
  iq4_nl: ggml(4, 2),
  mxfp4: { ...PLAIN, bits: 4, numbers: 32, parameterBytes: 1 },
  nvfp4: { ...PLAIN, bits: 4, numbers: 16, parameterBytes: 1, fixedScales: "tensor" },
  mlx2: mlx(2),
  mlx3: mlx(3),
  mlx4: mlx(4),
  mlx5: mlx(5),
  mlx6: mlx(6),
  mlx8: mlx(8),
  quanto2: huggingFace(2, "tokens"),
  quanto4: huggingFace(4, "tokens"),
  "quanto2-channel": huggingFace(2, "channel"),
  "quanto4-channel": huggingFace(4, "channel"),
  hqq4: huggingFace(4, "tokens"),
  exllama2: exllama(2),
  exllama3: exllama(3),
  exllama4: exllama(4),
  exllama5: exllama(5),
  exllama6: exllama(6),
  exllama7: exllama(7),
  exllama8: exllama(8),
  "ort-int8": onnxruntime(8),
  "ort-int4": onnxruntime(4),
};
