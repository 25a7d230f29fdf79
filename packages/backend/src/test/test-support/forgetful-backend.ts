import { createExampleBackend } from "../../../examples/example-backend.ts";
import type { Backend } from "../../backend.ts";

/** A backend that starts empty instead of restoring a snapshot. */
export const createForgetfulBackend = (): Backend => {
  const backend = createExampleBackend();
  return { ...backend, restoreCache: (shape, plan) => backend.createCache(shape, plan) };
};
