import { z } from "zod";
import type { Asset } from "./asset.ts";
import { PlanFileError } from "./plan-file-error.ts";

// Layout of a safetensors file (https://github.com/huggingface/safetensors): length of the header (uint64, little-endian),
// header in JSON, then the data of all tensors without gaps.
const LENGTH_BYTES = 8;

const FILE_TYPES = { float32: "F32", float16: "F16", uint8: "U8" } as const;

const numbersOf = {
  F32: (data: ArrayBuffer) => ({ dtype: "float32", data: new Float32Array(data) }) as const,
  F16: (data: ArrayBuffer) => ({ dtype: "float16", data: new Uint16Array(data) }) as const,
  U8: (data: ArrayBuffer) => ({ dtype: "uint8", data: new Uint8Array(data) }) as const,
};

const BYTES = { F32: 4, F16: 2, U8: 1 } as const;

/** The name of an asset. */
export const assetName: z.ZodString = z.string().regex(/^[A-Za-z][\w./-]*$/);

const tensor = z.strictObject({
  dtype: z.enum(["F32", "F16", "U8"]),
  shape: z.array(z.int().positive()),
  data_offsets: z.tuple([z.int().nonnegative(), z.int().nonnegative()]),
});

type Tensor = z.infer<typeof tensor>;

const lengthOf = (shape: readonly number[]): number => shape.reduce((product, size) => product * size, 1);

/**
 * Writes assets as a safetensors file, in the given order.
 *
 * @throws PlanFileError `PLAN_ASSETS_INVALID`
 */
export const serializeAssets = (assets: readonly Asset[]): Uint8Array<ArrayBuffer> => {
  assertWritable(assets);
  const header = new TextEncoder().encode(headerOf(assets));
  const parts = [header, ...assets.map(({ data }) => new Uint8Array(data.buffer, data.byteOffset, data.byteLength))];
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, LENGTH_BYTES));
  new DataView(bytes.buffer).setBigUint64(0, BigInt(header.length), true);
  let start = LENGTH_BYTES;
  for (const part of parts) {
    bytes.set(part, start);
    start += part.length;
  }
  return bytes;
};

/** Header, padded with spaces so that data begin at a multiple of 8 bytes. */
const headerOf = (assets: readonly Asset[]): string => {
  let end = 0;
  const tensors = assets.map(({ name, dtype, shape, data }): [string, Tensor] => {
    const start = end;
    end += data.byteLength;
    return [name, { dtype: FILE_TYPES[dtype], shape: [...shape], data_offsets: [start, end] }];
  });
  const text = JSON.stringify(Object.fromEntries(tensors));
  return text.padEnd(Math.ceil(text.length / 8) * 8); // Names are ASCII, so characters are bytes.
};

const assertWritable = (assets: readonly Asset[]): void => {
  const names = new Set<string>();
  for (const { name, shape, data } of assets) {
    if (!assetName.safeParse(name).success || names.has(name))
      throw invalid(`unique names of letters, digits and _./- after a letter, got ${JSON.stringify(name)}`);
    if (!shape.every((size) => Number.isInteger(size) && size > 0) || lengthOf(shape) !== data.length)
      throw invalid(`${name} to have as many numbers as its shape [${shape.join(", ")}], got ${data.length}`);
    names.add(name);
  }
};

/**
 * Reads copies of the assets of a safetensors file, in the order of their data.
 *
 * @throws PlanFileError `PLAN_ASSETS_DAMAGED`
 */
export const parseAssets = (bytes: Uint8Array): Asset[] => {
  const headerEnd = endOfHeader(bytes);
  const tensors = Object.entries(parseHeader(bytes.subarray(LENGTH_BYTES, headerEnd))).toSorted(
    ([, { data_offsets: one }], [, { data_offsets: other }]) => one[0] - other[0],
  );
  assertWithoutGaps(tensors, bytes.length - headerEnd);
  return tensors.map(([name, { dtype, shape, data_offsets: offsets }]) => ({
    name,
    shape,
    ...numbersOf[dtype](new Uint8Array(bytes.subarray(headerEnd + offsets[0], headerEnd + offsets[1])).buffer),
  }));
};

const endOfHeader = (bytes: Uint8Array): number => {
  if (bytes.length < LENGTH_BYTES) throw damaged(`at least ${LENGTH_BYTES} bytes, got ${bytes.length}`);
  const length = new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true);
  if (length > bytes.length - LENGTH_BYTES)
    throw damaged(`a header within ${bytes.length} bytes, got one of ${length}`);
  return LENGTH_BYTES + Number(length);
};

const parseHeader = (header: Uint8Array): Record<string, Tensor> => {
  let text: string;
  let tensors: Record<string, Tensor>;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(header);
    tensors = z.record(assetName, tensor).parse(JSON.parse(text));
  } catch (cause) {
    throw damaged("a safetensors header of F32, F16 and U8 tensors", cause);
  }
  const names = tensorNames(text);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw damaged(`tensors of different names, got ${JSON.stringify(twice)} twice`);
  return tensors;
};

/** Names of the header's tensors, its only members that are objects; of two with one name, JSON.parse keeps the last. */
const tensorNames = (header: string): unknown[] =>
  Array.from(header.matchAll(/("(?:[^"\\]|\\.)*")\s*:\s*\{/g), ([, name = ""]): unknown => JSON.parse(name));

const assertWithoutGaps = (tensors: readonly (readonly [string, Tensor])[], length: number): void => {
  let next = 0;
  for (const [name, { dtype, shape, data_offsets: offsets }] of tensors) {
    const end = next + lengthOf(shape) * BYTES[dtype];
    if (offsets[0] !== next || offsets[1] !== end)
      throw damaged(`${name} at bytes ${next} to ${end} of the data, got ${offsets.join(" to ")}`);
    next = end;
  }
  if (next !== length) throw damaged(`${next} bytes of data, got ${length}`);
};

const invalid = (expected: string): PlanFileError =>
  new PlanFileError("PLAN_ASSETS_INVALID", `expected assets with ${expected}`);

const damaged = (expected: string, cause?: unknown): PlanFileError =>
  new PlanFileError(
    "PLAN_ASSETS_DAMAGED",
    `expected an asset file with ${expected}; copy plan.json and its asset file again, from where they were made`,
    { cause },
  );
