import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import type { ModuleName } from "../device/device.ts";
import { ptxFolder } from "../kernel-folder.ts";
import { fingerprint, kernelSource } from "./kernel-source.ts";
import { COMPILE_OPTIONS } from "./nvrtc.ts";

/** A module in PTX that this package ships: what tools/build-ptx.mjs made. The first line is a comment, its fingerprint. */
export const shippedPtx = (module: ModuleName): Uint8Array =>
  gunzipSync(readFileSync(new URL(`${module}.ptx.gz`, ptxFolder)));

/** What a shipped module must be made of. */
export const ptxFingerprint = (module: ModuleName): string => fingerprint(kernelSource(module), ...COMPILE_OPTIONS);
