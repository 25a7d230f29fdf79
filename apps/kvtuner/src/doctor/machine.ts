import { existsSync, readdirSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { arch, availableParallelism, cpus, platform, release, totalmem } from "node:os";
import { delimiter, join } from "node:path";
import { createCpuBackend } from "@kvtuner/backend-cpu";
import { relaxedSimd, simd, threads } from "wasm-feature-detect";
import { openCudaBackend } from "../model/gpu-backends.ts";
import { DAWN_PACKAGE, engineGpu, type GpuSource, isSoftwareAdapter } from "../model/gpu.ts";
import { kvtunerHome } from "../model/home.ts";
import { installedPackage } from "../model/installed-package.ts";
import { freeMemory } from "../model/memory.ts";
import { folderBytes, segmentsFolder } from "../model/segment-cache.ts";
import { dawnAdapter, type DescribedAdapter } from "./dawn-adapter.ts";

/** Facts about a machine. A method throws if its look-up fails. */
export interface Machine {
  /** Like "20.19.0". */
  nodeVersion(): string;
  system(): { platform: string; release: string; architecture: string; processor: string; cores: number };
  /** Free and total memory for this process, within the limits of its container. */
  memory(): { totalBytes: number; availableBytes: number };
  /** WebAssembly features of this engine, and the kernels that run here. */
  wasm(): Promise<{ simd: boolean; relaxedSimd: boolean; threads: boolean; kernels?: string }>;
  /** Loads the native library of ONNX Runtime. */
  onnxRuntime(): Promise<{ version: string; providers: readonly string[] }>;
  /** Requests an adapter from `navigator.gpu`, or from the package `webgpu` if installed. */
  webGpu(): Promise<{ hasBackend: boolean; source?: GpuSource; adapter?: Adapter }>;
  /** Looks for NVIDIA's driver. If the CUDA backend is installed, also asks it for a GPU. */
  cuda(): Promise<{ hasBackend: boolean; driverPath?: string; device?: CudaDevice }>;
  /** GGUF files in the folder of fetched models; undefined if it does not exist. */
  modelCache(): { folder: string; models?: readonly { name: string; sizeBytes: number }[] };
  /** The folder of weights that are kept ready to map, and the bytes of all its files. */
  segmentCache(): Promise<{ folder: string; sizeBytes: number }>;
}

/** A GPU as WebGPU shows it; a software driver computes on the processor. */
export interface Adapter {
  readonly name: string;
  readonly isSoftware: boolean;
  readonly hasFloat16: boolean;
  readonly hasSubgroups: boolean;
  readonly maxBindingBytes: number;
}

/** A GPU as CUDA shows it, and where its kernels come from: compiled here by NVRTC, or shipped. */
export interface CudaDevice {
  readonly name: string;
  readonly architecture: string;
  readonly memoryBytes: number;
  readonly kernels: "nvrtc" | "ptx";
}

/** The machine this runs on. */
export const thisMachine = (): Machine => ({
  nodeVersion: () => process.versions.node,
  system: () => ({
    platform: platform(),
    release: release(),
    architecture: arch(),
    processor: cpus()[0]?.model.trim() ?? "unknown",
    cores: availableParallelism(),
  }),
  memory: () => ({ totalBytes: totalmem(), availableBytes: freeMemory() }),
  wasm,
  onnxRuntime,
  webGpu,
  cuda,
  modelCache,
  segmentCache: async () => ({ folder: segmentsFolder(), sizeBytes: folderBytes(segmentsFolder()) }),
});

const wasm = async (): Promise<Awaited<ReturnType<Machine["wasm"]>>> => {
  const features = { simd: await simd(), relaxedSimd: await relaxedSimd(), threads: await threads() };
  return features.simd ? { ...features, kernels: (await createCpuBackend()).simd } : features;
};

const onnxRuntime = async (): Promise<Awaited<ReturnType<Machine["onnxRuntime"]>>> => {
  const { env, listSupportedBackends } = await import("onnxruntime-node");
  return {
    version: env.versions.node ?? env.versions.common,
    providers: listSupportedBackends().map(({ name }) => name),
  };
};

const cuda = async (): Promise<Awaited<ReturnType<Machine["cuda"]>>> => {
  const driverPath = cudaDriver();
  const hasBackend = installedPackage("@kvtuner/backend-cuda") !== undefined;
  const facts = { hasBackend, ...(driverPath !== undefined && { driverPath }) };
  if (!hasBackend || driverPath === undefined) return facts;
  const backend = await openCudaBackend();
  const { name, architecture, memoryBytes } = backend.device;
  const device = { name, architecture, memoryBytes, kernels: backend.kernels };
  await backend.dispose();
  return { ...facts, device };
};

const cudaDriver = (): string | undefined => {
  const { folders, file } = CUDA_DRIVERS[platform()] ?? { folders: [], file: "" };
  const searched = [...(process.env["LD_LIBRARY_PATH"] ?? "").split(delimiter), ...folders];
  return searched
    .filter((folder) => folder !== "")
    .map((folder) => join(folder, file))
    .find((path) => existsSync(path));
};

/** Where the driver, not the toolkit, puts its library. */
const CUDA_DRIVERS: Readonly<Record<string, { folders: readonly string[]; file: string }>> = {
  linux: {
    folders: [
      "/usr/lib/x86_64-linux-gnu",
      "/usr/lib/aarch64-linux-gnu",
      "/usr/lib64",
      "/usr/lib",
      "/usr/lib/wsl/lib",
      "/usr/local/nvidia/lib64",
    ],
    file: "libcuda.so.1",
  },
  win32: { folders: [join(process.env["SystemRoot"] ?? "C:\\Windows", "System32")], file: "nvcuda.dll" },
};

const modelCache = (): ReturnType<Machine["modelCache"]> => {
  const folder = join(kvtunerHome(), "models");
  if (!existsSync(folder)) return { folder };
  const names = readdirSync(folder).filter((name) => name.endsWith(".gguf"));
  return { folder, models: names.map((name) => ({ name, sizeBytes: statSync(join(folder, name)).size })) };
};

/** Requests an adapter from this engine's WebGPU, or else from the package `webgpu`. */
const webGpu = async (): Promise<Awaited<ReturnType<Machine["webGpu"]>>> => {
  const hasBackend = installedPackage("@kvtuner/backend-webgpu") !== undefined;
  const gpu = engineGpu();
  if (gpu) return { hasBackend, source: "navigator.gpu", ...factsOf(await engineAdapter(gpu)) };
  const folder = installedPackage(DAWN_PACKAGE);
  if (folder === undefined) return { hasBackend };
  const path = createRequire(import.meta.url).resolve(folder);
  return { hasBackend, source: DAWN_PACKAGE, ...factsOf(await dawnAdapter(path)) };
};

const engineAdapter = async (gpu: GPU): Promise<DescribedAdapter | undefined> => {
  const adapter = await gpu.requestAdapter({ powerPreference: "high-performance" });
  if (!adapter) return undefined;
  const { info, features, limits } = adapter;
  return { info, features: [...features], maxBindingBytes: limits.maxStorageBufferBindingSize };
};

const factsOf = (adapter: DescribedAdapter | undefined): { readonly adapter?: Adapter } => {
  if (adapter === undefined) return {};
  const { info, features, maxBindingBytes } = adapter;
  return {
    adapter: {
      name: info.description || info.device || info.vendor || "an adapter without a name",
      isSoftware: isSoftwareAdapter(adapter),
      hasFloat16: features.includes("shader-f16"),
      hasSubgroups: features.includes("subgroups"),
      maxBindingBytes,
    },
  };
};
