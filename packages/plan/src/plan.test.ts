import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fc, test as property } from "@fast-check/vitest";
import { Ajv2020 } from "ajv/dist/2020.js";
import { describe, expect, test } from "vitest";
import {
  assertPlanForModel,
  exportPresetYaml,
  importPresetYaml,
  parsePlan,
  planSchema,
  serializeAssets,
  serializePlan,
} from "./files.ts";
import {
  assertAssetsFit,
  bitsOf,
  cachePlaces,
  completeScheme,
  equivalentBits,
  formatBytes,
  formatPair,
  formatShorthand,
  layerBytes,
  type LayerScheme,
  layerScheme,
  type Mode,
  MODES,
  parseBytes,
  parsePair,
  parseShorthand,
  PLAIN_TRANSFORM,
  planBytes,
  quantizedPrefix,
  segmentsOf,
  trueBits,
  uniformPlan,
} from "./index.ts";

const shape = { layers: 3, queryHeads: 9, kvHeads: 3, headSize: 64 };
const model = { name: "Small", architecture: "llama" };
const bits = fc.constantFrom(
  1 as const,
  2 as const,
  3 as const,
  4 as const,
  5 as const,
  6 as const,
  8 as const,
  16 as const,
);
const pair = fc.record({ key: bits, value: bits });
const layer = fc
  .tuple(
    fc
      .tuple(fc.constantFrom(...MODES), fc.constantFrom(...MODES))
      .map(([keys, values]) => `${keys}/${values}` as const),
    pair,
    fc.option(fc.nat(300), { nil: undefined }),
    fc.option(fc.nat(9), { nil: undefined }),
  )
  .map(([mode, of, recent, sinks]) =>
    layerScheme(mode, of, { ...(recent !== undefined && { recent }), ...(sinks !== undefined && { sinks }) }),
  );
const plans = fc
  .array(layer, { minLength: 3, maxLength: 3 })
  .map((layers) => ({ version: 2 as const, model, shape, layers }));

describe("shorthand", () => {
  property.prop([layer])("what is written is read back", (scheme) => {
    expect(parseShorthand(formatShorthand(scheme)!).layer).toEqual(scheme);
  });

  property.prop([pair])("pairs too", (of) => {
    expect(parsePair(formatPair(of))).toEqual(of);
  });

  test("the modes are those of the design", () => {
    expect(parseShorthand("kivi:K4V2+sinks4").layer).toEqual({
      key: {
        kind: "affine",
        bits: 4,
        format: "affine",
        axis: "channel",
        groupSize: 32,
        blockSize: 32,
        transform: "none",
      },
      value: {
        kind: "affine",
        bits: 2,
        format: "affine",
        axis: "token",
        groupSize: 32,
        blockSize: 32,
        transform: "none",
      },
      residency: { kind: "prefix", sinks: 4, recent: 32 },
    });
    expect(parseShorthand("compact:KV3").layer).toMatchObject({
      key: { groupSize: 128 },
      value: { transform: "hadamard" },
      residency: { sinks: 4 },
    });
    expect(parseShorthand("none").layer).toEqual({
      key: { kind: "float16" },
      value: { kind: "float16" },
      residency: { kind: "prefix", sinks: 0, recent: 0 },
    });
  });

  test.each([
    "",
    "kivi",
    "kivi:",
    "kivi:K4",
    "kivi:K7V4",
    "kiwi:K4V4",
    "kivi:K4V4+",
    "kivi:K4V4+sink4",
    "kivi:K4V4+sinks4+sinks4",
    "none+sinks4",
    "kivi:K4V4+sinks99999999999999999",
  ])("%j is rejected by name", (text) =>
    expect(() => parseShorthand(text)).toThrow(/expected .*(shorthand|MODE:PAIR|pair like)/i),
  );
});

test("the old name of recent is rejected with the new one", () => {
  expect(() => parseShorthand("kivi:K4V4+window8")).toThrow(/got \+window8 .* write \+recent8/);
});

