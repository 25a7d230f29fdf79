import type { Buffer } from "./buffer.ts";
import type { Gpu } from "./gpu.ts";
import type { Kernel } from "./kernel-library.ts";

/**
 * Commands of one submit: dispatches in one pass, in order, each of which sees what those before it wrote, and copies. Of
 * more dispatches than the sheet of parameters has rows, those so far are submitted first. Nothing may be awaited between
 * the first command and the last, for all commands take turns with one sheet.
 */
export class Commands {
  readonly #gpu: Gpu;
  #encoder: GPUCommandEncoder;
  #pass: GPUComputePassEncoder | undefined;

  constructor(gpu: Gpu) {
    this.#gpu = gpu;
    // Commands that were never submitted, since something failed, may have left rows.
    gpu.sheet.clear();
    this.#encoder = gpu.device.createCommandEncoder();
  }

  /** Runs a kernel. Its struct of parameters is given as 32-bit words. */
  run(kernel: Kernel, buffers: readonly Buffer[], parameters: readonly number[], groups: readonly number[]): void {
    const { sheet, bindGroups, counters } = this.#gpu;
    if (sheet.isFull) this.#beginAnew();
    this.#pass ??= this.#encoder.beginComputePass();
    this.#pass.setPipeline(kernel.pipeline);
    this.#pass.setBindGroup(0, bindGroups.of(kernel, buffers), [sheet.add(parameters)]);
    this.#pass.dispatchWorkgroups(groups[0]!, groups[1], groups[2]);
    counters.dispatches++;
  }

  /** Copies bytes between buffers. */
  copy(source: GPUBuffer, sourceStart: number, target: GPUBuffer, targetStart: number, sizeBytes: number): void {
    this.#endPass();
    this.#encoder.copyBufferToBuffer(source, sourceStart, target, targetStart, sizeBytes);
  }

  /** Fills a buffer with zeros. */
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

  #beginAnew(): void {
    this.submit();
    this.#encoder = this.#gpu.device.createCommandEncoder();
  }

  #endPass(): void {
    this.#pass?.end();
    this.#pass = undefined;
  }
}
