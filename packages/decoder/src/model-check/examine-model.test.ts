import { fc, test } from "@fast-check/vitest";
import { KvtunerError, modelLayers } from "@kvtuner/plan";
import { expect, it } from "vitest";
import { ARCHITECTURES } from "../architecture/families.ts";
import { readConfig } from "../architecture/read-config.ts";
import type { WeightSource } from "../architecture/weights.ts";
import { bufferSource } from "../gguf/byte-source.ts";
import { openGguf } from "../gguf/gguf.ts";
import { tinyContents } from "../gguf/test-support/tiny-model.ts";
import { familyGguf, familyModel } from "../test-support/family-model.ts";
import { examineModel } from "./examine-model.ts";
import { modelFindings } from "./model-findings.ts";

const SIZES = { layers: 1, hiddenSize: 32, heads: 4, kvHeads: 2, feedForward: 48, vocabulary: 264, seed: 1 };
const tokenizer = Object.entries(tinyContents({ ...SIZES, architecture: "llama", tied: true }).metadata).filter(
  ([key]) => key.startsWith("tokenizer."),
);

/** A sound model of an architecture, with a tokenizer. */
const model = async (architecture: string): Promise<WeightSource> => {
  const file = await openGguf(bufferSource(familyGguf(familyModel(architecture))));
  return { ...file, metadata: new Map<string, unknown>([...file.metadata, ...tokenizer]) };
};

const held = () => ({ weights: "small", peakBytes: 100 });
const tooLarge = (): never => {
  throw new KvtunerError("MODEL_MEMORY", "expected 100 B, got 1 B free; use a smaller model");
};

/** The model without some keys and tensors, and with others. */
const changed = (
  source: WeightSource,
  without: readonly string[],
  extra: { metadata?: [string, unknown][]; tensors?: [string, { dims: number[]; type: string }][] } = {},
): WeightSource => ({
  ...source,
  metadata: new Map([...source.metadata, ...(extra.metadata ?? [])].filter(([key]) => !without.includes(key))),
  tensors: new Map([...source.tensors, ...(extra.tensors ?? [])].filter(([name]) => !without.includes(name))),
});

const messages = async (source: WeightSource): Promise<string> =>
  (await examineModel(source)).faults.map(({ message }) => message).join("\n");

it.each(ARCHITECTURES)(
  "finds nothing wrong with a sound model of %s, and reads all its tensors",
  async (architecture) => {
    const check = await examineModel(await model(architecture));
    expect(check.faults).toEqual([]);
    expect(check.own?.unreadTensors).toEqual([]);
    expect(check.config?.layers).toBe(
      check.shape && modelLayers(check.shape).length + (check.shape.recurrent?.length ?? 0),
    );
  },
);

const sound = await model("qwen3");
const parts = [...sound.metadata.keys(), ...sound.tensors.keys()];

test.prop([fc.subarray(parts, { minLength: 1, maxLength: 6 })], { numRuns: 60 })(
  "finds what opening a damaged model fails with",
  async (without) => {
    const damaged = changed(sound, without);
    const { faults, config } = await examineModel(damaged);
    for (const { message } of faults) expect(message).toMatch(/^expected .*, got /s);
    try {
      readConfig(damaged);
    } catch (error) {
      if (!KvtunerError.isInstance(error)) throw error;
      expect(faults.map(({ code }) => code)).toContain(error.code);
      expect(config).toBeUndefined();
    }
    for (const name of without.filter((each) => /^blk\..*\.weight$/.test(each)))
      if (faults.every(({ code }) => code === "MODEL_TENSOR_MISSING" || code === "MODEL_LAYER_COUNT"))
        expect(faults.map(({ message }) => message).join("\n")).toContain(name.replace(/^blk\.\d+\./, ""));
  },
);

it("names all missing keys, and all tensors that are missing or have another size, once each", async () => {
  const keys = await messages(changed(sound, ["qwen3.block_count", "qwen3.context_length"]));
  expect(keys).toMatch(/qwen3\.block_count.*\n.*qwen3\.context_length/);
  const tensors = await messages(
    changed(sound, ["blk.0.attn_k.weight", "blk.1.attn_k.weight", "blk.1.ffn_norm.weight"], {
      tensors: [["blk.0.attn_q.weight", { dims: [3, 3], type: "F32" }]],
    }),
  );
  expect(tensors.match(/attn_k\.weight/g)).toHaveLength(1);
  expect(tensors).toMatch(/blk\.0\.attn_q\.weight to hold \d+ numbers .* got \[3, 3\]/);
  expect(tensors).toContain("blk.1.ffn_norm.weight");
});