property.prop([layer, fc.integer({ min: 1, max: 500 })])(
  "segments hold every token once, in the form that the prefix of its tensor gives",
  (scheme, length) => {
    const segments = segmentsOf(scheme, length);
    const { sinks } = scheme.residency;
    let next = 0;
    for (const { start, end, isKeyCoded, isValueCoded } of segments) {
      expect(start).toBe(next);
      next = end;
      for (let token = start; token < end; token++)
        expect([isKeyCoded, isValueCoded]).toEqual(
          [scheme.key, scheme.value].map(
            (tensor) => token >= sinks && token < sinks + quantizedPrefix(tensor, scheme, length),
          ),
        );
    }
    expect(next).toBe(length);
    expect(segments.length).toBeLessThanOrEqual(4);
  },
);

describe("bytes", () => {
  property.prop([layer, fc.integer({ min: 1, max: 2000 })])(
    "count every number once, by the prefix rule",
    (scheme, length) => {
      const { parts, total } = layerBytes(scheme, shape, length);
      const exact = (tensor: "key" | "value"): number =>
        2 * 3 * 64 * (length - quantizedPrefix(scheme[tensor], scheme, length));
      expect(parts["key.exact"] ?? 0).toBe(exact("key"));
      expect(parts["value.exact"] ?? 0).toBe(exact("value"));
      expect(Object.values(parts).reduce((sum, part) => sum + part, 0)).toBe(total);
      for (const part of Object.values(parts)) expect(Number.isInteger(part)).toBe(true);
    },
  );

  property.prop([plans, fc.integer({ min: 1, max: 2000 })])(
    "never exceed those of a 16-bit cache; equivalent bits count codes alone",
    (plan, length) => {
      expect(trueBits(plan, length)).toBeLessThanOrEqual(16.0001);
      const codeBits = plan.layers.reduce((sum, { key, value }) => sum + bitsOf(key) + bitsOf(value), 0) / 6;
      expect(equivalentBits(plan)).toBeCloseTo(codeBits, 12);
    },
  );

  test("a hand count: kivi K4V2 at 100 tokens keeps 36 in 16 bits", () => {
    const bytes = layerBytes(parseShorthand("kivi:K4V2").layer, { ...shape, kvHeads: 1 }, 100);
    expect(bytes).toEqual({
      parts: {
        "key.codes": (64 * 64 * 4) / 8,
        "key.scales": (64 / 32) * 64 * 2,
        "key.minima": (64 / 32) * 64 * 2,
        "key.exact": 36 * 64 * 2,
        "value.codes": (64 * 64 * 2) / 8,
        "value.scales": 64 * (64 / 32) * 2,
        "value.minima": 64 * (64 / 32) * 2,
        "value.exact": 36 * 64 * 2,
      },
      total: 2048 + 512 + 4608 + 1024 + 512 + 4608,
    });
  });
});

describe("budget", () => {
  test.each([
    ["40MB", 40e6],
    ["1.5 GiB", 1.5 * 2 ** 30],
    ["4096", 4096],
    ["2kb", 2000],
  ])("%s is read", (text, bytes) => expect(parseBytes(text)).toBe(bytes));
  test.each(["", "MB", "-3MB", "3XB", "1e3"])("%j is rejected", (text) =>
    expect(() => parseBytes(text)).toThrow(/size like 40MB/),
  );

  property.prop([fc.integer({ min: 1, max: 2 ** 45 })])("bytes are written to within half a percent", (bytes) => {
    expect(Math.abs(parseBytes(formatBytes(bytes)) / bytes - 1)).toBeLessThan(0.006);
  });
});

