import { CudaError } from "../cuda-error.ts";
import type { ModuleImage, ModuleName } from "../device/device.ts";
import { binaryPath, defaultCacheFolder, keepBinary, keptBinary } from "./binary-cache.ts";
import { fingerprint, kernelSource } from "./kernel-source.ts";
import { COMPILE_OPTIONS, type Compiler, type CompilerChoice, compilerIsNamed, openCompiler } from "./nvrtc.ts";
import { shippedPtx } from "./shipped-kernels.ts";

/** Options of the kernels' source. */
export interface ImageOptions {
  /** Folder of compiled kernels; `kvtuner/cuda` in the user's cache folder without it. */
  readonly cacheFolder?: string;
  /**
   * "nvrtc" compiles for the GPU; "ptx" takes what this package ships, which the driver compiles; "auto" is "nvrtc" where NVRTC
   * can be loaded and knows the GPU. Without it, what the variable `KVTUNER_CUDA_KERNELS` says, or "auto".
   */
  readonly kernels?: KernelOrigin | "auto";
}

/** Where kernels come from. */
export type KernelOrigin = "nvrtc" | "ptx";

/** A module ready to load, and where it comes from. */
export interface KernelImage extends ModuleImage {
  readonly origin: KernelOrigin;
}

/**
 * A module for an architecture such as "sm_90": compiled once for each source, compiler, options and architecture.
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

/** As the options come from callers without types, and from the environment. */
type ImageRequest = Omit<ImageOptions, "kernels"> & CompilerChoice & { readonly kernels?: string };

const CHOICES: readonly string[] = ["auto", "nvrtc", "ptx"];

/**
 * Without a compiler, or with one that is older than the GPU or newer than the driver, the shipped kernels do; not for one that
 * someone named.
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
 * The driver wants text that ends with a zero.
 *
 * @param reason why NVRTC was not taken, for whoever is told that the driver refuses this too
 */
const shippedImage = (module: ModuleName, reason?: CudaError): KernelImage => ({
  image: Buffer.concat([shippedPtx(module), Buffer.of(0)]),
  origin: "ptx",
  name: `the PTX of this package${reason ? `, which stands in for NVRTC (${reason.message})` : ""}`,
});

const unknownKernels = (kernels: string): CudaError =>
  new CudaError(
    "CUDA_KERNELS_UNKNOWN",
    `expected kernels to be "auto", "nvrtc" or "ptx", got ${JSON.stringify(kernels)}; leave the option and the variable KVTUNER_CUDA_KERNELS out for "auto"`,
  );
