import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { ptxFolder } from "../kernel-folder.ts";
import { fingerprint, kernelSource } from "./kernel-source.ts";
import { COMPILE_OPTIONS } from "./nvrtc.ts";

/** The kernels in PTX that this package ships: what tools/build-ptx.mjs made. The first line is a comment, their fingerprint. */
export const shippedPtx = (): Uint8Array => gunzipSync(readFileSync(new URL("kernels.ptx.gz", ptxFolder)));

/** What the shipped kernels must be made of. */
export const ptxFingerprint = (): string => fingerprint(kernelSource(), ...COMPILE_OPTIONS);
