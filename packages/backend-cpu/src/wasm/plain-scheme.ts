import type { TensorScheme } from "@kvtuner/plan";

/** Whether the kernels encode and decode a scheme. All others go through the codec in TypeScript; attention never does. */
export const isPlain = (scheme: TensorScheme): boolean => {
  if (scheme.kind === "float16") return true;
  if (scheme.kind !== "affine") return false;
  const { transform, signs = "none", parameters = "float16", clip = 1 } = scheme;
  return ["none", "hadamard"].includes(transform) && signs === "none" && parameters === "float16" && clip === 1;
};
