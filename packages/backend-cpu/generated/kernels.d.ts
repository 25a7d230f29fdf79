/** Hexadecimal digits of the kernels as WebAssembly with 128-bit SIMD; `kernels.js` is made by `tools/build-kernels.mjs`. */
export declare const baselineKernels: string;
/** The same with relaxed SIMD. */
export declare const relaxedKernels: string;
/** The same with relaxed SIMD that multiplies bytes. */
export declare const dotProductKernels: string;
/** Program of a worker that runs the kernels; `src/wasm/threads/kernel-worker.js`. */
export declare const kernelWorker: string;
