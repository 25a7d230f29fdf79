import type { HeadImage } from "@kvtuner/backend";
import type { KernelName } from "../device/device.ts";
import { ArgumentWriter } from "./argument-writer.ts";
import type { PackedTensor } from "./packed-tensor.ts";
import { prefixAt, type TensorLayout } from "./tensor-layout.ts";
import type { Workspace } from "./workspace.ts";

/** As in kernels/images.cu. */
const COPY_THREADS = 128;
const OCTET = 8;
const CHUNK = 16;

const PARTS = ["codes", "scales", "minima", "exact"] as const;

/** Parts of a tensor's image on the device, each `[kvHeads, numbers of a head]`. */
type Part = (typeof PARTS)[number];

/** Numbers of a head, part by part. */
type PartSizes = Readonly<Record<Part, number>>;

/** Images of all heads of a tensor of `length` tokens. */
export const exportTensor = (workspace: Workspace, tensor: PackedTensor, length: number): HeadImage[] => {
  const { kvHeads } = tensor.layout;
  const sizes = partSizes(tensor.layout, length);
  const addresses = partAddresses(workspace, sizes, kvHeads);
  copyTensor(workspace, tensor, length, addresses, false);
  const halves = (part: Part): Uint16Array => {
    const numbers = new Uint16Array(kvHeads * sizes[part]);
    if (numbers.length > 0) workspace.device.download(addresses[part], numbers);
    return numbers;
  };
  const codes = new Uint8Array(kvHeads * sizes.codes);
  if (codes.length > 0) workspace.device.download(addresses.codes, codes);
  const [scales, minima, exact] = [halves("scales"), halves("minima"), halves("exact")];
  workspace.staging.releaseImage();
  return Array.from({ length: kvHeads }, (_, head) => ({
    prefix: {
      codes: codes.subarray(head * sizes.codes, (head + 1) * sizes.codes),
      scales: scales.subarray(head * sizes.scales, (head + 1) * sizes.scales),
      minima: minima.subarray(head * sizes.minima, (head + 1) * sizes.minima),
    },
    exact: exact.subarray(head * sizes.exact, (head + 1) * sizes.exact),
  }));
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
  const sizes = partSizes(tensor.layout, length);
  const addresses = partAddresses(workspace, sizes, images.length);
  for (const [head, { prefix, exact }] of images.entries()) {
    const numbers = { ...prefix, exact };
    for (const part of PARTS)
      if (sizes[part] > 0) workspace.device.upload(addresses[part] + head * numbers[part].byteLength, numbers[part]);
  }
  copyTensor(workspace, tensor, length, addresses, true);
  workspace.staging.releaseImage();
};

/** Room for a tensor as it is between calls. */
const reserveSettled = ({ layout, codes, exact }: PackedTensor, length: number): void => {
  const { sinks } = layout.layer.residency;
  const prefix = prefixAt(layout, length);
  codes.reserve(0, prefix);
  exact.reserve(0, Math.min(sinks, length));
  exact.reserve(sinks + prefix, length);
};

const partSizes = (layout: TensorLayout, length: number): PartSizes => {
  const { numbers, headSize } = layout;
  const { bits, groupSize, isChannel, hasMinima } = numbers;
  const prefix = prefixAt(layout, length);
  const scales = isChannel ? (prefix / groupSize) * headSize : prefix * Math.ceil(headSize / groupSize);
  return {
    codes: (prefix * headSize * bits) / 8,
    scales,
    minima: hasMinima ? scales : 0,
    exact: (length - prefix) * headSize,
  };
};

/** Room for the image of a whole tensor, each part at a multiple of 256 bytes. */
const partAddresses = ({ staging }: Workspace, sizes: PartSizes, kvHeads: number): Readonly<Record<Part, number>> => {
  const bytes = PARTS.map((part) => Math.ceil((kvHeads * sizes[part] * (part === "codes" ? 1 : 2)) / 256) * 256);
  const start = staging.room(
    "image",
    bytes.reduce((sum, size) => sum + size, 256),
  );
  const [codes, scales, minima] = bytes as [number, number, number, number];
  return {
    codes: start,
    scales: start + codes,
    minima: start + codes + scales,
    exact: start + codes + scales + minima,
  };
};

const copyTensor = (
  { device }: Workspace,
  tensor: PackedTensor,
  length: number,
  addresses: Readonly<Record<Part, number>>,
  isImport: boolean,
): void => {
  const { layout } = tensor;
  const writer = tensor.writeView(new ArgumentWriter());
  for (const part of PARTS) writer.address(addresses[part]);
  const argumentBytes = writer.integers(length).flags(isImport).bytes();
  const sizes = partSizes(layout, length);
  const start = (kernel: KernelName, threads: number): void => {
    const grid = [Math.ceil(threads / COPY_THREADS), layout.kvHeads, 1] as const;
    if (threads > 0) device.launch({ kernel, grid, threads: COPY_THREADS, sharedBytes: 0, argumentBytes });
  };
  const numbers = prefixAt(layout, length) * layout.headSize;
  start(isImport ? "import_codes" : "export_codes", numbers / (isImport ? CHUNK : OCTET));
  start("copy_parameters", sizes.scales);
  start("copy_exact", sizes.exact / OCTET);
};
