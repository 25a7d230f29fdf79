import type { Buffer } from "./buffer.ts";
import type { GpuCounters } from "./counters.ts";
import type { Kernel } from "./kernel.ts";

/** Bytes of a dispatch's parameters, as the alignment of dynamic offsets wants it. */
export const PARAMETER_BYTES = 256;

/** Bind groups are made once for each kernel and its buffers. */
export class BindGroups {
  readonly #device: GPUDevice;
  readonly #parameters: Buffer;
  readonly #counters: GpuCounters;
  readonly #groups = new Map<string, GPUBindGroup>();
  /** Names of the groups that a buffer is in. */
  readonly #names = new Map<number, Set<string>>();

  constructor(device: GPUDevice, parameters: Buffer, counters: GpuCounters) {
    this.#device = device;
    this.#parameters = parameters;
    this.#counters = counters;
  }

  /** The group of a kernel: parameters, then the buffers in the order of its bindings. */
  of(kernel: Kernel, buffers: readonly Buffer[]): GPUBindGroup {
    let name = String(kernel.id);
    for (const { id } of buffers) name += `/${id}`;
    const known = this.#groups.get(name);
    if (known) return known;
    const made = this.#create(kernel, buffers);
    this.#groups.set(name, made);
    for (const { id } of buffers) this.#namesOf(id).add(name);
    return made;
  }

  /** Forgets the groups of a buffer that is no longer used. */
  forget({ id }: Buffer): void {
    for (const name of this.#names.get(id) ?? []) this.#groups.delete(name);
    this.#names.delete(id);
  }

  #namesOf(id: number): Set<string> {
    const names = this.#names.get(id) ?? new Set();
    this.#names.set(id, names);
    return names;
  }

  #create({ layout }: Kernel, buffers: readonly Buffer[]): GPUBindGroup {
    this.#counters.bindGroups++;
    const parameters = { binding: 0, resource: { buffer: this.#parameters.gpu, size: PARAMETER_BYTES } };
    const rest = buffers.map(({ gpu }, index) => ({ binding: index + 1, resource: { buffer: gpu } }));
    return this.#device.createBindGroup({ layout, entries: [parameters, ...rest] });
  }
}
