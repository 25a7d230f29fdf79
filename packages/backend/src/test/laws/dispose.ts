import type { CachePlan, KvCache } from "../../backend.ts";
import { type Subject, withSubject } from "../backend-under-test.ts";
import type { Law } from "../law.ts";
import { CheckedCache } from "../rig/checked-cache.ts";
import { assertRefused } from "../rig/refusals.ts";
import { samplePlan } from "../rig/samples.ts";
import { callTensors } from "../rig/tensors.ts";

const DISPOSED = ["BACKEND_DISPOSED"];

/** Gone is gone. */
export const disposeLaw: Law = {
  name: "rejects every use after dispose, and allows a second dispose",
  check: (options) =>
    withSubject(options, async (subject) => {
      const plan = samplePlan(subject);
      const checked = await CheckedCache.create(subject, plan.shape, plan);
      const other = await CheckedCache.create(subject, plan.shape, plan, 2);
      await checked.append(5);
      const snapshot = await checked.cache.snapshot();
      await checked.cache.dispose();
      await checked.cache.dispose();
      await checkUses(checked, checked.cache, plan);
      await other.append(5);
      await subject.backend.dispose();
      await subject.backend.dispose();
      await checkBackend(subject, plan, snapshot);
      await assertRefused("attend() of a cache whose backend is gone", DISPOSED, () =>
        other.cache.attend(0, ...callTensors(other.nextCall(1))),
      );
      await other.cache.dispose();
    }),
};

const checkUses = async (checked: CheckedCache, cache: KvCache, plan: CachePlan): Promise<void> => {
  const uses: Record<string, () => unknown> = {
    "attend()": () => cache.attend(0, ...callTensors(checked.nextCall(1))),
    length: () => cache.length,
    "bytes()": () => cache.bytes(),
    "truncate()": () => cache.truncate(0),
    "retune()": () => cache.retune(plan),
    "snapshot()": () => cache.snapshot(),
  };
  for (const [name, use] of Object.entries(uses)) await assertRefused(`${name} after dispose`, DISPOSED, use);
};

const checkBackend = async ({ backend }: Subject, plan: CachePlan, snapshot: Uint8Array): Promise<void> => {
  await assertRefused("createCache() after dispose", DISPOSED, () => backend.createCache(plan.shape, plan));
  await assertRefused("restoreCache() after dispose", DISPOSED, () => backend.restoreCache(plan.shape, plan, snapshot));
};
