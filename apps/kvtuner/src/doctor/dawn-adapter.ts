import { execFile } from "node:child_process";
import { pathToFileURL } from "node:url";

/** An adapter, as sent between processes; undefined for none. */
export interface DescribedAdapter {
  readonly info: Pick<GPUAdapterInfo, "vendor" | "architecture" | "device" | "description" | "isFallbackAdapter">;
  readonly features: readonly string[];
  readonly maxBindingBytes: number;
}

/**
 * Requests an adapter from Dawn, whose module is at `path`, in a process of its own. Dawn writes driver warnings straight to
 * stderr, which no option prevents, and a crashing driver ends only that process.
 *
 * @throws with the process's own message when it failed
 */
export const dawnAdapter = (path: string): Promise<DescribedAdapter | undefined> =>
  new Promise((resolve, reject) => {
    const argv = ["--input-type=module", "--eval", REQUEST, pathToFileURL(path).href];
    execFile(process.execPath, argv, { timeout: LONGEST_MS }, (error, stdout, stderr) => {
      const answer = ANSWER.exec(stdout)?.[1];
      if (answer !== undefined) resolve((JSON.parse(answer) as DescribedAdapter | null) ?? undefined);
      else reject(new Error(reasonOf(stderr, error), { cause: error }));
    });
  });

/** A software driver may take seconds to start. */
const LONGEST_MS = 60_000;

/** Exits right after printing: shutting Dawn down crashes with some drivers. */
const REQUEST = `
const { create } = await import(process.argv[1]);
const adapter = await create([]).requestAdapter({ powerPreference: "high-performance" });
const described = ({ info, features, limits }) => {
  const { vendor, architecture, device, description, isFallbackAdapter } = info;
  const named = { vendor, architecture, device, description, isFallbackAdapter };
  return { info: named, features: [...features], maxBindingBytes: limits.maxStorageBufferBindingSize };
};
process.stdout.write("adapter: " + JSON.stringify(adapter && described(adapter)) + "\\n", () => process.exit());
`;

const ANSWER = /^adapter: (.+)$/m;

const reasonOf = (stderr: string, error: Error | null): string => {
  const thrown = /^(?:\[?\w*Error)\b.*$/m.exec(stderr)?.[0];
  if (thrown !== undefined) return thrown;
  const signal = (error as { readonly signal?: string | null } | null)?.signal;
  return `the process that loads the package webgpu ended${signal ? ` by ${signal}` : " without output"}`;
};
