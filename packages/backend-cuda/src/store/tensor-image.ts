import type { HeadImage } from "@kvtuner/backend";
import { layoutOf, type Part, partBytes } from "@kvtuner/plan";
import { emptyPart, type EncodedBlock, mapParts } from "@kvtuner/quantizers";
import type { KernelName } from "../device/device.ts";
import { ArgumentWriter } from "./argument-writer.ts";
import type { PackedTensor } from "./packed-tensor.ts";
import { heldRanges, type TensorLayout, type TokenRange } from "./tensor-layout.ts";
import { importTransform, transformImages } from "./transform-codes.ts";
import type { Workspace } from "./workspace.ts";

/** Same as in kernels/images.cu. */
const COPY_THREADS = 128;
const OCTET = 8;
const CHUNK = 16;

/** A part of a tensor's image on the device, `[kvHeads, elements]`, aligned to 256 bytes. */
interface PlacedPart extends Part {
  readonly address: number;
}

/** Images of all heads of a tensor of `length` tokens. */
export const exportTensor = (workspace: Workspace, tensor: PackedTensor, length: number): HeadImage[] => {
  const { kvHeads } = tensor.layout;
  const parts = placedParts(workspace, tensor.layout, length);
  copyTensor(workspace, tensor, length, parts, false);
  const prefixes =
    tensor.layout.transform && transformImages(workspace, tensor, heldRanges(tensor.layout, length).codes);
  const arrays = parts.map(({ name, dtype, elements, address }) => {
    const numbers = emptyPart({ dtype, elements: kvHeads * elements });
    if (numbers.length > 0) workspace.device.download(address, numbers);
    return [name, numbers] as const;
  });
  workspace.staging.releaseImage();
  return Array.from({ length: kvHeads }, (_, head) => {
    const { exact, ...prefix } = mapParts(Object.fromEntries(arrays), (all) =>
      all.subarray((head * all.length) / kvHeads, ((head + 1) * all.length) / kvHeads),
    );
    return { prefix: prefixes?.[head] ?? prefix, exact: exact as Uint16Array };
  });
};

/**
 * Fills an empty tensor from the images of its heads.
 *
 * @throws OutOfMemoryError
 */
export const importTensor = (
  workspace: Workspace,
  tensor: PackedTensor,
  length: number,
  images: readonly HeadImage[],
): void => {
  reserveSettled(tensor, length);
  const parts = placedParts(workspace, tensor.layout, length);
  for (const [head, { prefix, exact }] of images.entries()) {
    const arrays: EncodedBlock = { ...prefix, exact };
    for (const { name, elements, address } of parts)
      if (elements > 0) workspace.device.upload(address + head * arrays[name]!.byteLength, arrays[name]!);
  }
  copyTensor(workspace, tensor, length, parts, true);
  const prefixes = images.map(({ prefix }) => prefix);
  if (tensor.layout.transform) importTransform(workspace, tensor, heldRanges(tensor.layout, length).codes, prefixes);
  workspace.staging.releaseImage();
};

/** Allocates the pages that a tensor has between calls. */
const reserveSettled = ({ layout, codes, exact }: PackedTensor, length: number): void => {
  const held = heldRanges(layout, length);
  codes.reserve(...held.codes);
  exact.reserve(...held.before);
  exact.reserve(...held.after);
};

/** Parts of a tensor's image on the device: those of the codec's layout, except codes that the CPU copies, then the exact tokens. */
const placedParts = ({ staging }: Workspace, layout: TensorLayout, length: number): readonly PlacedPart[] => {
  const { scheme, transform, kvHeads, headSize } = layout;
  const { codes, before, after } = heldRanges(layout, length);
  const tokens = sizeOf(codes);
  const exact: Part = { name: "exact", dtype: "float16", elements: (sizeOf(before) + sizeOf(after)) * headSize };
  const parts = transform ? [exact] : [...layoutOf(scheme, { tokens, headSize }), exact];
  const roomOf = (part: Part): number => Math.ceil((kvHeads * partBytes(part)) / 256) * 256;
  let next = staging.reserve(
    "image",
    parts.reduce((sum, part) => sum + roomOf(part), 256),
  );
  return parts.map((part) => {
    const address = next;
    next += roomOf(part);
    return { ...part, address };
  });
};

const sizeOf = ([begin, end]: TokenRange): number => end - begin;

const copyTensor = (
  { device }: Workspace,
  tensor: PackedTensor,
  length: number,
  parts: readonly PlacedPart[],
  isImport: boolean,
): void => {
  const { layout } = tensor;
  const placeOf = (name: string): { readonly address: number; readonly elements: number } =>
    parts.find((part) => part.name === name) ?? { address: 0, elements: 0 };
  const writer = tensor.writeView(new ArgumentWriter());
  for (const name of ["codes", "scales", "minima", "exact"]) writer.address(placeOf(name).address);
  const { codes, before, after } = heldRanges(layout, length);
  const argumentBytes = writer
    .integers(codes[0], sizeOf(codes))
    .integers(before[0], sizeOf(before), after[0], sizeOf(before) + sizeOf(after))
    .flags(isImport)
    .bytes();
  const start = (kernel: KernelName, threads: number): void => {
    const grid = [Math.ceil(threads / COPY_THREADS), layout.kvHeads, 1] as const;
    if (threads > 0) device.launch({ kernel, grid, threads: COPY_THREADS, sharedBytes: 0, argumentBytes });
  };
  const numbers = sizeOf(codes) * layout.headSize;
  if (!layout.transform) start(isImport ? "import_codes" : "export_codes", numbers / (isImport ? CHUNK : OCTET));
  start("copy_parameters", placeOf("scales").elements);
  start("copy_exact", placeOf("exact").elements / OCTET);
};
