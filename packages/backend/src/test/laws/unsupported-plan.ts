import { CODE_BITS, type LayerScheme, schemeFault, schemeLabel, type TensorScheme } from "@kvtuner/plan";
import { supportsScheme } from "../../nearest-scheme.ts";
import type { UnsupportedSchemeError } from "../../unsupported-scheme.ts";
import { type Subject, withSubject } from "../backend-under-test.ts";
import { assertLaw, type Law } from "../law.ts";
import { assertRefused } from "../rig/refusals.ts";
import { planOf, sampleLayers, smallShape } from "../rig/samples.ts";

/** No silent fallback. */
export const unsupportedPlanLaw: Law = {
  name: "refuses schemes it does not claim by layer, scheme and the nearest supported, and plans for other shapes",
  check: (options) =>
    withSubject(options, async (subject) => {
      const { backend } = subject;
      const shape = smallShape(subject);
      const [good] = sampleLayers(subject, 1);
      for (const [tensor, scheme] of foreignSchemes(subject)) await checkScheme(subject, good!, tensor, scheme);
      const other = { ...shape, kvHeads: shape.queryHeads };
      for (const [what, plan] of [
        ["a plan for another shape", planOf(other, good!)],
        ["a plan with a layer too few", { shape, layers: [good!] }],
        ["a plan for layers of other sizes", planOf({ ...shape, perLayer: [{}, { kvHeads: 1 }] }, good!)],
      ] as const)
        await assertRefused(what, ["BACKEND_PLAN_SHAPE"], () => backend.createCache(shape, plan));
      await assertRefused("negative recent tokens", ["BACKEND_PLAN_INVALID"], () =>
        backend.createCache(shape, planOf(shape, { ...good!, residency: { ...good!.residency, recent: -1 } })),
      );
      await checkHeadSize(subject, good!);
    }),
};

/** Schemes of all kinds that the backend does not list, including odd groups. */
const foreignSchemes = ({ backend }: Subject): ["key" | "value", TensorScheme][] =>
  (["key", "value"] as const).flatMap((tensor) =>
    candidates()
      .filter((scheme) => !schemeFault(scheme, { kvHeads: 1, headSize: 7 }))
      .filter((scheme) => !supportsScheme(backend.capabilities[tensor], scheme))
      .map((scheme): ["key" | "value", TensorScheme] => [tensor, scheme]),
  );

const candidates = (): TensorScheme[] =>
  CODE_BITS.flatMap((bits) =>
    (["affine", "symmetric"] as const).flatMap((format) =>
      (["none", "hadamard"] as const).flatMap((transform): TensorScheme[] => [
        { kind: "affine", bits, format, transform, axis: "token", groupSize: "head", blockSize: 1 },
        { kind: "affine", bits, format, transform, axis: "token", groupSize: 7, blockSize: 1 },
        { kind: "affine", bits, format, transform, axis: "channel", groupSize: 32, blockSize: 32 },
        { kind: "affine", bits, format, transform, axis: "channel", groupSize: 7, blockSize: 14 },
        { kind: "affine", bits, format, transform, axis: "channel", groupSize: 32, blockSize: 32, clip: 0.9 },
      ]),
    ),
  );

const checkScheme = async (
  subject: Subject,
  good: LayerScheme,
  tensor: "key" | "value",
  scheme: TensorScheme,
): Promise<void> => {
  const shape = smallShape(subject);
  const plan = { shape, layers: [good, { ...good, [tensor]: scheme }] };
  const what = `${tensor}s in ${schemeLabel(scheme)}`;
  const error = await assertRefused(what, ["BACKEND_UNSUPPORTED_SCHEME"], () =>
    subject.backend.createCache(shape, plan),
  );
  const named = error as Partial<UnsupportedSchemeError>;
  assertLaw(named.layer === 1, `expected the error for ${what} to name layer 1, got ${named.layer}`);
  assertLaw(
    JSON.stringify(named.scheme) === JSON.stringify(scheme) && error.message.includes("nearest supported"),
    `expected the error for ${what} to name the scheme and the nearest supported, got: ${error.message}`,
  );
};

const checkHeadSize = async ({ backend }: Subject, good: LayerScheme): Promise<void> => {
  const { headSizes } = backend.capabilities;
  if (headSizes === "any") return;
  const shape = { layers: 1, queryHeads: 1, kvHeads: 1, headSize: Math.max(...headSizes) + 1 };
  await assertRefused(`head size ${shape.headSize}`, ["BACKEND_UNSUPPORTED_SHAPE"], () =>
    backend.createCache(shape, planOf(shape, good)),
  );
};
