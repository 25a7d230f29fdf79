import { schemesOf } from "../../nearest-scheme.ts";
import { withSubject } from "../backend-under-test.ts";
import { assertLaw, type Law } from "../law.ts";

/** A backend says what it is. */
export const capabilitiesLaw: Law = {
  name: "declares what it can store",
  check: (options) =>
    withSubject(options, async ({ backend }) => {
      const { key, value, headSizes, maxCacheBytes, maxTokens } = backend.capabilities;
      assertLaw(backend.specVersion === 1, `expected specVersion 1, got ${String(backend.specVersion)}`);
      assertLaw(backend.name.length > 0, "expected a name, got none");
      for (const families of [key, value])
        assertLaw(
          families.some((family) => schemesOf(family, 1).length > 0),
          `expected a scheme for keys and one for values, got ${JSON.stringify({ key, value })}`,
        );
      assertLaw(headSizes === "any" || headSizes.length > 0, "expected head sizes, got none");
      assertLaw(maxCacheBytes > 0 && maxTokens > 0, `expected limits, got ${maxCacheBytes} bytes, ${maxTokens} tokens`);
    }),
};
