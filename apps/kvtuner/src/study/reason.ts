import { ZodError } from "zod";

/** What is wrong with a file, in one line: the first thing that is not as expected, and where. */
export const reasonOf = (cause: unknown): string => {
  if (cause instanceof SyntaxError) return "it is no JSON";
  if (!(cause instanceof ZodError)) return "it cannot be read";
  const [issue] = cause.issues;
  if (issue === undefined) return "it is not as expected";
  return issue.path.length === 0 ? issue.message : `at ${issue.path.join(".")}: ${issue.message}`;
};
