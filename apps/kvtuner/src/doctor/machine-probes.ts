import { existsSync, readdirSync, statSync } from "node:fs";
import { arch, availableParallelism, cpus, platform, release, totalmem } from "node:os";
import { delimiter, join } from "node:path";

import { createCpuBackend } from "@kvtuner/backend-cpu";
import { relaxedSimd, simd, threads } from "wasm-feature-detect";

import { openCudaBackend } from "../model/gpu-backends.ts";
import { kvtunerHome } from "../model/home.ts";
import { installedPackage } from "../model/installed-package.ts";
import type { CudaFacts, ModelCacheFacts, OnnxRuntimeFacts, Probes, WasmFeatures } from "./probes.ts";
import { webGpu } from "./webgpu-probe.ts";

/** Probes of the machine this runs on. */
export const machineProbes = (): Probes => ({
  nodeVersion: () => process.versions.node,
  system: () => ({
    platform: platform(),
    release: release(),
    architecture: arch(),
    processor: cpus()[0]?.model.trim() ?? "unknown",
    cores: availableParallelism(),
  }),
  memory: () => ({ totalBytes: totalmem(), availableBytes: process.availableMemory() }),
  wasm,
  onnxRuntime,
  webGpu,
  cuda,
  modelCache,
});

const wasm = async (): Promise<WasmFeatures> => {
  const features = { simd: await simd(), relaxedSimd: await relaxedSimd(), threads: await threads() };
  return features.simd ? { ...features, kernels: (await createCpuBackend()).simd } : features;
};

const onnxRuntime = async (): Promise<OnnxRuntimeFacts> => {
  const { env, listSupportedBackends } = await import("onnxruntime-node");
  return {
    version: env.versions.node ?? env.versions.common,
    providers: listSupportedBackends().map(({ name }) => name),
  };
};

const cuda = async (): Promise<CudaFacts> => {
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

const modelCache = (): ModelCacheFacts => {
  const folder = join(kvtunerHome(), "models");
  if (!existsSync(folder)) return { folder };
  const names = readdirSync(folder).filter((name) => name.endsWith(".gguf"));
  return { folder, models: names.map((name) => ({ name, sizeBytes: statSync(join(folder, name)).size })) };
};
