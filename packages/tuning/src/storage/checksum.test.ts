import { crc32 } from "node:zlib";
import { fc, test } from "@fast-check/vitest";
import { expect } from "vitest";
import { matchesChecksum, withChecksum } from "./checksum.ts";

const record = fc.dictionary(fc.string(), fc.jsonValue(), { minKeys: 1 });

const texts = record.chain((value) => fc.constantFrom(JSON.stringify(value), JSON.stringify(value, null, 2)));

test.prop([texts])("a record says the same with its checksum, which zlib finds too", (text) => {
  const checked = withChecksum(text);
  expect(matchesChecksum(checked)).toBe(true);
  expect(matchesChecksum(`${checked}\n`)).toBe(true);
  const body = checked.slice(0, checked.lastIndexOf(","));
  const checksum = crc32?.(body).toString(16).padStart(8, "0");
  const value = JSON.parse(text) as object;
  expect(JSON.parse(checked)).toEqual({ ...value, checksum: checksum ?? expect.any(String) });
});

test.prop([texts, fc.nat(), fc.integer({ min: 1, max: 255 })])(
  "a record of which any one byte is changed does not match, or says the same",
  (text, position, change) => {
    const bytes = new TextEncoder().encode(withChecksum(text));
    const before = new TextDecoder().decode(bytes);
    bytes[position % bytes.length]! ^= change;
    const after = new TextDecoder().decode(bytes);
    if (matchesChecksum(after)) expect(JSON.parse(after)).toEqual(JSON.parse(before));
  },
);
