import { createHash } from "node:crypto";
import { fc, test as property } from "@fast-check/vitest";
import { describe, expect, test } from "vitest";
import { parseAssets, parsePlan, planSchema, serializeAssets, serializePlan } from "./files.ts";
import { type Asset, assetBytes, layerScheme, planBytes, uniformPlan } from "./index.ts";

const plan = uniformPlan(
  { name: "Small", architecture: "llama" },
  { layers: 3, queryHeads: 9, kvHeads: 3, headSize: 64 },
  layerScheme("kivi", { key: 4, value: 2 }),
);

const shapes = fc.array(fc.integer({ min: 1, max: 4 }), { maxLength: 3 });
const lengthOf = (shape: readonly number[]): number => shape.reduce((product, size) => product * size, 1);
const assetOf = (name: string): fc.Arbitrary<Asset> =>
  shapes.chain((shape): fc.Arbitrary<Asset> => {
    const length = { minLength: lengthOf(shape), maxLength: lengthOf(shape) };
    return fc.oneof(
      fc.float32Array({ ...length, noNaN: true }).map((data) => ({ name, dtype: "float32" as const, shape, data })),
      fc.uint16Array(length).map((data) => ({ name, dtype: "float16" as const, shape, data })),
      fc.uint8Array(length).map((data) => ({ name, dtype: "uint8" as const, shape, data })),
    );
  });
const assetLists = fc
  .uniqueArray(fc.stringMatching(/^[A-Za-z][\w./-]{0,9}$/), { minLength: 1, maxLength: 4 })
  .chain((names) => fc.tuple(...names.map(assetOf)));

const fileOf = (bytes: Uint8Array) => ({ bytes, sha256: createHash("sha256").update(bytes).digest("hex") });
const refusal = (code: string): Error => expect.objectContaining({ name: "PlanFileError", code }) as Error;

property.prop([assetLists])("a plan with assets is read back as written", (assets) => {
  const file = fileOf(serializeAssets(assets));
  const text = serializePlan({ ...plan, assets }, { file: "plan.safetensors", sha256: file.sha256 });
  expect(parsePlan(text, (name) => (name === "plan.safetensors" ? file : undefined))).toEqual({ ...plan, assets });
});

property.prop([assetLists, fc.nat(), fc.integer({ min: 1, max: 255 })])(
  "any changed byte of an asset file is refused",
  (assets, at, change) => {
    const bytes = serializeAssets(assets);
    const text = serializePlan({ ...plan, assets }, { file: "a.safetensors", sha256: fileOf(bytes).sha256 });
    bytes[at % bytes.length]! ^= change;
    expect(() => parsePlan(text, () => fileOf(bytes))).toThrow(refusal("PLAN_ASSETS_DAMAGED"));
  },
);

property.prop([assetLists, fc.nat()])("a file of any other length is refused", (assets, end) => {
  const bytes = serializeAssets(assets);
  expect(() => parseAssets(bytes.subarray(0, end % bytes.length))).toThrow(refusal("PLAN_ASSETS_DAMAGED"));
  expect(() => parseAssets(new Uint8Array([...bytes, 0]))).toThrow(refusal("PLAN_ASSETS_DAMAGED"));
});

const table: Asset = { name: "mean", dtype: "float32", shape: [2, 3], data: new Float32Array(6) };

test("asset bytes are not counted as bytes of the cache", () => {
  expect(assetBytes(plan)).toBe(0);
  expect(assetBytes({ ...plan, assets: [table] })).toBe(24);
  const withTable = { ...plan, assets: [table] };
  expect(planBytes(withTable, 4096)).toEqual(planBytes(plan, 4096));
});

test("a plan with assets is neither written nor read without its asset file", () => {
  expect(() => serializePlan({ ...plan, assets: [table] })).toThrow(refusal("PLAN_ASSETS_MISSING"));
  const text = serializePlan({ ...plan, assets: [table] }, { file: "a.safetensors", sha256: "0".repeat(64) });
  expect(() => parsePlan(text)).toThrow(refusal("PLAN_ASSETS_MISSING"));
  expect(() => parsePlan(text, () => undefined)).toThrow(refusal("PLAN_ASSETS_MISSING"));
});

