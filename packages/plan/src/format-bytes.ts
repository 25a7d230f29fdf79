import { KvtunerError } from "./error.ts";

const UNITS = {
  B: 1,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  KIB: 2 ** 10,
  MIB: 2 ** 20,
  GIB: 2 ** 30,
  TIB: 2 ** 40,
} as const;

/**
 * Reads a size like `40MB`, `1.5 GiB` or `4096` (bytes); decimal units unless they say otherwise.
 *
 * @throws ByteSizeError `PLAN_UNKNOWN_SIZE`
 */
export const parseBytes = (text: string): number => {
  const match = /^(\d+(?:\.\d+)?)\s*([kmgt]?i?b)?$/i.exec(text.trim());
  const unit = UNITS[(match?.[2]?.toUpperCase() ?? "B") as keyof typeof UNITS];
  if (match && unit) return Math.round(Number(match[1]) * unit);
  throw new ByteSizeError(
    "PLAN_UNKNOWN_SIZE",
    `expected a size like 40MB, 1.5GiB or 4096, got ${JSON.stringify(text)}`,
  );
};

/** Writes bytes with a decimal unit and three digits: `39.4 MB`. */
export const formatBytes = (bytes: number): string => {
  const units = ["B", "KB", "MB", "GB", "TB"];
  const power = Math.min(units.length - 1, Math.max(0, Math.floor(Math.log10(Math.max(1, bytes)) / 3)));
  const value = bytes / 1000 ** power;
  return `${power === 0 ? value : value.toPrecision(value >= 999.5 ? 4 : 3)} ${units[power]}`;
};

/** A text that is no size in bytes. */
export class ByteSizeError extends KvtunerError {
  override readonly name = "ByteSizeError";
}
