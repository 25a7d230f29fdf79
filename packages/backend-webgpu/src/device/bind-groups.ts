import type { Buffer } from "./buffer.ts";
import type { GpuCounters } from "./counters.ts";
import type { Kernel } from "./kernel-library.ts";

/** Bytes of a row of parameters: the required alignment of dynamic offsets. */
export const ROW_BYTES = 256;

/** Most bytes of the parameters of one dispatch. Bindings have this size; most kernels read only the first row. */
export const PARAMETER_BYTES: number = 5 * ROW_BYTES;

/** A bind group and the ids of its buffers. */
interface KnownGroup {
  readonly group: GPUBindGroup;
  readonly ids: readonly number[];
}

/** Bind groups, created once for each kernel and its buffers. */
export class BindGroups {
  readonly #device: GPUDevice;
  readonly #parameters: Buffer;
  readonly #counters: GpuCounters;
  readonly #groups = new Map<string, KnownGroup>();
  /** Names of the groups that use a buffer, by its id. */
  readonly #names = new Map<number, Set<string>>();

  constructor(device: GPUDevice, parameters: Buffer, counters: GpuCounters) {
    this.#device = device;
    this.#parameters = parameters;
    this.#counters = counters;
  }

  /** The bind group of a kernel: parameters, then the buffers in binding order. */
  of(kernel: Kernel, buffers: readonly Buffer[]): GPUBindGroup {
    let name = String(kernel.id);
    for (const { id } of buffers) name += `/${id}`;
    const known = this.#groups.get(name);
    if (known) return known.group;
    const group = this.#create(kernel, buffers);
    const ids = buffers.map(({ id }) => id);
    this.#groups.set(name, { group, ids });
    for (const id of ids) this.#namesOf(id).add(name);
    return group;
  }

  /** Drops all groups that use a buffer, including their entries under buffers that stay. */
  forget({ id }: Buffer): void {
    for (const name of this.#names.get(id) ?? []) {
      for (const member of this.#groups.get(name)!.ids) this.#names.get(member)?.delete(name);
      this.#groups.delete(name);
    }
    this.#names.delete(id);
  }

  /** Number of names held, over all buffers. */
  get heldNames(): number {
    return [...this.#names.values()].reduce((sum, { size }) => sum + size, 0);
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
