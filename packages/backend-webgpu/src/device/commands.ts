import type { Buffer } from "./buffer.ts";
import type { Gpu } from "./gpu.ts";
import type { Kernel } from "./kernel-library.ts";

/**
 * Commands of one submit: copies and dispatches, in order. Each sees what earlier ones wrote. When the parameter sheet is
 * full, the commands so far are submitted first. All commands share the sheet, so nothing may be awaited between the
 * first command and `submit()`.
 */
export class Commands {
  readonly #gpu: Gpu;
  #encoder: GPUCommandEncoder;
  #pass: GPUComputePassEncoder | undefined;

  constructor(gpu: Gpu) {
    this.#gpu = gpu;
    // Commands that failed before their submit may have left rows.
    gpu.sheet.clear();
    this.#encoder = gpu.device.createCommandEncoder();
  }

  /** Runs a kernel. `parameters` are the 32-bit words of its struct. */
  run(kernel: Kernel, buffers: readonly Buffer[], parameters: readonly number[], groups: readonly number[]): void {
    const { sheet, bindGroups, counters } = this.#gpu;
    const offset = sheet.add(parameters) ?? this.#beginAnew(parameters);
    this.#pass ??= this.#encoder.beginComputePass();
    this.#pass.setPipeline(kernel.pipeline);
    this.#pass.setBindGroup(0, bindGroups.of(kernel, buffers), [offset]);
    this.#pass.dispatchWorkgroups(groups[0]!, groups[1], groups[2]);
    counters.dispatches++;
  }

  copy(source: GPUBuffer, sourceStart: number, target: GPUBuffer, targetStart: number, sizeBytes: number): void {
    this.#endPass();
    this.#encoder.copyBufferToBuffer(source, sourceStart, target, targetStart, sizeBytes);
  }

  clear({ gpu }: Buffer): void {
    this.#endPass();
    this.#encoder.clearBuffer(gpu);
  }

  submit(): void {
    this.#endPass();
    this.#gpu.sheet.flush();
    this.#gpu.device.queue.submit([this.#encoder.finish()]);
    this.#gpu.counters.submits++;
  }

  /** Submits the commands so far. Returns the offset of the next parameters in the empty sheet. */
  #beginAnew(parameters: readonly number[]): number {
    this.submit();
    this.#encoder = this.#gpu.device.createCommandEncoder();
    return this.#gpu.sheet.add(parameters)!;
  }

  #endPass(): void {
    this.#pass?.end();
    this.#pass = undefined;
  }
}
