import { KvtunerError } from "@kvtuner/plan";
import { PACKED_DOT_PRODUCTS } from "./kernel-source.ts";
import { PLAIN, type Variant } from "./variant.ts";

/**
 * Checks kernels that a caller asks for. `languageFeatures` are of the WebGPU that the device is from; where they are not
 * known, the compiler will say.
 *
 * @throws KernelsError `BACKEND_KERNELS`
 */
export const assertKernels = (
  kernels: Partial<Variant>,
  { features }: Pick<GPUDevice, "features">,
  languageFeatures: Pick<ReadonlySet<string>, "has"> | undefined,
): void => {
  for (const [name, isAsked] of Object.entries(kernels)) {
    if (!Object.hasOwn(PLAIN, name))
      throw new KernelsError(
        `kernels to be among ${Object.keys(PLAIN).join(", ")}`,
        JSON.stringify(name),
        "correct the name",
      );
    const feature = FEATURES[name as keyof Variant];
    if (isAsked && feature && !features.has(feature))
      throw new KernelsError(`a device with the feature "${feature}" for ${name}`, "one without", WITHOUT);
  }
  if (kernels.packed && languageFeatures?.has(PACKED_DOT_PRODUCTS) === false)
    throw new KernelsError(`shaders with "${PACKED_DOT_PRODUCTS}" for packed`, "some without", WITHOUT);
};

/** What kernels need of a device. */
const FEATURES: Partial<Record<keyof Variant, GPUFeatureName>> = { float16: "shader-f16", subgroups: "subgroups" };

const WITHOUT = "request it with the device, or leave it out of the kernels";

/** Kernels were asked for that there are not, or that the device cannot run. */
export class KernelsError extends KvtunerError {
  constructor(expected: string, got: string, advice: string) {
    super("BACKEND_KERNELS", `expected ${expected}, got ${got}; ${advice}`);
    this.name = "KernelsError";
  }
}
