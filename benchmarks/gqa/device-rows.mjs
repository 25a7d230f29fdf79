import { float16FromNumber, numberFromFloat16 } from "@kvtuner/quantizers";
import { settled } from "./dawn.mjs";

const STORAGE_AND_COPIES = 0x80 | 0x4 | 0x8;
const READABLE = 0x1 | 0x8;

/** Bytes of a number of a type. */
export const ELEMENT_BYTES = { float32: 4, float16: 2, int32: 4 };

/** A buffer for kernels, of a size that suits both Dawn and ONNX Runtime. */
export const deviceBuffer = (device, bytes) => {
  const size = 16 * Math.ceil(bytes / 16);
  if (size > device.limits.maxBufferSize) throw new Error(`a buffer of ${size} bytes exceeds the device's limit`);
  return device.createBuffer({ size, usage: STORAGE_AND_COPIES });
};

/** Numbers as bytes of a buffer of a type. */
export const encodedNumbers = (numbers, type) =>
  type === "float16" ? Uint16Array.from(numbers, float16FromNumber) : numbers;

/** Bytes of a buffer. */
export const readBytes = async (device, buffer) => {
  const copy = device.createBuffer({ size: buffer.size, usage: READABLE });
  const commands = device.createCommandEncoder();
  commands.copyBufferToBuffer(buffer, 0, copy, 0, buffer.size);
  device.queue.submit([commands.finish()]);
  await settled(copy.mapAsync(1));
  const bytes = new Uint8Array(copy.getMappedRange().slice(0));
  copy.destroy();
  return bytes;
};

/** The first `count` numbers of a buffer of a type. */
export const readNumbers = async (device, buffer, type, count) => {
  const { buffer: bytes } = await readBytes(device, buffer);
  if (type === "float16") return Float32Array.from(new Uint16Array(bytes, 0, count), numberFromFloat16);
  return new Float32Array(bytes, 0, count);
};
