import type { SchemeFamily } from "@kvtuner/backend";
import type { CudaBackend } from "../cuda-backend.ts";

/**
 * A backend that claims no schemes of the codec `transform`, for laws that visit all claimed schemes: there are as many as of all other
 * codecs together. `transform.gpu-test.ts` has the laws for it.
 */
export const withoutTransform = (backend: CudaBackend): CudaBackend => {
  const others = (families: readonly SchemeFamily[]): SchemeFamily[] =>
    families.filter(({ kind }) => kind !== "transform");
  const { key, value } = backend.capabilities;
  return { ...backend, capabilities: { ...backend.capabilities, key: others(key), value: others(value) } };
};
