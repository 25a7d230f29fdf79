import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import type { ModuleName } from "../device/device.ts";
import { ptxFolder } from "../kernel-folder.ts";
import { fingerprint, kernelSource } from "./kernel-source.ts";
import { COMPILE_OPTIONS } from "./nvrtc.ts";

/**
 * A module in the PTX of this package, built by tools/build-ptx.mjs. Its first line is a comment with the fingerprint.
 */
export const shippedPtx = (module: ModuleName): Uint8Array =>
  gunzipSync(readFileSync(new URL(`${module}.ptx.gz`, ptxFolder)));

/** Fingerprint of the current source and options; the shipped module must have the same. */
export const ptxFingerprint = (module: ModuleName): string => fingerprint(kernelSource(module), ...COMPILE_OPTIONS);
