import { KvtunerError } from "@kvtuner/plan";
import { ZodError } from "zod";
import { ChecksumError } from "./checksum.ts";

/** What is wrong with a file, in one line: the first unexpected value, and where it is. */
export const reasonOf = (cause: unknown): string => {
  if (cause instanceof SyntaxError) return "it is not JSON";
  if (cause instanceof ChecksumError) return cause.message;
  if (KvtunerError.isInstance(cause)) return `it is invalid: ${cause.message}`;
  if (!(cause instanceof ZodError)) return `it cannot be read: ${systemReason(cause)}`;
  const [issue] = cause.issues;
  if (issue === undefined) return "it has an unexpected form";
  return issue.path.length === 0 ? issue.message : `at ${issue.path.join(".")}: ${issue.message}`;
};

/** The system's reason for a failed call, without the call: `EACCES: permission denied`. */
export const systemReason = (cause: unknown): string => {
  if (!(cause instanceof Error)) return String(cause);
  return "syscall" in cause ? cause.message.split(`, ${String(cause.syscall)}`)[0]! : cause.message;
};

/** Whether a record was read but has invalid contents. */
export const isDamage = (cause: unknown): boolean =>
  cause instanceof SyntaxError || cause instanceof ChecksumError || cause instanceof ZodError;
