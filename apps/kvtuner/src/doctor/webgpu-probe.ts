import { createRequire } from "node:module";

import { DAWN_PACKAGE, engineGpu, isSoftwareAdapter } from "../model/gpu.ts";
import { installedPackage } from "../model/installed-package.ts";
import { dawnAdapter, type ToldAdapter } from "./dawn-adapter.ts";
import type { WebGpuAdapterFacts, WebGpuFacts } from "./probes.ts";

/** Asks WebGPU of this engine, or else of the package `webgpu`, for an adapter. */
export const webGpu = async (): Promise<WebGpuFacts> => {
  const hasBackend = installedPackage("@kvtuner/backend-webgpu") !== undefined;
  const gpu = engineGpu();
  if (gpu) return { hasBackend, source: "navigator.gpu", ...factsOf(await engineAdapter(gpu)) };
  const folder = installedPackage(DAWN_PACKAGE);
  if (folder === undefined) return { hasBackend };
  const path = createRequire(import.meta.url).resolve(folder);
  return { hasBackend, source: DAWN_PACKAGE, ...factsOf(await dawnAdapter(path)) };
};

const engineAdapter = async (gpu: GPU): Promise<ToldAdapter | undefined> => {
  const adapter = await gpu.requestAdapter({ powerPreference: "high-performance" });
  if (!adapter) return undefined;
  const { info, features, limits } = adapter;
  return { info, features: [...features], maxBindingBytes: limits.maxStorageBufferBindingSize };
};

const factsOf = (adapter: ToldAdapter | undefined): { readonly adapter?: WebGpuAdapterFacts } => {
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
