import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { homedir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { KvtunerError } from "@kvtuner/plan";

const NAME = "node-llama-cpp";
const TESTED_VERSION = "3.22.1";

/** An installed node-llama-cpp. */
export interface PeerPackage {
  readonly version: string;
  /** URL to import it by. */
  readonly url: string;
}

/**
 * Finds node-llama-cpp next to this package or in the folder of peers, without loading it.
 *
 * @throws PeerMissingError saying how to install it
 */
export const findNodeLlamaCpp = (): PeerPackage => {
  const folder = [...(createRequire(import.meta.url).resolve.paths(NAME) ?? []), join(peersFolder(), "node_modules")]
    .map((parent) => join(parent, NAME))
    .find((path) => existsSync(join(path, "package.json")));
  if (folder === undefined) throw new PeerMissingError();
  const { version, main } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as Record<string, string>;
  return { version: version ?? "unknown", url: pathToFileURL(join(folder, main ?? "dist/index.js")).href };
};

/** Folder, outside any project, where peers are installed. */
const peersFolder = (): string => join(process.env["KVTUNER_HOME"] || join(homedir(), ".cache", "kvtuner"), "peers");

/** Only the binary for this machine; all of them take 700 MB. */
const installCommand = (): string => {
  const system = { linux: "linux", darwin: "mac", win32: "win" }[process.platform as string] ?? process.platform;
  // The build for Apple silicon is named after its GPU, but runs without it too.
  const binary = system === "mac" && process.arch === "arm64" ? "mac-arm64-metal" : `${system}-${process.arch}`;
  return (
    `npm install --prefix ${peersFolder()} --omit=optional --ignore-scripts ` +
    `${NAME}@${TESTED_VERSION} @${NAME}/${binary}@${TESTED_VERSION}`
  );
};

/** node-llama-cpp is not installed. */
export class PeerMissingError extends KvtunerError {
  constructor() {
    super("PEER_MISSING", `${NAME} is not installed; run \`${installCommand()}\``);
    this.name = "PeerMissingError";
  }
}
