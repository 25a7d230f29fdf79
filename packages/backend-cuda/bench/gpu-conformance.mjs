// The conformance suite on this machine's GPU.
import { checkSuites } from "../../../tools/gpu-suites.mjs";

const SUITE = "packages/backend-cuda/src/device.gpu-test.ts";

/** Runs the suite in an environment, all of it or tests whose names are of a pattern; that there is no GPU is a failure with a reason. */
export const checkConformance = (environment, pattern) =>
  checkSuites({ suites: [SUITE], environment: { ...environment, KVTUNER_CUDA_REQUIRED: "1" }, pattern });
