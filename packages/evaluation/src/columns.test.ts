import { fc, test } from "@fast-check/vitest";
import { FLOAT16, type LayerScheme, quantizedPrefix, type TensorScheme } from "@kvtuner/plan";
import { expect } from "vitest";
import { columnChunks } from "./columns.ts";

const tensorScheme: fc.Arbitrary<TensorScheme> = fc.oneof(
  fc.constant(FLOAT16),
  fc.record({
    kind: fc.constant("affine"),
    bits: fc.constant(4),
    blockSize: fc.constantFrom(1, 2, 8, 32, 128),
    format: fc.constant("affine"),
    axis: fc.constant("token"),
    groupSize: fc.constant("head"),
    transform: fc.constant("none"),
  }),
);

/** Layer schemes over all geometries: blocks and residencies. */
const layerScheme: fc.Arbitrary<LayerScheme> = fc.record({
  key: tensorScheme,
  value: tensorScheme,
  residency: fc.record({
    kind: fc.constant("prefix"),
    sinks: fc.constantFrom(0, 1, 4),
    recent: fc.constantFrom(0, 1, 16, 32, 100),
  }),
});

const readsQuantized = (tensor: TensorScheme, scheme: LayerScheme, query: number, token: number): boolean =>
  token >= scheme.residency.sinks && token < scheme.residency.sinks + quantizedPrefix(tensor, scheme, query + 1);

test.prop([layerScheme, fc.integer({ min: 1, max: 300 }), fc.constantFrom(1, 7, 64, 100, Infinity)])(
  "every query reads every token of its span once, in the form the prefix rule gives",
  (scheme, tokens, span) => {
    let next = 0;
    for (const chunk of columnChunks(scheme, tokens, span)) {
      expect(chunk.firstQuery).toBe(next);
      next = chunk.endQuery;
      const mask = chunk.mask();
      for (let query = chunk.firstQuery; query < chunk.endQuery; query++) {
        const seen: number[] = [];
        let column = (query - chunk.firstQuery) * chunk.columns;
        for (const range of chunk.ranges)
          for (let token = range.start; token < range.end; token++, column++) {
            if (mask[column] !== 0) continue;
            seen.push(token);
            const forms = [
              readsQuantized(scheme.key, scheme, query, token),
              readsQuantized(scheme.value, scheme, query, token),
            ];
            if (forms[0] !== range.keyQuantized || forms[1] !== range.valueQuantized)
              expect.fail(
                `query ${query} reads token ${token} as ${JSON.stringify(range)}, expected ${JSON.stringify(forms)}`,
              );
          }
        seen.sort((a, b) => a - b);
        const first = Math.max(0, query + 1 - span);
        if (seen.length !== query + 1 - first || seen.some((token, index) => token !== first + index))
          expect.fail(`query ${query} reads ${seen.join(" ")}`);
      }
    }
    expect(next).toBe(tokens);
  },
);

test("sliding attention needs columns for no more tokens than a chunk's queries and their spans", () => {
  for (const { firstQuery, endQuery, columns } of columnChunks(undefined, 1000, 50))
    expect(columns).toBeLessThanOrEqual(endQuery - firstQuery + 49);
});

test("a uniform cache needs no more columns than tokens", () => {
  for (const chunk of columnChunks(undefined, 300)) expect(chunk.columns).toBe(chunk.endQuery);
});
