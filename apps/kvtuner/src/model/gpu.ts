import { installedPackage } from "./installed-package.ts";

/** Where WebGPU comes from: this engine, or Dawn for Node. */
export type GpuSource = "navigator.gpu" | "webgpu";

/** WebGPU, and where it comes from. */
export interface FoundGpu {
  readonly source: GpuSource;
  readonly gpu: GPU;
}

/** Dawn for Node. Not a dependency; used if installed. */
export const DAWN_PACKAGE = "webgpu";

/** WebGPU of this engine, or of the package `webgpu` if installed; undefined without either. */
export const findGpu = async (): Promise<FoundGpu | undefined> => {
  const gpu = engineGpu();
  if (gpu) return { source: "navigator.gpu", gpu };
  if (installedPackage(DAWN_PACKAGE) === undefined) return undefined;
  return { source: DAWN_PACKAGE, gpu: await (dawn ??= loadDawn()) };
};

/** WebGPU of this engine, if it has it. */
export const engineGpu = (): GPU | undefined =>
  (globalThis as { readonly navigator?: { readonly gpu?: GPU } }).navigator?.gpu;

/** Kept, because it must outlive everything made from it. */
let dawn: Promise<GPU> | undefined;

const loadDawn = async (): Promise<GPU> => {
  const { create, globals } = (await import(DAWN_PACKAGE)) as Dawn;
  Object.assign(globalThis, globals);
  return create([]);
};

/** The parts of the package `webgpu` used here. */
interface Dawn {
  readonly create: (options: readonly string[]) => GPU;
  /** `GPUBufferUsage` and the like, which WebGPU code expects as globals. */
  readonly globals: object;
}

/** Whether an adapter is a software driver, which computes on the processor. */
export const isSoftwareAdapter = ({ info }: { readonly info: NamedDriver }): boolean =>
  info.isFallbackAdapter || SOFTWARE_ADAPTERS.test(`${info.vendor} ${info.architecture} ${info.description}`);

type NamedDriver = Pick<GPUAdapterInfo, "vendor" | "architecture" | "description" | "isFallbackAdapter">;

/** The software drivers of Mesa, Chromium and Windows. */
const SOFTWARE_ADAPTERS = /llvmpipe|lavapipe|swiftshader|basic render/i;
