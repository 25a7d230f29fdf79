import { CudaError } from "../cuda-error.ts";
import type { ModuleName } from "../device/device.ts";
import { defaultCacheFolder, keepBinary, keptBinary } from "./binary-cache.ts";
import { fingerprint, kernelSource } from "./kernel-source.ts";
import { COMPILE_OPTIONS, type Compiler, openCompiler } from "./nvrtc.ts";
import { shippedPtx } from "./shipped-kernels.ts";

/** How the kernels are come by. */
export interface ImageOptions {
  /** Folder of compiled kernels; `kvtuner/cuda` in the user's cache folder without it. */
  readonly cacheFolder?: string;
  /**
   * "nvrtc" compiles for the GPU; "ptx" takes what this package ships, which the driver compiles; "auto", the default, is
   * "nvrtc" where NVRTC can be loaded and knows the GPU.
   */
  readonly kernels?: KernelOrigin | "auto";
}

/** Where kernels come from. */
export type KernelOrigin = "nvrtc" | "ptx";

/** A module as the driver loads it. */
export interface KernelImage {
  readonly image: Uint8Array;
  readonly origin: KernelOrigin;
}

/**
 * A module for an architecture such as "sm_90": compiled once for each source, compiler, options and architecture.
 *
 * @throws CudaError `CUDA_COMPILER_MISSING`, `CUDA_ARCHITECTURE` or `CUDA_COMPILE_FAILED`
 */
export const kernelImage = async (
  module: ModuleName,
  architecture: string,
  { cacheFolder = defaultCacheFolder(), kernels = "auto" }: ImageOptions,
): Promise<KernelImage> => {
  if (kernels === "ptx") return shippedImage(module);
  try {
    return compiledImage(await openCompiler(), module, architecture, cacheFolder);
  } catch (error) {
    if (kernels === "nvrtc" || !isReplaceable(error)) throw error;
    return shippedImage(module);
  }
};

/** Without a compiler, or with one that is older than the GPU, the shipped kernels do. */
const isReplaceable = (error: unknown): boolean =>
  error instanceof CudaError && ["CUDA_COMPILER_MISSING", "CUDA_ARCHITECTURE"].includes(error.code);

const compiledImage = (compiler: Compiler, module: ModuleName, architecture: string, folder: string): KernelImage => {
  const source = kernelSource(module);
  const key = fingerprint(source, ...COMPILE_OPTIONS, compiler.version, architecture);
  const kept = keptBinary(folder, key);
  if (kept) return { image: kept, origin: "nvrtc" };
  const image = compiler.compile(source, architecture);
  keepBinary(folder, key, image);
  return { image, origin: "nvrtc" };
};

/** The driver wants text that ends with a zero. */
const shippedImage = (module: ModuleName): KernelImage => ({
  image: Buffer.concat([shippedPtx(module), Buffer.of(0)]),
  origin: "ptx",
});
