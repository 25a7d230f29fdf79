/** Text of each file of `kernels/` by its name without the ending; `kernels.js` is made by `tools/build-kernels.mjs`. */
export declare const kernelTexts: Readonly<Record<string, string>>;
