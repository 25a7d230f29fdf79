import { testBackend } from "@kvtuner/backend/test";
import { createCpuBackend } from "./cpu-backend.ts";

testBackend({ name: "cpu, in a browser", createBackend: createCpuBackend, createSmallBackend: createCpuBackend });
