import type { GpuSource } from "../model/gpu.ts";

/** Looks at this machine; a look that fails throws, and never ends the others. */
export interface Probes {
  /** Version of Node, like "20.19.0". */
  nodeVersion(): string;
  system(): SystemFacts;
  memory(): MemoryFacts;
  wasm(): Promise<WasmFeatures>;
  /** Loads the native library of ONNX Runtime. */
  onnxRuntime(): Promise<OnnxRuntimeFacts>;
  /** Asks `navigator.gpu`, or the package `webgpu` where it is installed, for an adapter. */
  webGpu(): Promise<WebGpuFacts>;
  /** Looks for NVIDIA's driver and, with the package of the CUDA backend, asks it for a GPU and kernels. */
  cuda(): Promise<CudaFacts>;
  modelCache(): ModelCacheFacts;
}

/** The operating system and its processor. */
export interface SystemFacts {
  readonly platform: string;
  readonly release: string;
  readonly architecture: string;
  readonly processor: string;
  /** How many threads may run at once. */
  readonly cores: number;
}

/** Main memory, bytes. */
export interface MemoryFacts {
  readonly totalBytes: number;
  /** What this process may still take, limits of a container counted. */
  readonly availableBytes: number;
}

/** What this engine knows of WebAssembly beyond its first version. */
export interface WasmFeatures {
  readonly simd: boolean;
  readonly relaxedSimd: boolean;
  /** The module of the CPU backend's kernels that runs here. */
  readonly kernels?: string;
  /** SharedArrayBuffer and atomics. */
  readonly threads: boolean;
}

/** A loaded ONNX Runtime. */
export interface OnnxRuntimeFacts {
  readonly version: string;
  /** Execution providers in the library, like "cpu". */
  readonly providers: readonly string[];
}

/** Where WebGPU comes from, if from anywhere, and the adapter it gave. */
export interface WebGpuFacts {
  /** Whether the package that keeps caches there is installed. */
  readonly hasBackend: boolean;
  readonly source?: GpuSource;
  readonly adapter?: WebGpuAdapterFacts;
}

/** A GPU as WebGPU shows it. */
export interface WebGpuAdapterFacts {
  readonly name: string;
  /** Whether it is no GPU but a driver that computes on the processor. */
  readonly isSoftware: boolean;
  /** Whether shaders have 16-bit floats. */
  readonly hasFloat16: boolean;
  readonly hasSubgroups: boolean;
  /** The largest buffer that a shader can see at once. */
  readonly maxBindingBytes: number;
}

/** What there is of CUDA. */
export interface CudaFacts {
  /** Whether the package that keeps caches there is installed. */
  readonly hasBackend: boolean;
  /** Path of the driver's library. */
  readonly driverPath?: string;
  /** The GPU, where there is a driver and the package to ask it. */
  readonly device?: CudaDeviceFacts;
}

/** A GPU as CUDA shows it. */
export interface CudaDeviceFacts {
  readonly name: string;
  /** Such as "sm_90". */
  readonly architecture: string;
  readonly memoryBytes: number;
  /** Where its kernels come from: compiled by NVRTC on this machine, or shipped. */
  readonly kernels: "nvrtc" | "ptx";
}

/** The folder of fetched models. */
export interface ModelCacheFacts {
  readonly folder: string;
  /** GGUF files in it; undefined where there is no folder. */
  readonly models?: readonly { readonly name: string; readonly sizeBytes: number }[];
}
