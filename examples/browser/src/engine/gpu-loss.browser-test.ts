import embeddedModel from "@kvtuner/embedded-model/model.gguf?url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Engine } from "./engine.ts";

const { requestDevice } = GPUAdapter.prototype;
const devices: GPUDevice[] = [];

beforeAll(() => {
  GPUAdapter.prototype.requestDevice = async function (description) {
    const device = await requestDevice.call(this, description);
    devices.push(device);
    return device;
  };
});

afterAll(() => {
  GPUAdapter.prototype.requestDevice = requestDevice;
});

const REQUEST = {
  runtime: "webgpu",
  plan: "kivi:K4V2",
  prompt: "the rider walks to ",
  maxTokens: 6,
  temperature: 0,
} as const;

test("losing the GPU at any moment ends a generation with an error, and the next one starts over", async () => {
  const engine = new Engine();
  await engine.open(await (await fetch(embeddedModel)).blob());
  /** Generates; the device is lost after some pieces of text, or some steps of loading the weights. */
  const generate = async (lossAt: { readonly text?: number; readonly load?: number } = {}): Promise<string> => {
    let [text, pieces] = ["", 0];
    await engine.generate(REQUEST, {
      onProgress: (step, done) => {
        if (step === "load" && done === lossAt.load) devices.at(-1)?.destroy();
      },
      onText: (piece) => {
        text += piece;
        if (++pieces === lossAt.text) devices.at(-1)?.destroy();
      },
    });
    return text;
  };
  await expect(generate({ load: 3 })).rejects.toMatchObject({ name: "GpuLostError" });
  await expect(generate({ text: 1 })).rejects.toMatchObject({ name: "GpuLostError" });
  const expected = await generate();
  expect(expected).toHaveLength(REQUEST.maxTokens);
  // Between two generations.
  devices.at(-1)?.destroy();
  await expect(generate()).rejects.toMatchObject({ name: "GpuLostError" });
  expect(await generate()).toBe(expected);
  expect(devices).toHaveLength(4);
});
