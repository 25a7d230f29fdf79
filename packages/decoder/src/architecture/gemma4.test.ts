import { expect, test } from "vitest";
import { bufferSource } from "../gguf/byte-source.ts";
import { openGguf } from "../gguf/gguf.ts";
import type { WritableValue } from "../gguf/test-support/write-gguf.ts";
import { loadDecoder } from "../load-decoder.ts";
import { familyGguf, familyModel } from "../test-support/family-model.ts";
import { oneThreadSession } from "../test-support/one-thread-session.ts";
import { readShape } from "./attention.ts";
import { readConfig } from "./read-config.ts";
import type { WeightSource } from "./weights.ts";

/** The model without some keys and tensors, and with other keys. */
const changed = async (
  without: string,
  keys: Readonly<Record<string, WritableValue>> = {},
  name = "gemma4",
): Promise<WeightSource> => {
  const model = familyModel(name);
  const kept = <Value>(all: Readonly<Record<string, Value>>): Record<string, Value> =>
    Object.fromEntries(Object.entries(all).filter(([key]) => key !== without && key !== `gemma4.${without}`));
  const own = Object.fromEntries(Object.entries(keys).map(([key, value]) => [`gemma4.${key}`, value]));
  const metadata = { ...kept(model.metadata), ...own };
  return openGguf(bufferSource(familyGguf({ ...model, metadata, tensors: kept(model.tensors) })));
};

const createSession = oneThreadSession;

const PER_LAYER = "embedding_length_per_layer_input";

test.each<[string, string, Readonly<Record<string, WritableValue>>, string, RegExp]>([
  ["no pattern", "attention.sliding_window_pattern", {}, "MODEL_METADATA_MISSING", /sliding_window_pattern.*got none/],
  ["no span", "attention.sliding_window", {}, "MODEL_METADATA_MISSING", /gemma4.attention.sliding_window in/],
  ["no base of sliding layers", "rope.freq_base_swa", {}, "MODEL_METADATA_MISSING", /freq_base_swa/],
  ["no word on embeddings of layers", PER_LAYER, {}, "MODEL_METADATA_MISSING", /embedding_length_per_layer_input/],
  ["embeddings of layers denied", PER_LAYER, { [PER_LAYER]: 0 }, "MODEL_METADATA_INVALID", /per_layer_token_embd/],
  ["embeddings of layers of another size", "", { [PER_LAYER]: 8 }, "MODEL_TENSOR_SHAPE", /blk\.0\.inp_gate|per_layer/],
  ["no factors of full layers", "rope_freqs.weight", {}, "MODEL_TENSOR_MISSING", /rope_freqs/],
  ["no values in a sliding layer", "blk.0.attn_v.weight", {}, "MODEL_TENSOR_MISSING", /blk\.0\.attn_v/],
  ["no size of sliding heads", "attention.key_length_swa", {}, "MODEL_METADATA_INVALID", /value_length_swa to be 32/],
  ["values of another size", "", { "attention.value_length": 16 }, "MODEL_METADATA_INVALID", /value_length to be 32/],
  ["RoPE beyond the head", "", { "rope.dimension_count_swa": 18 }, "MODEL_METADATA_INVALID", /count_swa up to.* 16/],
  ["sizes of too few layers", "", { feed_forward_length: [48, 48] }, "MODEL_METADATA_INVALID", /a list of 9/],
  ["no full layer with a cache", "", { "attention.shared_kv_layers": 7 }, "MODEL_METADATA_INVALID", /for full layers/],
  [
    "fewer KV heads in a layer than in the cache it reads",
    "",
    { "attention.head_count_kv": [2, 2, 2, 2, 2, 1, 2, 2, 2] },
    "MODEL_METADATA_INVALID",
    /head_count_kv to be 2 for blk\.5, as for blk\.3.* got 1;/,
  ],
  ["an unknown key of RoPE", "", { "rope.new": 1 }, "MODEL_ROPE_UNSUPPORTED", /gemma4\.rope\.new/],
  ["no number of experts used", "", { expert_count: 4 }, "MODEL_METADATA_MISSING", /expert_used_count/],
])("a file with %s says so", async (_, without, keys, code, message) => {
  const source = await changed(without, keys);
  const failure = await loadDecoder(source, { createSession }).catch((error: unknown) => error);
  expect(failure).toMatchObject({ code, message: expect.stringMatching(message) as unknown });
});

test("experts without a number of them are not left out silently", async () => {
  const source = await changed("expert_count", {}, "gemma4.experts");
  await expect(loadDecoder(source, { createSession })).rejects.toMatchObject({ code: "MODEL_METADATA_INVALID" });
});

test("layers have the sizes of their kind, and the last ones the cache of an earlier one", async () => {
  const source = await changed("");
  const shape = await readShape(source, readConfig(source));
  expect(shape).toMatchObject({ layers: 5, queryHeads: 4, kvHeads: 2, headSize: 16 });
  expect(shape.perLayer?.map(({ headSize = shape.headSize }) => headSize)).toEqual([16, 16, 32, 16, 32]);
  expect(shape.perLayer?.map(({ attention }) => attention?.scale)).toEqual([1, 1, 1, 1, 1]);
  expect(shape.sharing?.map(({ place, cacheOf }) => [place, cacheOf])).toEqual([
    [5, 3],
    [6, 4],
    [7, 3],
    [8, 4],
  ]);
  const other = await changed("", {}, "gemma4.key-as-value");
  expect((await readShape(other, readConfig(other))).perLayer?.map(({ kvHeads = 2 }) => kvHeads)).toEqual([
    2, 2, 1, 2, 1,
  ]);
});
