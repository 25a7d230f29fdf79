import { node } from "../../onnx/graph.ts";
import { join, type Part } from "../linear.ts";
import { pastOf, presentOf } from "./mixer-ports.ts";
import { rows, sequences } from "./sequences.ts";

/** A causal convolution of each channel with its own kernel. */
interface Convolution {
  /** `[channels, size]`, the newest token's weight last. */
  readonly kernel: Float32Array;
  readonly channels: number;
  readonly bias?: Float32Array | undefined;
  readonly activation: "none" | "silu";
  /** Name of its state, the inputs of the last `size - 1` tokens: `[channels, size - 1]`. */
  readonly state: string;
}

/** Convolves rows `[batch * tokens, channels]`. */
export const causalConvolution = (
  input: string,
  output: string,
  { kernel, channels, bias, activation, state }: Convolution,
): Part =>
  join([
    sequences(input, `${output}_input`, channels, pastOf(state)),
    {
      nodes: [
        node("Transpose", [`${output}_input`], [`${output}_channels`], { perm: [0, 2, 1] }),
        node(
          "CausalConvWithState",
          [`${output}_channels`, `${output}_kernel`, bias ? `${output}_bias` : "", pastOf(state)],
          [`${output}_convolved`, presentOf(state)],
          { activation },
          "com.microsoft",
        ),
        node("Transpose", [`${output}_convolved`], [`${output}_sequences`], { perm: [0, 2, 1] }),
      ],
      constants: [
        { name: `${output}_kernel`, dims: [channels, 1, kernel.length / channels], data: kernel },
        ...(bias ? [{ name: `${output}_bias`, dims: [channels], data: bias }] : []),
      ],
    },
    rows(`${output}_sequences`, output, channels),
  ]);
