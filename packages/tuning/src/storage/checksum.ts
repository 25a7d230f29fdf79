/**
 * JSON text of an object, compact or indented, with its checksum as the last member. The checksum detects any changed byte of a
 * record or a journal line.
 */
export const withChecksum = (json: string): string => {
  const [, body = "", end = ""] = /^([^]*[^\s])(\s*)\}$/.exec(json) ?? [];
  const [gap, space] = end === "" ? ["", ""] : [`${end}  `, " "];
  return `${body},${gap}"checksum":${space}"${checksumOf(body)}"${end}}`;
};

/** Whether text is what {@link withChecksum} returned, with or without white space at its end. */
export const matchesChecksum = (text: string): boolean => {
  const [, body, checksum] = /^([^]*),\s*"checksum": ?"([0-9a-f]{8})"\s*\}\s*$/.exec(text) ?? [];
  return body !== undefined && checksumOf(body) === checksum;
};

/** CRC-32 (ISO 3309) of a text in UTF-8, hexadecimal: different for texts that differ in up to 32 neighbouring bits. */
const checksumOf = (text: string): string => {
  let rest = 0xffffffff;
  for (const byte of new TextEncoder().encode(text)) rest = (rest >>> 8) ^ (TABLE[(rest ^ byte) & 0xff] ?? 0);
  return ((rest ^ 0xffffffff) >>> 0).toString(16).padStart(8, "0");
};

const POLYNOMIAL = 0xedb88320;

const remainder = (byte: number): number => {
  let rest = byte;
  for (let bit = 0; bit < 8; bit++) rest = rest & 1 ? (rest >>> 1) ^ POLYNOMIAL : rest >>> 1;
  return rest;
};

const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => remainder(byte));

/**
 * The value of a text that {@link withChecksum} returned, without the checksum.
 *
 * @throws SyntaxError when the text is not JSON
 * @throws ChecksumError when it does not match its checksum
 */
export const checkedValue = (text: string): unknown => {
  const value: unknown = JSON.parse(text);
  if (!matchesChecksum(text)) throw new ChecksumError();
  const { checksum: _, ...rest } = value as { checksum: string };
  return rest;
};

/** A text was changed since it was written. */
export class ChecksumError extends Error {
  constructor() {
    super("it does not match its checksum");
    this.name = "ChecksumError";
  }
}
