import { installedPackage } from "./installed-package.ts";

/** Where WebGPU comes from: this engine has it, or Dawn for Node. */
export type GpuSource = "navigator.gpu" | "webgpu";

/** WebGPU, and where it comes from. */
export interface FoundGpu {
  readonly source: GpuSource;
  readonly gpu: GPU;
}

/** Dawn for Node: no dependency of ours, used where someone has installed it. */
export const DAWN_PACKAGE = "webgpu";

/** WebGPU of this engine, or of the package `webgpu` where it is installed; undefined where there is neither. */
export const findGpu = async (): Promise<FoundGpu | undefined> => {
  const gpu = engineGpu();
  if (gpu) return { source: "navigator.gpu", gpu };
  if (installedPackage(DAWN_PACKAGE) === undefined) return undefined;
  return { source: DAWN_PACKAGE, gpu: await (dawn ??= loadDawn()) };
};

/** WebGPU of this engine, if it has it. */
export const engineGpu = (): GPU | undefined =>
  (globalThis as { readonly navigator?: { readonly gpu?: GPU } }).navigator?.gpu;

/** Kept, for it must outlive all that comes from it. */
let dawn: Promise<GPU> | undefined;

const loadDawn = async (): Promise<GPU> => {
  const { create, globals } = (await import(DAWN_PACKAGE)) as Dawn;
  Object.assign(globalThis, globals);
  return create([]);
};

/** What is used of the package `webgpu`. */
interface Dawn {
  readonly create: (options: readonly string[]) => GPU;
  /** `GPUBufferUsage` and its like, which code for WebGPU expects to be global. */
  readonly globals: object;
}

/** Whether an adapter is no GPU but a driver that computes on the processor. */
export const isSoftwareAdapter = ({ info }: { readonly info: NamedDriver }): boolean =>
  info.isFallbackAdapter || SOFTWARE_ADAPTERS.test(`${info.vendor} ${info.architecture} ${info.description}`);

type NamedDriver = Pick<GPUAdapterInfo, "vendor" | "architecture" | "description" | "isFallbackAdapter">;

/** Mesa's, Chromium's and Windows' drivers in software. */
const SOFTWARE_ADAPTERS = /llvmpipe|lavapipe|swiftshader|basic render/i;
