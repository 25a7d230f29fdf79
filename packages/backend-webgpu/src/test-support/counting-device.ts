import { COPY_SOURCE, COPY_TARGET, MAP_READ, STORAGE } from "../device/usage.ts";
import { alteredDevice } from "./altered-device.ts";

/** Bytes that attention kernels loaded from buffers of keys and values. */
export interface LoadedBytes {
  /** Loads of every lane, including neighbours that load one word together. */
  readonly byLanes: number;
  /** 32-byte sectors, each counted once per workgroup: traffic from a GPU's memory or its second cache. */
  readonly inSectors: number;
}

/** A device whose attention kernels count their loads. */
export interface CountingDevice {
  readonly device: GPUDevice;
  /** Counts since the last read. */
  read(): Promise<LoadedBytes>;
}

/** Most bytes of keys or values in one buffer, and most workgroups of a call. */
const MOST_BYTES = 2 ** 22;
const MOST_GROUPS = 640;

/** Counts of loads, sectors and loads too far out to mark, then one bit per sector, side and workgroup. */
const HEAD_WORDS = 3;
const MARK_WORDS = MOST_BYTES / 32 / 32;
const COUNT_BYTES = 4 * (HEAD_WORDS + 2 * MOST_GROUPS * MARK_WORDS);

/** Bindings of attention kernels: parameters and six buffers. The counts are one more. */
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

/** Numbers the workgroups of a call: different dispatches have different partial sums. */
const NUMBERED = `
let groups_of_vectors = (call.vectors + call.vector_count - 1u) / call.vector_count;
counting_group = ((call.first_partial + place.x) * call.kv_heads + place.z) * groups_of_vectors + place.y;`;

/** The kernel with every load of keys and values counted. */
const counting = (code: string): string => {
  const main = /fn main\(.*\{/;
  if (!main.test(code)) throw new Error("expected a main function, got none");
  return (
    code.replaceAll(/\b(keys|values)\[([^\]]*)\]/g, "counted_$1($2)").replace(main, (start) => start + NUMBERED) +
    COUNTING
  );
};

/** The same device, with counting in attention kernels only. */
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

/** `GPUShaderStage.COMPUTE`, which Node lacks. */
const COMPUTE = 4;

/** A layout or bind group; those of attention kernels get the counts as well. */
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
  if (unmarked !== 0) throw new Error(`expected to write all marks, no slot was left for ${unmarked}`);
  return { byLanes: 4 * loads!, inSectors: 32 * sectors! };
};