test.each(["../a.safetensors", "/a.safetensors", "a/b.safetensors", "a\\b.safetensors", "a.json"])(
  "%j is not a name of an asset file",
  (file) => {
    const text = serializePlan({ ...plan, assets: [table] }, { file, sha256: "0".repeat(64) });
    expect(() => parsePlan(text)).toThrow(refusal("PLAN_INVALID"));
  },
);

test("the schema describes assets", () => expect(planSchema()).toHaveProperty("properties.assets"));

describe("unwritable assets", () => {
  test.each<[string, Asset[]]>([
    ["two of one name", [table, table]],
    ["a name of the format", [{ ...table, name: "__metadata__" }]],
    ["a shape of another length", [{ ...table, shape: [5] }]],
    ["an empty shape", [{ ...table, shape: [0], data: new Float32Array(0) }]],
  ])("%s", (_, assets) => expect(() => serializeAssets(assets)).toThrow(refusal("PLAN_ASSETS_INVALID")));
});

describe("damaged asset files", () => {
  const fileWith = (header: unknown, dataBytes = 8, length?: bigint): Uint8Array => {
    const text = new TextEncoder().encode(typeof header === "string" ? header : JSON.stringify(header));
    const bytes = new Uint8Array(8 + text.length + dataBytes);
    new DataView(bytes.buffer).setBigUint64(0, length ?? BigInt(text.length), true);
    bytes.set(text, 8);
    return bytes;
  };
  const entry = (start: number, end: number, more: object = {}) => ({
    dtype: "U8",
    shape: [end - start],
    data_offsets: [start, end],
    ...more,
  });

  const [once, again] = ['"mean":', '"me\\u0061n" :\n'].map((name) => name + JSON.stringify(entry(0, 8)));
  const twice = `{${once},${again}}`;

  test("a name that is there twice is told", () => {
    expect(parseAssets(fileWith(`{${again}}`))).toMatchObject([{ name: "mean" }]);
    expect(() => parseAssets(fileWith(twice))).toThrow(/"mean" twice/);
  });

  test("the file that they are made from is read", () => {
    expect(parseAssets(fileWith({ a: entry(0, 3), b: entry(3, 8) })).map(({ name }) => name)).toEqual(["a", "b"]);
  });

  test.each<[string, Uint8Array]>([
    ["no bytes", new Uint8Array(0)],
    ["a header longer than the file", fileWith({ a: entry(0, 8) }, 8, 2n ** 63n)],
    ["a header that is not JSON", fileWith("{")],
    ["a header that is no object", fileWith("[]")],
    ["an unknown type", fileWith({ a: entry(0, 8, { dtype: "BF16" }) })],
    ["a forbidden name", fileWith({ "a b": entry(0, 8) })],
    ["a negative offset", fileWith({ a: entry(-8, 0, { shape: [8] }) })],
    ["an offset beyond the end", fileWith({ a: entry(0, 9) })],
    ["overlapping tensors", fileWith({ a: entry(0, 5), b: entry(3, 8) })],
    ["a gap", fileWith({ a: entry(0, 3), b: entry(4, 8) })],
    [
      "one name twice",
      fileWith(
        '{"a":{"dtype":"U8","shape":[3],"data_offsets":[0,3]},"a":{"dtype":"U8","shape":[5],"data_offsets":[3,8]}}',
      ),
    ],
    ["one name twice for the same bytes", fileWith(twice)],
    ["fewer bytes than the shape", fileWith({ a: entry(0, 8, { shape: [9] }) })],
    ["a size of another type", fileWith({ a: entry(0, 8, { dtype: "F32", shape: [8] }) })],
    ["a shape without numbers", fileWith({ a: entry(0, 8, { shape: [0] }) })],
  ])("%s", (_, bytes) => expect(() => parseAssets(bytes)).toThrow(refusal("PLAN_ASSETS_DAMAGED")));
});
