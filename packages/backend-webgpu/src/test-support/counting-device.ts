import { COPY_SOURCE, COPY_TARGET, MAP_READ, STORAGE } from "../device/usage.ts";
import { alteredDevice } from "./altered-device.ts";

/** What attention kernels have loaded from buffers of keys and values. */
export interface LoadedBytes {
  /** Of all lanes, also of those side by side that load one word together. */
  readonly byLanes: number;
  /** Of 32-byte sectors, each counted once for a workgroup that loads any of it: what comes out of a GPU's memory, or its second cache. */
  readonly inSectors: number;
}

/** A device whose attention kernels count, and what they have counted. */
export interface CountingDevice {
  readonly device: GPUDevice;
  /** What was counted since the last time. */
  read(): Promise<LoadedBytes>;
}

/** Bytes of keys, or of values, in one buffer, at most, and workgroups of one call. */
const MOST_BYTES = 2 ** 22;
const MOST_GROUPS = 640;

/** Loads, sectors, loads that there was no room to mark; then one bit for each sector of each side of each workgroup. */
const HEAD_WORDS = 3;
const MARK_WORDS = MOST_BYTES / 32 / 32;
const COUNT_BYTES = 4 * (HEAD_WORDS + 2 * MOST_GROUPS * MARK_WORDS);

/** Of attention kernels: their parameters and six buffers; counts are one more. */
const BINDINGS = 7;

const COUNTING = `
@group(0) @binding(${BINDINGS}) var<storage, read_write> counts: array<atomic<u32>>;
var<private> counting_group: u32;

fn count_load(side: u32, index: u32) {
  let sector = index / 8u;
  if (counting_group >= ${MOST_GROUPS}u || sector >= ${MARK_WORDS * 32}u) { atomicAdd(&counts[2], 1u); }
  let word = ${HEAD_WORDS}u + (2u * counting_group + side) * ${MARK_WORDS}u + sector / 32u;
  let bit = 1u << (sector % 32u);
  atomicAdd(&counts[0], 1u);
  if ((atomicOr(&counts[word], bit) & bit) == 0u) { atomicAdd(&counts[1], 1u); }
}

fn counted_keys(index: u32) -> u32 {
  count_load(0u, index);
  return keys[index];
}

fn counted_values(index: u32) -> u32 {
  count_load(1u, index);
  return values[index];
}`;

/** Each workgroup of a call has a number of its own: those of several dispatches have other partial sums. */
const NUMBERED = `
let groups_of_vectors = (call.vectors + call.vector_count - 1u) / call.vector_count;
counting_group = ((call.first_partial + place.x) * call.kv_heads + place.z) * groups_of_vectors + place.y;`;

/** The kernel, with every load of keys and values counted. */
const counting = (code: string): string => {
  const main = /fn main\(.*\{/;
  if (!main.test(code)) throw new Error("expected a main function, got none");
  return (
    code.replaceAll(/\b(keys|values)\[([^\]]*)\]/g, "counted_$1($2)").replace(main, (start) => start + NUMBERED) +
    COUNTING
  );
};

/** The same device, but for attention kernels, which count what they load. */
export const countingDevice = (whole: GPUDevice): CountingDevice => {
  const counts = whole.createBuffer({ size: COUNT_BYTES, usage: STORAGE | COPY_SOURCE | COPY_TARGET });
  const device = alteredDevice(whole, {
    createShaderModule: (module: GPUShaderModuleDescriptor) =>
      whole.createShaderModule(
        module.label?.startsWith("attend") ? { ...module, code: counting(module.code) } : module,
      ),
    createBindGroupLayout: (layout: GPUBindGroupLayoutDescriptor) =>
      whole.createBindGroupLayout(withCounts(layout, { buffer: { type: "storage" }, visibility: COMPUTE })),
    createBindGroup: (group: GPUBindGroupDescriptor) =>
      whole.createBindGroup(withCounts(group, { resource: { buffer: counts } })),
  });
  return { device, read: () => readCounts(whole, counts) };
};

/** What WebGPU calls `GPUShaderStage.COMPUTE`. */
const COMPUTE = 4;

/** A layout or a group, with the counts beside the buffers if it is of an attention kernel. */
const withCounts = <
  Entry extends { readonly binding: number },
  Described extends { readonly entries: Iterable<Entry> },
>(
  described: Described,
  counts: Omit<Entry, "binding">,
): Described => {
  const entries = [...described.entries];
  if (entries.length !== BINDINGS) return described;
  return { ...described, entries: [...entries, { binding: BINDINGS, ...counts }] };
};

const readCounts = async (device: GPUDevice, counts: GPUBuffer): Promise<LoadedBytes> => {
  const target = device.createBuffer({ size: 4 * HEAD_WORDS, usage: MAP_READ | COPY_TARGET });
  const encoder = device.createCommandEncoder();
  encoder.copyBufferToBuffer(counts, 0, target, 0, 4 * HEAD_WORDS);
  encoder.clearBuffer(counts);
  device.queue.submit([encoder.finish()]);
  await target.mapAsync(MAP_READ);
  const [loads, sectors, unmarked] = new Uint32Array(target.getMappedRange().slice(0));
  target.destroy();
  if (unmarked !== 0) throw new Error(`expected room for all marks, there was none for ${unmarked}`);
  return { byLanes: 4 * loads!, inSectors: 32 * sectors! };
};