describe("plan files", () => {
  property.prop([plans])("what is written is read back", (plan) => {
    expect(parsePlan(serializePlan(plan))).toEqual(plan);
    expect(parsePlan(`\uFEFF${serializePlan(plan)}`)).toEqual(plan);
  });

  test("a plan for a model with layers without a cache has the places of its layers", () => {
    const recurrent = [0, 2, 4].map((place) => ({ place, kind: "short convolution", stateBytes: 8 }));
    const plan = uniformPlan(model, { ...shape, recurrent }, layerScheme("kivi", { key: 4, value: 4 }));
    const read = parsePlan(serializePlan(plan));
    expect(read.shape).toEqual({ ...shape, places: [1, 3, 5] });
    expect(cachePlaces(read.shape)).toEqual(cachePlaces(plan.shape));
    expect(parsePlan(serializePlan(read))).toEqual(read);
    expect(() => assertPlanForModel(read, model, plan.shape)).not.toThrow();
    expect(planBytes(read, 100)).toEqual(planBytes(plan, 100));
  });

  test("a transform may leave a KV head without bits", () => {
    const key = { ...PLAIN_TRANSFORM, bits: [4, 0, 2], widths: "widths" };
    const widths = { name: "widths", dtype: "uint8", shape: [3, 64], data: new Uint8Array(192) } as const;
    widths.data.fill(4, 0, 64).fill(2, 128);
    const assets = [widths];
    const plan = { ...uniformPlan(model, shape, { ...layerScheme("compact", { key: 4, value: 3 }), key }), assets };
    const file = { bytes: serializeAssets(assets), sha256: "0".repeat(64) };
    const text = serializePlan(plan, { file: "plan.safetensors", sha256: file.sha256 });
    expect(parsePlan(text, () => file)).toEqual(plan);
    expect(planBytes(plan, 100).parts["key.codes"]).toBe(3 * 64 * (32 + 0 + 16));
    expect(() =>
      parsePlan(text, () => ({ ...file, bytes: serializeAssets([{ ...widths, data: new Uint8Array(192) }]) })),
    ).toThrow(
      expect.objectContaining({
        code: "PLAN_ASSETS_UNFIT",
        message: expect.stringMatching(/layers.0.key: .*add up to 256 bits at KV head 0, got 0/) as string,
      }),
    );
  });

  test("the published schema is the one that is checked", () => {
    const published: unknown = JSON.parse(readFileSync(new URL("../schema/plan.schema.json", import.meta.url), "utf8"));
    expect(published).toEqual(planSchema());
  });

  const good = uniformPlan(model, shape, layerScheme("compact", { key: 4, value: 3 }));
  const withKey =
    (fields: object) =>
    (of: LayerScheme): unknown => ({ ...of, key: { ...of.key, ...fields } });
  const broken: [string, unknown, string, RegExp][] = [
    ["not JSON", "{", "PLAN_NOT_JSON", /JSON/],
    ["an older version", { ...good, version: 1 }, "PLAN_UNKNOWN_VERSION", /version 2, got 1.*tune the model again/],
    ["a newer version", { ...good, version: 3 }, "PLAN_UNKNOWN_VERSION", /version 2, got 3/],
    [
      "an unknown codec",
      { ...good, layers: [{ ...good.layers[0], key: { kind: "float7" } }] },
      "PLAN_INVALID",
      /layers\.0\.key\.kind/,
    ],
    [
      "7 bits",
      { ...good, layers: [{ ...good.layers[0], key: { ...good.layers[0]!.key, bits: 7 } }] },
      "PLAN_INVALID",
      /layers\.0\.key\.bits/,
    ],
    ["too few layers", { ...good, layers: good.layers.slice(1) }, "PLAN_INVALID", /3 entries, got 2/],
    ["places that are not in order", { ...good, shape: { ...shape, places: [0, 2, 1] } }, "PLAN_INVALID", /0, 2, 1/],
    ["an unknown field", { ...good, colour: "red" }, "PLAN_INVALID", /colour/],
    [
      "blocks that split groups",
      { ...good, layers: good.layers.map((of) => ({ ...of, key: { ...of.key, blockSize: 100 } })) },
      "PLAN_INVALID",
      /100 and 128/,
    ],
    [
      "groups larger than a head",
      { ...good, layers: good.layers.map((of) => ({ ...of, value: { ...of.value, groupSize: 1000 } })) },
      "PLAN_INVALID",
      /at most the head size 64, got 1000/,
    ],
    ["a clip of nothing", { ...good, layers: good.layers.map(withKey({ clip: 0 })) }, "PLAN_INVALID", /0\.key\.clip/],
    ["a clip above all", { ...good, layers: good.layers.map(withKey({ clip: 1.1 })) }, "PLAN_INVALID", /0\.key\.clip/],
    [
      "symmetric codes of 1 bit",
      { ...good, layers: good.layers.map(withKey({ bits: 1, format: "symmetric" })) },
      "PLAN_INVALID",
      /0\.key of 1 bit to have format affine/,
    ],
    [
      "channels cut at magnitudes of a token",
      { ...good, layers: good.layers.map(withKey({ clip: 0.9, clipRule: "magnitude" })) },
      "PLAN_INVALID",
      /0\.key on axis channel to have clipRule range/,
    ],
    [
      "signs without a Hadamard transform",
      { ...good, layers: good.layers.map(withKey({ signs: 3 })) },
      "PLAN_INVALID",
      /0\.key with signs to have transform hadamard, got none/,
    ],
    ["nothing", null, "PLAN_INVALID", /at the top/],
  ];
  test.each(broken)("%s is rejected with its place", (_, input, code, message) => {
    expect(() => parsePlan(input)).toThrow(
      expect.objectContaining({ code, message: expect.stringMatching(message) as unknown }) as Error,
    );
  });

  const publishedSchema: object = JSON.parse(
    readFileSync(new URL("../schema/plan.schema.json", import.meta.url), "utf8"),
  ) as object;
  const accepts = new Ajv2020({ allowUnionTypes: true }).compile(publishedSchema);

  const turn = (size: readonly number[], number: (index: number) => number): (() => void) => {
    const data = Float32Array.from({ length: size.reduce((one, other) => one * other) }, (_, index) =>
      number(index % 4096),
    );
    const key = { ...good.layers[0]!.key, transform: "turn" } as LayerScheme["key"];
    return () => assertAssetsFit(key, shape, [{ name: "turn", dtype: "float32", shape: size, data }]);
  };
  const diagonal = (index: number): number => Number(index % 65 === 0);

  /** Minus where row and column have an odd number of common bits. */
  const hadamard = (index: number): number => {
    let common = (index >>> 6) & (index & 63);
    let sign = 1;
    for (; common > 0; common &= common - 1) sign = -sign;
    return Math.fround(sign / 8);
  };

  test.each([
    ["unit", diagonal],
    ["Hadamard", hadamard],
  ])("a rotation that fits passes: the %s matrix", (_, number) => expect(turn([3, 64, 64], number)).not.toThrow());

  test.each<[string, readonly number[], (index: number) => number, RegExp]>([
    ["of another shape", [64, 64], diagonal, /float32 \[3, 64, 64\], got turn of float32 \[64, 64\]/],
    ["that is none", [3, 64, 64], () => 1, /keep lengths/],
    ["of rank 1", [3, 64, 64], (index) => Number(index % 64 === 0), /keep lengths/],
    ["with a wrong sign", [3, 64, 64], (index) => hadamard(index) * (index === 70 ? -1 : 1), /keep lengths/],
    ["with a NaN", [3, 64, 64], (index) => (index === 70 ? NaN : diagonal(index)), /keep lengths/],
  ])("a rotation %s is rejected", (_, size, number, message) => {
    expect(turn(size, number)).toThrow(
      expect.objectContaining({
        code: "PLAN_ASSET_UNFIT",
        message: expect.stringMatching(message) as unknown,
      }) as Error,
    );
  });

  test("a scheme without the newer fields is one with their defaults", () => {
    const key = { ...good.layers[0]!.key, clip: 1, clipRule: "range" } as LayerScheme["key"];
    expect(completeScheme(good.layers[0]!.key)).toEqual(completeScheme(key));
    expect(formatShorthand({ ...good.layers[0]!, key })).toBe("compact:K4V3");
    const plan = { ...good, layers: good.layers.map((of) => ({ ...of, key })) };
    expect(parsePlan(serializePlan(plan))).toEqual(plan);
    expect(accepts(plan)).toBe(true);
  });

  property.prop([plans])("the published schema accepts every plan, in a validator of another maker", (plan) => {
    expect(accepts(JSON.parse(serializePlan(plan))) || accepts.errors).toBe(true);
  });

  /** Relations between numbers, which JSON Schema cannot express. */
  const beyondSchema = [
    "too few layers",
    "places that are not in order",
    "blocks that split groups",
    "groups larger than a head",
    "symmetric codes of 1 bit",
    "channels cut at magnitudes of a token",
    "signs without a Hadamard transform",
  ];
  test.each(broken.filter(([, input]) => typeof input !== "string"))(
    "the schema checks %s as far as it can",
    (name, input) => {
      expect(accepts(input)).toBe(beyondSchema.includes(name));
    },
  );

  test("a plan for another model says what differs", () => {
    expect(() => assertPlanForModel(good, model, { ...shape, layers: 24, kvHeads: 2 })).toThrow(
      /layers 3 in the plan, 24 in the model; kvHeads 3/,
    );
    expect(() => assertPlanForModel(good, { ...model, architecture: "qwen2" }, shape)).toThrow(/architecture llama/);
    expect(() =>
      assertPlanForModel(
        { ...good, model: { ...model, sha256: "a".repeat(64) } },
        { ...model, sha256: "b".repeat(64) },
        shape,
      ),
    ).toThrow(/file aaaa/);
    expect(() => assertPlanForModel(good, model, shape)).not.toThrow();
  });

  test("a plan with layers of several sizes is written, read and compared", () => {
    const uneven = { ...good, shape: { ...shape, perLayer: [{}, { kvHeads: 1, headSize: 128 }, {}] } };
    expect(parsePlan(serializePlan(uneven))).toEqual(uneven);
    expect(() => assertPlanForModel(uneven, model, uneven.shape)).not.toThrow();
    expect(() => assertPlanForModel(uneven, model, shape)).toThrow(
      /layer 1: kvHeads 1 in the plan, 3 in the model; layer 1: headSize 128 in the plan, 64 in the model/,
    );
    const short = { ...good, shape: { ...shape, perLayer: [{ kvHeads: 1 }] } };
    expect(() => parsePlan(serializePlan(short))).toThrow(/perLayer to have shape.layers = 3 entries, got 1/);
  });

  test("bytes and true bits count each layer in its own size", () => {
    const layers = Array.from({ length: 3 }, () => layerScheme("compact", { key: 16, value: 16 }));
    const uneven = { layers, shape: { ...shape, perLayer: [{}, { kvHeads: 1, headSize: 128 }, {}] } };
    expect(planBytes(uneven, 10).total).toBe(2 * 2 * 10 * (3 * 64 + 128 + 3 * 64));
    expect(trueBits(uneven, 10)).toBe(16);
  });
});

