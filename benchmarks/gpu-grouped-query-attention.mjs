/**
 * Our decode attention on this machine's GPU, compared with our 16-bit attention and with ONNX Runtime's GroupQueryAttention, with
 * and without its caches of 8 and 4 bits. All run on one WebGPU device, in turns, on the same numbers, with rows and caches
 * that stay on it. First, each gives one answer, which is compared with the reference in double precision.
 *   node benchmarks/gpu-grouped-query-attention.mjs [--length 32768] [--batch 8] [--shape 32/8/128]
 *     [--rounds 9] [--calls 20] [--plans none,per-token:K4V4,...] [--bandwidth GB/s]
 *
 * "ms" is the median time of a call, GB/s the cache's bytes over that time, "host ms" the time to submit the call. If "host ms"
 * is at least "ms", the figure measures the host, not the GPU. "error" is relative to exact attention over the numbers before
 * quantization, so it includes the cost of the bits. "x" is the speedup over the runtime that the column names.
 *
 * Both run in Node, not in a page: Node uses the machine's own driver, needs no browser, and has float16 shaders, which browsers
 * without a GPU do not. ONNX Runtime is still onnxruntime-web, because onnxruntime-node accepts neither a device nor the option for
 * its quantized cache. Needs a build.
 */
import { compareOnGpu } from "./gqa/gpu-comparison.mjs";

await compareOnGpu(process.argv.slice(2), console.log);
