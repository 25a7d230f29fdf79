import { testBackend } from "@kvtuner/backend/test";
import { createExampleBackend } from "./example-backend.ts";

testBackend({
  name: "example",
  createBackend: createExampleBackend,
  createSmallBackend: createExampleBackend,
  tolerance: 1e-6,
});
