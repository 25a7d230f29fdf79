import { KvtunerError } from "@kvtuner/plan";
import { PACKED_DOT_PRODUCTS } from "./kernel-source.ts";
import { PLAIN, type Variant } from "./variant.ts";

/**
 * Checks the kernels that a caller requests. Without `languageFeatures`, the features of the WebGPU that made the device,
 * the compiler decides.
 *
 * @throws KernelsError `BACKEND_KERNELS`
 */
export const assertKernels = (
  kernels: Partial<Variant>,
  { features }: Pick<GPUDevice, "features">,
  languageFeatures: Pick<ReadonlySet<string>, "has"> | undefined,
): void => {
  for (const [name, isRequested] of Object.entries(kernels)) {
    if (!Object.hasOwn(PLAIN, name))
      throw new KernelsError(
        `kernels to be among ${Object.keys(PLAIN).join(", ")}`,
        JSON.stringify(name),
        "correct the name",
      );
    const feature = FEATURES[name as keyof Variant];
    if (isRequested && feature && !features.has(feature))
      throw new KernelsError(`a device with the feature "${feature}" for ${name}`, "one without", WITHOUT);
  }
  if (kernels.packed && languageFeatures?.has(PACKED_DOT_PRODUCTS) === false)
    throw new KernelsError(`shaders with "${PACKED_DOT_PRODUCTS}" for packed`, "some without", WITHOUT);
};

/** Device features that kernels need. */
const FEATURES: Partial<Record<keyof Variant, GPUFeatureName>> = { float16: "shader-f16", subgroups: "subgroups" };

const WITHOUT = "request it with the device, or leave it out of the kernels";

/** The requested kernels do not exist, or the device cannot run them. */
export class KernelsError extends KvtunerError {
  constructor(expected: string, got: string, advice: string) {
    super("BACKEND_KERNELS", `expected ${expected}, got ${got}; ${advice}`);
    this.name = "KernelsError";
  }
}
