import { withSubject } from "../backend-under-test.ts";
import type { Law } from "../law.ts";
import { CheckedCache } from "../rig/checked-cache.ts";
import { assertRefused } from "../rig/refusals.ts";
import { planOf, sampleLayers, smallShape } from "../rig/samples.ts";

const DAMAGED = ["SNAPSHOT_CORRUPT", "SNAPSHOT_VERSION"];

/** Bytes that are not a snapshot of the requested cache. */
export const foreignSnapshotLaw: Law = {
  name: "rejects a damaged snapshot, and one of another model or plan",
  check: (options) =>
    withSubject(options, async (subject) => {
      const { backend } = subject;
      const shape = smallShape(subject);
      const [first, second] = sampleLayers(subject, 2);
      const plan = planOf(shape, first!);
      const checked = await CheckedCache.create(subject, shape, plan);
      await checked.append(50, 1);
      const snapshot = await checked.cache.snapshot();
      for (const place of sampledPlaces(snapshot.length)) {
        const damaged = snapshot.slice();
        damaged[place]! ^= 1 << (place % 8);
        await assertRefused(`a snapshot with byte ${place} changed`, DAMAGED, () =>
          backend.restoreCache(shape, plan, damaged),
        );
      }
      for (const end of [0, 8, 100, snapshot.length - 1])
        await assertRefused(`a snapshot cut to ${end} bytes`, DAMAGED, () =>
          backend.restoreCache(shape, plan, snapshot.slice(0, end)),
        );
      const wide = { ...shape, queryHeads: 2 * shape.queryHeads };
      const more = { ...first!, residency: { ...first!.residency, sinks: first!.residency.sinks + 1 } };
      for (const [what, otherShape, otherPlan] of [
        ["another shape", wide, planOf(wide, first!)],
        ["another plan", shape, planOf(shape, second ?? more)],
        ["other sinks", shape, planOf(shape, more)],
      ] as const)
        await assertRefused(`a snapshot of ${what}`, ["SNAPSHOT_FOREIGN"], () =>
          backend.restoreCache(otherShape, otherPlan, snapshot),
        );
      await checked.append(1);
    }),
};

/** The start, the end, and places in between. */
const sampledPlaces = (sizeBytes: number): number[] => [
  ...Array.from({ length: 24 }, (_, index) => index),
  ...Array.from({ length: 40 }, (_, index) => Math.floor((index * sizeBytes) / 40)),
  sizeBytes - 33,
  sizeBytes - 1,
];
