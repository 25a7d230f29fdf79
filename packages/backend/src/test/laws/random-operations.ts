import { planBytes } from "@kvtuner/plan";
import * as fc from "fast-check";
import { type Subject, withSubject } from "../backend-under-test.ts";
import { type Law, LawError, textOf } from "../law.ts";
import { CheckedCache } from "../rig/checked-cache.ts";
import { assertRefused } from "../rig/refusals.ts";
import { planOf, sampleLayers, smallShape, withSpans, withAssets } from "../rig/samples.ts";

/** One step on one of two caches. */
interface Step {
  readonly kind: "append" | "truncate" | "restore" | "retune" | "stored";
  readonly cache: number;
  /** From 0 to 1: selects the tokens to append, the length to keep, or the plan. */
  readonly amount: number;
}

const anyStep: fc.Arbitrary<Step> = fc.record({
  kind: fc.constantFrom("append", "append", "append", "truncate", "restore", "retune", "stored"),
  cache: fc.integer({ min: 0, max: 1 }),
  // fc.double draws exponents evenly: nearly all of its numbers are next to 0.
  amount: fc.nat(1000).map((n) => n / 1000),
});

/** Finds what the other laws miss. fast-check shrinks a failing sequence. */
export const randomOperationsLaw: Law = {
  name: "matches the oracle in any sequence of operations on two caches",
  check: (options) =>
    withSubject(options, async (subject) => {
      const steps = fc.array(anyStep, { minLength: 1, maxLength: 14, size: "max" });
      const property = fc.asyncProperty(steps, (sequence) => checkSequence(subject, sequence));
      await fc.assert(property, { numRuns: options.heavy ? 300 : 30 }).catch((cause: unknown) => {
        throw new LawError(`${textOf(cause)}\n${textOf((cause as Error).cause)}`, { cause });
      });
    }),
};

const checkSequence = async (subject: Subject, steps: readonly Step[]): Promise<void> => {
  const shape = smallShape(subject, { queryHeads: 2, kvHeads: 1 });
  const layers = sampleLayers(subject, 8);
  const second = subject.backend.capabilities.attention?.sliding ? withSpans(shape, 60, Infinity) : shape;
  const caches = [
    await CheckedCache.create(subject, shape, planOf(shape, ...layers), 1),
    await CheckedCache.create(subject, second, planOf(second, ...layers.toReversed()), 2),
  ];
  for (const step of steps) await takeStep(caches[step.cache]!, step, subject);
  for (const checked of caches) {
    await checked.assertStored();
    await checked.cache.dispose();
  }
};

const takeStep = async (checked: CheckedCache, { kind, amount }: Step, subject: Subject): Promise<void> => {
  if (kind === "append") {
    const tokens = 1 + Math.floor(amount ** 3 * 150);
    return checked.append(tokens, Math.min(tokens, 3));
  }
  if (kind === "truncate") return truncate(checked, Math.floor(amount * (checked.length + 1)) % (checked.length + 1));
  if (kind === "restore") return checked.restore();
  if (kind === "retune") return retuneCoarser(checked, amount, subject);
  return checked.assertStored();
};

const truncate = async (checked: CheckedCache, length: number): Promise<void> => {
  if (checked.canTruncate(length)) return checked.truncate(length);
  await assertRefused(`truncate(${length}) of ${checked.length} tokens`, ["BACKEND_TRUNCATE_DROPPED"], () =>
    checked.cache.truncate(length),
  );
};

const retuneCoarser = async (checked: CheckedCache, amount: number, subject: Subject): Promise<void> => {
  const layers = sampleLayers(subject, 8);
  const first = Math.floor(amount * (layers.length - 1));
  const plan = planOf(checked.oracle.shape, layers[first]!, layers[(first + 1) % layers.length]!);
  const { length } = checked;
  if (planBytes(plan, length).total > planBytes(checked.oracle.plan, length).total) return;
  if (checked.canTruncate(1)) return checked.retune(plan);
  await assertRefused("a retune after tokens were dropped", ["BACKEND_RETUNE_DROPPED"], () =>
    checked.cache.retune(withAssets(subject, plan)),
  );
};
