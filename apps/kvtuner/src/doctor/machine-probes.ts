import { existsSync, readdirSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { arch, availableParallelism, cpus, platform, release, totalmem } from "node:os";
import { delimiter, join } from "node:path";

import { relaxedSimd, simd, threads } from "wasm-feature-detect";

import { kvtunerHome } from "../model/home.ts";
import type { ModelCacheFacts, OnnxRuntimeFacts, Probes, WebGpuFacts } from "./probes.ts";

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
  wasm: async () => ({ simd: await simd(), relaxedSimd: await relaxedSimd(), threads: await threads() }),
  onnxRuntime,
  webGpu,
  cudaDriver,
  modelCache,
});

const onnxRuntime = async (): Promise<OnnxRuntimeFacts> => {
  const { env, listSupportedBackends } = await import("onnxruntime-node");
  return {
    version: env.versions.node ?? env.versions.common,
    providers: listSupportedBackends().map(({ name }) => name),
  };
};

/** What is used here of WebGPU's `GPU`, whose types Node does not have. */
interface Gpu {
  requestAdapter(): Promise<{ readonly info?: { readonly vendor?: string; readonly description?: string } } | null>;
}

const webGpu = async (): Promise<WebGpuFacts> => {
  const builtIn = (globalThis.navigator as unknown as { readonly gpu?: Gpu } | undefined)?.gpu;
  if (builtIn) return { source: "navigator.gpu", ...(await adapterOf(builtIn)) };
  if (!isInstalled(WEBGPU_PACKAGE)) return {};
  const { create } = (await import(WEBGPU_PACKAGE)) as { create: (options: readonly string[]) => Gpu };
  return { source: WEBGPU_PACKAGE, ...(await adapterOf(create([]))) };
};

/** Dawn for Node: no dependency of ours, used where someone has installed it. */
const WEBGPU_PACKAGE = "webgpu";

const isInstalled = (name: string): boolean =>
  (createRequire(import.meta.url).resolve.paths(name) ?? []).some((folder) => existsSync(join(folder, name)));

const adapterOf = async (gpu: Gpu): Promise<{ adapter?: string }> => {
  const adapter = await gpu.requestAdapter();
  if (adapter === null) return {};
  const { vendor, description } = adapter.info ?? {};
  return { adapter: description || vendor || "an adapter without a name" };
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
