import { type InferenceSession, Tensor } from "onnxruntime-common";
import { InferenceSession as CpuSession } from "onnxruntime-node";
import type { CreateSession } from "../session.ts";

interface FakeBuffer {
  readonly numbers: Float32Array;
}

/** A device whose buffers are arrays. Knows which are in use, and counts downloads. */
export class FakeDevice {
  readBacks = 0;
  /** Names of the inputs that came from the CPU. */
  readonly uploads: string[] = [];
  readonly #live = new Set<object>();

  get liveBuffers(): number {
    return this.#live.size;
  }

  /** A tensor in a buffer of this device. */
  place(numbers: Float32Array, dims: readonly number[]): Tensor {
    const buffer: FakeBuffer = { numbers };
    this.#live.add(buffer);
    return Tensor.fromGpuBuffer(buffer as unknown as Tensor.GpuBufferType, {
      dataType: "float32",
      dims,
      download: async () => {
        this.readBacks++;
        return numbers;
      },
      dispose: () => {
        if (!this.#live.delete(buffer)) throw new Error("a buffer was given back twice");
      },
    });
  }

  /** A buffer's contents, as a kernel would see them. */
  numbersOf(tensor: Tensor): Float32Array {
    if (tensor.location === "cpu") return tensor.data as Float32Array;
    const buffer = tensor.gpuBuffer as unknown as FakeBuffer;
    if (!this.#live.has(buffer)) throw new Error("a buffer was used after it was given back");
    return buffer.numbers;
  }

  /** Creates sessions that leave outputs where `options` say. */
  readonly createSession: CreateSession = async (model, options) => {
    const session = await CpuSession.create(model);
    const run = async (feeds: Record<string, Tensor>): Promise<Record<string, Tensor>> => {
      for (const [name, { location }] of Object.entries(feeds)) if (location === "cpu") this.uploads.push(name);
      const onCpu = Object.entries(feeds).map(
        ([name, tensor]) => [name, new Tensor("float32", this.numbersOf(tensor), tensor.dims)] as const,
      );
      const outputs = Object.entries(await session.run(Object.fromEntries(onCpu)));
      if (options?.outputLocation !== "gpu-buffer") return Object.fromEntries(outputs);
      return Object.fromEntries(
        outputs.map(([name, { data, dims }]) => [name, this.place(data as Float32Array, dims)] as const),
      );
    };
    return { run, release: () => session.release() } as unknown as InferenceSession;
  };
}