it("reads a file of an unknown architecture as the nearest, and says what it lacks and what stays unread", async () => {
  const metadata = [...sound.metadata].flatMap(([key, value]): [string, unknown][] =>
    key.startsWith("qwen3.") && key !== "qwen3.context_length" ? [[`qwen3vl.${key.slice(6)}`, value]] : [],
  );
  const old = [...sound.metadata.keys()].filter((key) => key.startsWith("qwen3."));
  const unknown = changed(sound, ["blk.1.attn_k_norm.weight", ...old], {
    metadata: [...metadata, ["general.architecture", "qwen3vl"]],
    tensors: [["blk.0.deepstack.weight", { dims: [4], type: "F32" }]],
  });
  const { faults, nearest } = await examineModel(unknown);
  expect(faults.map(({ code }) => code)).toEqual(["MODEL_UNKNOWN_ARCHITECTURE"]);
  expect(faults[0]?.message).toMatch(/got "qwen3vl", most like qwen3; use/);
  expect(nearest?.architecture).toBe("qwen3");
  expect(nearest?.faults.map(({ message }) => message).join()).toContain("qwen3.context_length");
  const complete = changed(unknown, [], { metadata: [["qwen3vl.context_length", 512]] });
  const asNearest = (await examineModel(complete)).nearest;
  expect(asNearest?.faults.map(({ message }) => message).join()).toContain("blk.1.attn_k_norm.weight");
  expect(asNearest?.unreadTensors).toEqual(["deepstack"]);
  const findings = await modelFindings(complete, held);
  expect(findings.map(({ name, status }) => [name, status])).toEqual([
    ["architecture", "warning"],
    ["architecture", "problem"],
    ["tensor-types", "ok"],
    ["tokenizer", "ok"],
  ]);
  expect(findings[0]?.found).toMatch(
    /read as qwen3: .*attn_k_norm.*; tensors of layers that it does not read: deepstack/,
  );
});

it("no supported name is near a foreign one", async () => {
  const { faults, nearest } = await examineModel(changed(sound, [], { metadata: [["general.architecture", "mamba"]] }));
  expect(faults.map(({ message }) => message).join()).not.toContain("most like");
  expect(nearest).toBeUndefined();
});

it.each([
  [held, "ok", "100 B with small weights", undefined],
  [
    () => ({ ...held(), residentSegments: 3 }),
    "warning",
    "100 B with small weights, 3 segments open at a time",
    "close other programs to run it faster",
  ],
  [tooLarge, "problem", "expected 100 B, got 1 B free", "use a smaller model"],
] as const)("weights as a run chooses them: case %#", async (choose, status, found, remedy) => {
  const findings = await modelFindings(sound, choose);
  const weights = findings.find(({ name }) => name === "weights");
  expect([weights?.status, weights?.found, weights?.remedy]).toEqual([status, found, remedy]);
  expect(findings.map(({ name }) => name)).toEqual(["architecture", "tensor-types", "tokenizer", "weights", "cache"]);
});

it("a tensor that the architecture does not read is a warning, and a missing tokenizer a problem", async () => {
  const odd = changed(sound, ["tokenizer.ggml.model"], {
    tensors: [["blk.0.attn_gate.weight", { dims: [4], type: "F32" }]],
  });
  const findings = await modelFindings(odd, held);
  expect(findings).toContainEqual(
    expect.objectContaining({ name: "tensors", status: "warning", found: expect.stringContaining("attn_gate") }),
  );
  expect(findings).toContainEqual(expect.objectContaining({ name: "tokenizer", status: "problem" }));
  expect(findings).toContainEqual(expect.objectContaining({ name: "architecture", status: "ok" }));
});

it("leaves out layers that only draft tokens", async () => {
  const source = changed(await model("qwen35"), [], {
    metadata: [
      ["qwen35.block_count", 8],
      ["qwen35.nextn_predict_layers", 1],
    ],
    tensors: [["blk.7.nextn.eh_proj.weight", { dims: [64, 32], type: "F32" }]],
  });
  const check = await examineModel(source);
  expect(check.faults).toEqual([]);
  expect(check.own?.unreadTensors).toEqual([]);
  expect(check.config?.layers).toBe(7);
});

it("names the keys that a hybrid lacks", async () => {
  const source = changed(await model("qwen35"), ["qwen35.ssm.state_size", "qwen35.ssm.group_count"]);
  expect(await messages(source)).toMatch(/qwen35\.ssm\.group_count[^]*qwen35\.ssm\.state_size/);
});
