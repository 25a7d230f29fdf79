import type { Attention } from "@kvtuner/backend";
import { Tensor } from "onnxruntime-node";
import { expect, test } from "vitest";
import { FloatAttention } from "./attention/float-attention.ts";
import type { Decoder } from "./decoder.ts";
import { CacheSession, type SequenceCache } from "./generation/cache-session.ts";
import { bufferSource } from "./gguf/byte-source.ts";
import { openGguf } from "./gguf/gguf.ts";
import { loadDecoder } from "./load-decoder.ts";
import { FakeDevice } from "./test-support/fake-device.ts";
import { familyGguf, familyModel } from "./test-support/family-model.ts";
import { oneThreadSession } from "./test-support/one-thread-session.ts";
import { randomWeights } from "./test-support/random-weights.ts";

const sizes = { hiddenSize: 32, feedForwardSize: 48, queryHeads: 4, kvHeads: 2, headSize: 16, vocabulary: 50 };
const weights = randomWeights({ architecture: "llama", layers: 3, ...sizes, tied: true }, 11);
const prompt = Int32Array.from({ length: 9 }, (_, index) => (index * 17 + 3) % 50);

/** Takes and returns tensors on the device, as a backend with `deviceTensors` does. */
class DeviceAttention extends FloatAttention implements SequenceCache {
  readonly #device: FakeDevice;
  failAtLayer = -1;

  constructor(device: FakeDevice, { shape, attention }: Decoder) {
    super(shape, attention);
    this.#device = device;
  }

  override async attend(...[layer, ...tensors]: Parameters<Attention["attend"]>): Promise<Tensor> {
    if (layer === this.failAtLayer) throw new Error("device lost");
    const [query, key, value] = tensors.map((tensor) => {
      expect([tensor.location, tensor.dims.length]).toEqual(["gpu-buffer", 3]);
      return new Tensor("float32", this.#device.numbersOf(tensor), tensor.dims);
    });
    const output = await super.attend(layer, query!, key!, value!);
    return this.#device.place(output.data as Float32Array, output.dims);
  }
}

/** Takes queries on the device in layers that share a cache, too. */
class SharingDeviceAttention extends DeviceAttention {
  readonly #device: FakeDevice;

  constructor(device: FakeDevice, decoder: Decoder) {
    super(device, decoder);
    this.#device = device;
  }

  override async read(sharing: number, query: Tensor): Promise<Tensor> {
    expect(query.location).toBe("gpu-buffer");
    const output = await super.read(sharing, new Tensor("float32", this.#device.numbersOf(query), query.dims));
    return this.#device.place(output.data as Float32Array, output.dims);
  }
}

const logitsOf = async (session: CacheSession): Promise<number[][]> => {
  const rows = [[...(await session.prompt(prompt))]];
  for (const id of [7, 21]) rows.push([...(await session.append(Int32Array.of(id)))]);
  return rows;
};

test("tensors stay on the device from segment to segment, are given back, and the logits are the same", async () => {
  const onCpu = await loadDecoder(weights, { createSession: oneThreadSession });
  const cpuCache = new FloatAttention(onCpu.shape, onCpu.attention);
  const expected = await logitsOf(new CacheSession({ decoder: onCpu, cache: cpuCache, chunkTokens: 4 }));

  const device = new FakeDevice();
  const decoder = await loadDecoder(weights, { createSession: device.createSession, deviceTensors: true });
  const cache = new DeviceAttention(device, decoder);
  const session = new CacheSession({ decoder, cache, chunkTokens: 4 });
  expect(await logitsOf(session)).toEqual(expected);
  expect([device.readBacks, device.liveBuffers]).toEqual([0, 0]);

  const isPosition = (name: string): boolean => ["rows", "cosine", "sine"].includes(name);
  device.uploads.length = 0;
  await session.append(Int32Array.of(4));
  expect(device.uploads.filter(isPosition)).toEqual(["rows", "rows"]);

  for (const layer of [0, 2]) {
    cache.failAtLayer = layer;
    await expect(session.append(prompt)).rejects.toThrow("device lost");
    expect([device.readBacks, device.liveBuffers, cache.length]).toEqual([0, 0, prompt.length + 3]);
  }
});

test("the float cache reads back what is on a device", async () => {
  const device = new FakeDevice();
  const decoder = await loadDecoder(weights, { createSession: device.createSession, deviceTensors: true });
  const cache = new FloatAttention(decoder.shape, decoder.attention);
  await new CacheSession({ decoder, cache }).prompt(prompt);
  expect([device.readBacks, device.liveBuffers]).toEqual([3 * 3, 0]);
});

test("embeddings of layers stay on the device until the last layer has read them", async () => {
  const source = await openGguf(bufferSource(familyGguf(familyModel("gemma4"))));
  const onCpu = await loadDecoder(source, { createSession: oneThreadSession });
  const expected = await logitsOf(
    new CacheSession({ decoder: onCpu, cache: new FloatAttention(onCpu.shape, onCpu.attention) }),
  );
  const device = new FakeDevice();
  const decoder = await loadDecoder(source, { createSession: device.createSession, deviceTensors: true });
  const cache = new SharingDeviceAttention(device, decoder);
  const session = new CacheSession({ decoder, cache });
  expect(await logitsOf(session)).toEqual(expected);
  expect(device.uploads).not.toContain("layer_input");
  cache.failAtLayer = 2;
  await expect(session.append(prompt)).rejects.toThrow("device lost");
  expect([device.readBacks, device.liveBuffers]).toEqual([0, 0]);
});

test("states of recurrent layers stay on the device, and are given back", async () => {
  const source = await openGguf(bufferSource(familyGguf(familyModel("qwen35"))));
  const onCpu = await loadDecoder(source, { createSession: oneThreadSession });
  const cpuCache = new FloatAttention(onCpu.shape, onCpu.attention);
  const expected = await logitsOf(new CacheSession({ decoder: onCpu, cache: cpuCache, chunkTokens: 4 }));
  const device = new FakeDevice();
  const decoder = await loadDecoder(source, { createSession: device.createSession, deviceTensors: true });
  const [cache, state] = [new DeviceAttention(device, decoder), decoder.createState()];
  const session = new CacheSession({ decoder, cache, state, chunkTokens: 4 });
  expect(await logitsOf(session)).toEqual(expected);
  device.uploads.length = 0;
  await session.append(Int32Array.of(4));
  expect(device.uploads.filter((name) => name.startsWith("past_"))).toEqual([]);
  cache.failAtLayer = 1;
  await expect(session.append(prompt)).rejects.toThrow("device lost");
  state.truncate(0);
  expect([device.readBacks, device.liveBuffers]).toEqual([0, 0]);
});