describe("presets", () => {
  property.prop([fc.array(pair, { minLength: 1, maxLength: 40 })])("what is exported is imported", (pairs) => {
    const layers = pairs.map((of) => layerScheme("kivi", of));
    expect(importPresetYaml(exportPresetYaml({ layers }), { model, shape, mode: "kivi" }).layers).toEqual(layers);
  });

  test.each([
    "0: {nbits_key: 4}",
    "1: {nbits_key: 4, nbits_value: 4}",
    "- 3",
    "0: {nbits_key: 7, nbits_value: 4}",
    "a: b: c",
    "",
  ])("%j is rejected", (text) =>
    expect(() => importPresetYaml(text, { model, shape, mode: "kivi" })).toThrow(/expected/),
  );
});

const shared = process.env["KVTUNER_SHARED"];

describe.skipIf(!shared)("against the reference's figures (needs KVTUNER_SHARED)", () => {
  const read = (name: string): unknown => JSON.parse(readFileSync(join(shared!, "data", name), "utf8"));

  test("equivalent bits of all 32 presets of the paper", () => {
    const { presets } = read("presets_all.json") as {
      presets: Record<string, { mode: string; equivalentBits: number; keyBits: number[]; valueBits: number[] }>;
    };
    expect(Object.keys(presets)).toHaveLength(32);
    for (const { mode, equivalentBits: expected, keyBits, valueBits } of Object.values(presets)) {
      const text = keyBits
        .map((key, index) => `${index}:\n  nbits_key: ${key}\n  nbits_value: ${valueBits[index]}\n`)
        .join("");
      const plan = importPresetYaml(text, { model, shape, mode: mode === "kivi" ? "kivi" : "per-token" });
      expect(equivalentBits(plan)).toBeCloseTo(expected, 4);
    }
  });

  test("true bits of uniform plans at 4096 tokens", () => {
    const { uniform } = read("oracle_smollm2.json") as { uniform: Record<string, { trueBits4096: number }> };
    const variants: Record<string, [Mode, string]> = {
      a: ["per-token", ""],
      c: ["kivi", ""],
      "c+sinks4": ["kivi", "+sinks4"],
      "a+w32s4": ["per-token", "+recent32+sinks4"],
    };
    const names = Object.keys(uniform).filter((name) => name.replace(/\/.*/, "") in variants);
    expect(names.length).toBeGreaterThanOrEqual(28);
    for (const name of names) {
      const [variant, of] = name.split("/") as [string, string];
      const [mode, suffix] = variants[variant]!;
      const plan = uniformPlan(model, shape, parseShorthand(`${mode}:${of}${suffix}`).layer);
      expect(trueBits(plan, 4096)).toBeCloseTo(uniform[name]!.trueBits4096, 3);
    }
  });
});
