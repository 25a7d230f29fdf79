import { OutOfMemoryError } from "@kvtuner/backend";
import type { KernelSource } from "../kernels/kernel-source.ts";
import { BindGroups, PARAMETER_BYTES, ROW_BYTES } from "./bind-groups.ts";
import type { Buffer } from "./buffer.ts";
import { type GpuCounters, noCounts } from "./counters.ts";
import { DeviceLoss } from "./device-loss.ts";
import { type Kernel, type KernelLibrary, libraryOf } from "./kernel-library.ts";
import { ParameterSheet, SHEET_ROWS } from "./parameter-sheet.ts";
import { COPY_SOURCE, COPY_TARGET, STORAGE, UNIFORM } from "./usage.ts";

/** Limits of one dispatch. */
export interface GpuLimits {
  /** Most bytes of one binding. */
  readonly maxBindingBytes: number;
  /** Most workgroups in one dimension. */
  readonly maxGroups: number;
}

/** A device with its buffers, its compiled kernels, and what commands need to run them. */
export class Gpu {
  readonly device: GPUDevice;
  readonly limits: GpuLimits;
  readonly counters: GpuCounters = noCounts();
  readonly loss: DeviceLoss;
  readonly sheet: ParameterSheet;
  readonly bindGroups: BindGroups;
  readonly #library: KernelLibrary;
  readonly #parameters: Buffer;

  constructor(device: GPUDevice) {
    this.device = device;
    this.limits = limitsOf(device);
    this.loss = new DeviceLoss(device);
    this.#library = libraryOf(device);
    this.#parameters = this.#wrap(SHEET_ROWS * ROW_BYTES + PARAMETER_BYTES, UNIFORM | COPY_TARGET);
    this.sheet = new ParameterSheet(device.queue, this.#parameters);
    this.bindGroups = new BindGroups(device, this.#parameters, this.counters);
  }

  /** Compiles the kernels that are missing. */
  async prepare(sources: readonly KernelSource[]): Promise<void> {
    const missing = sources.filter(({ name }) => !this.#library.get(name));
    if (missing.length > 0)
      await this.loss.during(Promise.all(missing.map((source) => this.#library.compile(source, this.counters))));
  }

  /** A kernel that {@link prepare} has compiled. */
  kernel({ name }: KernelSource): Kernel {
    return this.#library.get(name)!;
  }

  /**
   * Creates a buffer of zeros.
   *
   * @throws OutOfMemoryError `BACKEND_OUT_OF_MEMORY` when the device is full, or the size is over its limit
   */
  async createBuffer(sizeBytes: number, usage: number = STORAGE | COPY_SOURCE | COPY_TARGET): Promise<Buffer> {
    this.loss.assertThere();
    const { maxBufferSize } = this.device.limits;
    if (sizeBytes > maxBufferSize)
      throw new OutOfMemoryError(sizeBytes, maxBufferSize, { what: "a buffer of the GPU" });
    this.device.pushErrorScope("out-of-memory");
    const buffer = this.#wrap(sizeBytes, usage);
    const cause = await this.loss.during(this.device.popErrorScope());
    if (cause) throw new OutOfMemoryError(sizeBytes, maxBufferSize, { what: "the GPU's memory", isFull: true, cause });
    return buffer;
  }

  /**
   * Creates a buffer that fits in one binding of a kernel.
   *
   * @throws OutOfMemoryError `BACKEND_OUT_OF_MEMORY` when the device is full, or the size is over the limit of a binding
   */
  async createBound(sizeBytes: number): Promise<Buffer> {
    const most = this.limits.maxBindingBytes;
    if (sizeBytes > most) throw new OutOfMemoryError(sizeBytes, most, { what: "a binding of the GPU" });
    return this.createBuffer(sizeBytes);
  }

  /** Destroys a buffer. Commands already submitted may still use it. */
  destroy(buffer: Buffer): void {
    this.bindGroups.forget(buffer);
    buffer.gpu.destroy();
  }

  /** Destroys the parameter sheet's buffer; those of {@link createBuffer} are the caller's to destroy. */
  dispose(): void {
    this.destroy(this.#parameters);
  }

  #wrap(sizeBytes: number, usage: number): Buffer {
    this.counters.buffers++;
    this.counters.bufferBytes += sizeBytes;
    return { id: this.counters.buffers, gpu: this.device.createBuffer({ size: sizeBytes, usage }), sizeBytes };
  }
}

const limitsOf = ({ limits }: GPUDevice): GpuLimits => ({
  maxBindingBytes: Math.min(limits.maxStorageBufferBindingSize, limits.maxBufferSize),
  maxGroups: limits.maxComputeWorkgroupsPerDimension,
});
