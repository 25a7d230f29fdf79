/** Text of each file of `kernels/` by its name without the ending; `kernels.js` is made by `tools/build-kernels.mjs`. */
export declare const kernelTexts: Readonly<Record<string, string>>;

/** Version of the package, and what no other text of the kernels has. */
export declare const kernelEdition: string;
