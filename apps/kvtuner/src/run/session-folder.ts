import { createHash } from "node:crypto";
import { mkdir, readdir, rm, utimes } from "node:fs/promises";
import { join } from "node:path";
import { openFileSource } from "@kvtuner/decoder/node";
import { readSessionHead } from "@kvtuner/decoder/sessions";
import { formatBytes, KvtunerError, type ModelIdentity } from "@kvtuner/plan";
import { statIfThere } from "../study/stat-if-there.ts";
import { writeSessionFile } from "./session-on-disk.ts";

const ENDING = ".kvsession";

/** A saved session that begins like a prompt. */
export interface SharedPrefix {
  readonly path: string;
  /** First tokens that it shares with the prompt. */
  readonly tokens: number;
}

/**
 * The sessions of this model in a folder that share more than `least` first tokens with a prompt, the most first. Files that cannot be read are
 * passed over.
 */
export const sharedPrefixes = async (
  folder: string,
  model: ModelIdentity,
  prompt: Int32Array,
  least: number,
): Promise<SharedPrefix[]> => {
  const prefixes: SharedPrefix[] = [];
  for (const path of await sessionFiles(folder)) {
    const tokens = await sharedTokens(path, model, prompt);
    if (tokens > least) prefixes.push({ path, tokens });
  }
  return prefixes.toSorted((one, other) => other.tokens - one.tokens);
};

const sharedTokens = async (path: string, { sha256 }: ModelIdentity, prompt: Int32Array): Promise<number> => {
  const head = await headOf(path);
  if (head?.model.sha256 !== sha256) return 0;
  const differs = prompt.findIndex((id, index) => id !== head?.ids[index]);
  return differs < 0 ? prompt.length : differs;
};

/** Undefined for a file that another process has removed, or that is damaged. */
const headOf = async (path: string): Promise<Awaited<ReturnType<typeof readSessionHead>> | undefined> => {
  try {
    const source = await openFileSource(path);
    try {
      return await readSessionHead(source);
    } finally {
      await source.close();
    }
  } catch {
    return undefined;
  }
};

const sessionFiles = async (folder: string): Promise<string[]> => {
  if (statIfThere(folder) === undefined) return [];
  return (await readdir(folder)).filter((name) => name.endsWith(ENDING)).map((name) => join(folder, name));
};

/** Marks a session as the one used last. */
export const markUsed = async (path: string): Promise<void> => {
  const now = new Date();
  await utimes(path, now, now).catch(() => undefined); // Another process may have removed it.
};

/**
 * Saves a session in a folder under a name made from its tokens, and removes those used longest ago until all fit the budget.
 *
 * @returns its path
 * @throws SessionBudgetError when it does not fit alone; SessionFileError `SESSION_FILE`
 */
export const addToFolder = async (
  folder: string,
  budgetBytes: number,
  { ids, bytes }: { readonly ids: readonly number[]; readonly bytes: Uint8Array },
): Promise<string> => {
  if (bytes.length > budgetBytes) throw new SessionBudgetError(bytes.length, budgetBytes);
  await mkdir(folder, { recursive: true }).catch(() => undefined); // Writing says what is wrong.
  const name = createHash("sha256").update(Int32Array.from(ids)).digest("hex").slice(0, 32);
  const path = join(folder, `${name}${ENDING}`);
  await removeUntilFits(folder, budgetBytes - bytes.length, path);
  await writeSessionFile(path, bytes);
  return path;
};

const removeUntilFits = async (folder: string, budgetBytes: number, besides: string): Promise<void> => {
  const files = (await sessionFiles(folder))
    .filter((path) => path !== besides)
    .map((path) => ({ path, stats: statIfThere(path) }))
    .toSorted((one, other) => (one.stats?.mtimeMs ?? 0) - (other.stats?.mtimeMs ?? 0));
  let total = files.reduce((sum, { stats }) => sum + (stats?.size ?? 0), 0);
  for (const { path, stats } of files) {
    if (total <= budgetBytes) return;
    await rm(path, { force: true });
    total -= stats?.size ?? 0;
  }
};

/** A session takes more than the folder may. */
class SessionBudgetError extends KvtunerError {
  constructor(sizeBytes: number, budgetBytes: number) {
    super(
      "SESSION_BUDGET",
      `expected a session of at most ${formatBytes(budgetBytes)}, got one of ${formatBytes(sizeBytes)}; raise --sessions-budget, or use a plan that takes fewer bytes`,
    );
    this.name = "SessionBudgetError";
  }
}
