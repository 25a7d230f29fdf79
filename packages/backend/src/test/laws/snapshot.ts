import { writeSnapshot } from "../../snapshot/write-snapshot.ts";
import { withSubject } from "../backend-under-test.ts";
import { checkCases, type Law } from "../law.ts";
import { oracleImage } from "../oracle/oracle-image.ts";
import { CheckedCache } from "../rig/checked-cache.ts";
import { layerName, planOf, sampleLayers, smallShape } from "../rig/samples.ts";

/** Snapshots hold everything, and nothing specific to one backend. */
export const snapshotLaw: Law = {
  name: "continues from its own snapshot, and from one of another backend",
  check: (options) =>
    withSubject(options, async (subject) => {
      const cases = sampleLayers(subject).flatMap((layer) => [0, 1, 45, 170].map((length) => ({ layer, length })));
      await checkCases(
        cases,
        ({ layer, length }) => `${length} tokens, ${layerName(layer)}`,
        async ({ layer, length }) => {
          const shape = smallShape(subject, { queryHeads: 2 });
          const checked = await CheckedCache.create(subject, shape, planOf(shape, layer, ...sampleLayers(subject, 1)));
          if (length > 0) await checked.append(length, 1);
          await checked.assertStored();
          await checked.restore();
          await checked.assertStored();
          await checked.append(2);
          await checked.cache.dispose();
          const snapshot = await writeSnapshot(oracleImage(checked.oracle));
          checked.cache = await subject.backend.restoreCache(shape, checked.oracle.plan, snapshot);
          await checked.append(33, 2);
          checked.truncate(Math.ceil(length / 2));
          await checked.append(1);
          await checked.assertStored();
          await checked.cache.dispose();
        },
      );
    }),
};
