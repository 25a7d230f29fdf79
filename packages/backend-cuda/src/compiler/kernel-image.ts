import { CudaError } from "../cuda-error.ts";
import type { ModuleImage, ModuleName } from "../device/device.ts";
import { binaryPath, defaultCacheFolder, keepBinary, keptBinary } from "./binary-cache.ts";
import { fingerprint, kernelSource } from "./kernel-source.ts";
import { COMPILE_OPTIONS, type Compiler, type CompilerChoice, compilerIsNamed, openCompiler } from "./nvrtc.ts";
import { shippedPtx } from "./shipped-kernels.ts";

/** Options for the source of the kernels. */
export interface ImageOptions {
  /** Folder of compiled kernels; by default `kvtuner/cuda` in the user's cache folder. */
  readonly cacheFolder?: string;
  /**
   * "nvrtc" compiles for the GPU; "ptx" uses the PTX in this package, which the driver compiles; "auto" is "nvrtc" if
   * NVRTC can be loaded and knows the GPU, otherwise "ptx". Defaults to the variable `KVTUNER_CUDA_KERNELS`, then "auto".
   */
  readonly kernels?: KernelOrigin | "auto";
}

/** Source of the kernels. */
export type KernelOrigin = "nvrtc" | "ptx";

/** A module ready to load, and its source. */
export interface KernelImage extends ModuleImage {
  readonly origin: KernelOrigin;
}

/**
 * A module for an architecture such as "sm_90". Compiled once for each source, compiler version, options and
 * architecture.
 *
 * @throws CudaError `CUDA_KERNELS_UNKNOWN`, `CUDA_COMPILER_MISSING`, `CUDA_ARCHITECTURE` or `CUDA_COMPILE_FAILED`
 */
export const kernelImage = async (
  module: ModuleName,
  architecture: string,
  {
    cacheFolder = defaultCacheFolder(),
    kernels = process.env["KVTUNER_CUDA_KERNELS"] || "auto",
    ...choice
  }: ImageRequest,
): Promise<KernelImage> => {
  if (!CHOICES.includes(kernels)) throw unknownKernels(kernels);
  if (kernels === "ptx") return shippedImage(module);
  try {
    return compiledImage(await openCompiler(choice), module, architecture, cacheFolder);
  } catch (error) {
    if (kernels === "nvrtc" || !isReplaceable(error)) throw error;
    return shippedImage(module, error);
  }
};

/** Not validated: callers may have no types, and the environment has none. */
type ImageRequest = Omit<ImageOptions, "kernels"> & CompilerChoice & { readonly kernels?: string };

const CHOICES: readonly string[] = ["auto", "nvrtc", "ptx"];

/**
 * The shipped kernels replace a compiler that is missing, older than the GPU or newer than the driver, unless the user
 * named it.
 */
const isReplaceable = (error: unknown): error is CudaError =>
  error instanceof CudaError &&
  (error.code === "CUDA_ARCHITECTURE" || (error.code === "CUDA_COMPILER_MISSING" && !compilerIsNamed()));

const compiledImage = (compiler: Compiler, module: ModuleName, architecture: string, folder: string): KernelImage => {
  const source = kernelSource(module);
  const key = fingerprint(source, ...COMPILE_OPTIONS, compiler.version, architecture);
  const made = { origin: "nvrtc", name: binaryPath(folder, key) } as const;
  const kept = keptBinary(folder, key);
  if (kept) return { ...made, image: kept };
  const image = compiler.compile(source, architecture);
  keepBinary(folder, key, image);
  return { ...made, image };
};

/**
 * The shipped PTX, with the final zero byte that the driver needs.
 *
 * @param reason why NVRTC was not used, for the message when the driver rejects the PTX too
 */
const shippedImage = (module: ModuleName, reason?: CudaError): KernelImage => ({
  image: Buffer.concat([shippedPtx(module), Buffer.of(0)]),
  origin: "ptx",
  name: `the PTX of this package${reason ? ` (NVRTC was not used: ${reason.message})` : ""}`,
});

const unknownKernels = (kernels: string): CudaError =>
  new CudaError(
    "CUDA_KERNELS_UNKNOWN",
    `expected kernels to be "auto", "nvrtc" or "ptx", got ${JSON.stringify(kernels)}; leave the option and the variable KVTUNER_CUDA_KERNELS out for "auto"`,
  );
