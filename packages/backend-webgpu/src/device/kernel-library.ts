import { KvtunerError } from "@kvtuner/plan";
import type { Access, KernelSource } from "../kernels/kernel-source.ts";
import type { GpuCounters } from "./counters.ts";

/** A compiled kernel. */
export interface Kernel {
  readonly id: number;
  readonly pipeline: GPUComputePipeline;
  readonly layout: GPUBindGroupLayout;
}

/** Kernels of a device, each compiled once. */
export class KernelLibrary {
  readonly #device: GPUDevice;
  readonly #ready = new Map<string, Kernel>();
  readonly #pending = new Map<string, Promise<Kernel>>();
  readonly #layouts = new Map<string, GPUBindGroupLayout>();

  constructor(device: GPUDevice) {
    this.#device = device;
  }

  /** A compiled kernel, if there is one of that name. */
  get(name: string): Kernel | undefined {
    return this.#ready.get(name);
  }

  /**
   * Compiles a kernel once.
   *
   * @throws KernelError `BACKEND_KERNEL` with the compiler's message
   */
  async compile(source: KernelSource, counters: GpuCounters): Promise<Kernel> {
    const { name } = source;
    const known = this.#ready.get(name) ?? this.#pending.get(name);
    if (known) return known;
    // A failure, such as lack of memory, may pass: later calls try again.
    const pending = this.#compile(source, counters).finally(() => this.#pending.delete(name));
    this.#pending.set(name, pending);
    return pending;
  }

  async #compile({ name, text, accesses }: KernelSource, counters: GpuCounters): Promise<Kernel> {
    counters.pipelines++;
    const layout = this.#layoutOf(accesses);
    this.#device.pushErrorScope("validation");
    const module = this.#device.createShaderModule({ label: name, code: text });
    const fault = this.#device.popErrorScope().catch(() => null);
    const pipeline = await this.#device
      .createComputePipelineAsync({
        label: name,
        layout: this.#device.createPipelineLayout({ bindGroupLayouts: [layout] }),
        compute: { module, entryPoint: "main" },
      })
      .catch(async (cause: unknown) => {
        throw new KernelError(name, (await fault)?.message ?? String(cause), { cause });
      });
    const kernel = { id: this.#ready.size, pipeline, layout };
    this.#ready.set(name, kernel);
    return kernel;
  }

  /** Kernels with the same accesses share a layout. */
  #layoutOf(accesses: readonly Access[]): GPUBindGroupLayout {
    const name = accesses.join();
    const known = this.#layouts.get(name);
    if (known) return known;
    const buffers: GPUBufferBindingLayout[] = [
      { type: "uniform", hasDynamicOffset: true },
      ...accesses.map((access) => ({ type: access === "read" ? "read-only-storage" : "storage" }) as const),
    ];
    const entries = buffers.map((buffer, binding) => ({ binding, buffer, visibility: COMPUTE }));
    const made = this.#device.createBindGroupLayout({ entries });
    this.#layouts.set(name, made);
    return made;
  }
}

/** `GPUShaderStage.COMPUTE`, which Node lacks. */
const COMPUTE = 4;

/** By device: kernels outlive the backends on it. */
const libraries = new WeakMap<GPUDevice, KernelLibrary>();

/** The kernels of a device, shared by all its backends. */
export const libraryOf = (device: GPUDevice): KernelLibrary => {
  const library = libraries.get(device) ?? new KernelLibrary(device);
  libraries.set(device, library);
  return library;
};

/** The device's compiler rejected a kernel. */
export class KernelError extends KvtunerError {
  constructor(kernel: string, report: string, options: { readonly cause: unknown }) {
    super(
      "BACKEND_KERNEL",
      `the device failed to compile the kernel "${kernel}": ${report}; report this with the adapter's name, or choose another backend`,
      options,
    );
    this.name = "KernelError";
  }
}
