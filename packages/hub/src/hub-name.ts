import { HubError } from "./hub-error.ts";

/** A model on the hub: `hf:owner/name[:file][@revision]`. */
export interface HubName {
  /** `owner/name` */
  readonly repository: string;
  /** Path in the repository, or the end of a file's name, like `Q4_K_M`. */
  readonly file?: string;
  /** Branch, tag or commit. */
  readonly revision?: string;
}

/** Revision of names without one. */
export const DEFAULT_REVISION = "main";

const PREFIX = "hf:";
const REPOSITORY = /^[\w-][\w.-]*\/[\w-][\w.-]*$/;
const REVISION = /^[\w-][\w.-]*(\/[\w-][\w.-]*)*$/;

/** Whether a text names a model on the hub. */
export const isHubName = (text: string): boolean => text.startsWith(PREFIX);

/**
 * Parses a name. The last `@` begins the revision.
 *
 * @throws HubError `HUB_NAME`
 */
export const parseHubName = (text: string): HubName => {
  const [, repository = "", file, revision] = /^hf:([^:@]*)(?::(.*?))?(?:@([^@]*))?$/su.exec(text) ?? [];
  const isSafe = (file === undefined || isSafePath(file)) && (revision === undefined || REVISION.test(revision));
  if (!REPOSITORY.test(repository) || !isSafe)
    throw new HubError(
      "HUB_NAME",
      `expected hf:OWNER/NAME, with :FILE and @REVISION where needed, got ${JSON.stringify(text)}; an example is hf:ggml-org/gemma-3-270m-it-GGUF`,
    );
  return { repository, ...(file !== undefined && { file }), ...(revision !== undefined && { revision }) };
};

/** The name as text. */
export const formatHubName = ({ repository, file, revision }: HubName): string =>
  `${PREFIX}${repository}${file === undefined ? "" : `:${file}`}${revision === undefined ? "" : `@${revision}`}`;

/** Whether a path of a repository stays within the folder that it is joined to, on every system. */
export const isSafePath = (path: string): boolean =>
  !/[\\\0]|^[a-z]:/iu.test(path) && path.split("/").every((segment) => !["", ".", ".."].includes(segment));

/** Whether a revision is a full commit hash. */
export const isCommit = (revision: string): boolean => /^[0-9a-f]{40}$/.test(revision);
