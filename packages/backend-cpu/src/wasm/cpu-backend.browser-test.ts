import { testBackend } from "@kvtuner/backend/test";
import { describe } from "vitest";
import { createCpuBackend } from "./cpu-backend.ts";

describe.each(["baseline", "relaxed", "dot-products"] as const)("with %s SIMD", (simd) => {
  testBackend({
    name: "cpu, in a browser",
    createBackend: () => createCpuBackend({ simd }),
    createSmallBackend: (limits) => createCpuBackend({ ...limits, simd }),
  });
});
