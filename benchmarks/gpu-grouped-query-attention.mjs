/**
 * Our decode attention on this machine's GPU beside our own 16-bit attention and ONNX Runtime's GroupQueryAttention, with and without
 * its caches of 8 and 4 bits. All run on one device by WebGPU, in turns, on the same numbers, with rows and caches that
 * stay on it; before that each gives one answer, which is held against the reference in double precision.
 *   node benchmarks/gpu-grouped-query-attention.mjs [--length 32768] [--batch 8] [--shape 32/8/128]
 *     [--rounds 9] [--calls 20] [--plans none,per-token:K4V4,...] [--bandwidth GB/s]
 *
 * "ms" is the median time of a call, GB/s the bytes of the cache by it, "host ms" how long it took to hand the call over: where that is
 * no less than "ms", the host is measured and not the GPU. "error" is from exact attention over the numbers before they were
 * quantized, so it says what the bits cost. "x" is how many times as fast a row is as the one that the column names.
 *
 * Both run in Node, not in a page: there the driver is the machine's own, with no browser to find or to persuade, and shaders have
 * float16, which browsers without a GPU do not give. ONNX Runtime is onnxruntime-web all the same, since onnxruntime-node takes neither
 * a device nor the option for its quantized cache. It needs a build.
 */
import { compareOnGpu } from "./gqa/gpu-comparison.mjs";

await compareOnGpu(process.argv.slice(2), console.log);
