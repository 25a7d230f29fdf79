import { readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

import { KvtunerError } from "@kvtuner/plan";

import { kvtunerHome } from "../../model/home.ts";
import { installedPackage } from "../../model/installed-package.ts";

const NAME = "node-llama-cpp";
const TESTED_VERSION = "3.22.1";

/** An installed node-llama-cpp. */
export interface PeerPackage {
  readonly version: string;
  /** URL to import it by. */
  readonly url: string;
}

/**
 * Finds node-llama-cpp beside this package or in the folder of peers, without loading it.
 *
 * @throws PeerMissingKvtunerError saying how to install it
 */
export const findNodeLlamaCpp = (): PeerPackage => {
  const folder = installedPackage(NAME, [join(peersFolder(), "node_modules")]);
  if (folder === undefined) throw new PeerMissingKvtunerError();
  const { version, main } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as Record<string, string>;
  return { version: version ?? "unknown", url: pathToFileURL(join(folder, main ?? "dist/index.js")).href };
};

/** Folder outside any project that peers are installed into. */
const peersFolder = (): string => join(kvtunerHome(), "peers");

/** Only the binary for this machine: with all of them it is 700 MB. */
const installCommand = (): string => {
  const system = { linux: "linux", darwin: "mac", win32: "win" }[process.platform as string] ?? process.platform;
  // The build for Apple silicon is named after its GPU; it runs without it too.
  const binary = system === "mac" && process.arch === "arm64" ? "mac-arm64-metal" : `${system}-${process.arch}`;
  return (
    `npm install --prefix ${peersFolder()} --omit=optional --ignore-scripts ` +
    `${NAME}@${TESTED_VERSION} @${NAME}/${binary}@${TESTED_VERSION}`
  );
};

/** The peer to compare with is not installed. */
export class PeerMissingKvtunerError extends KvtunerError {
  constructor() {
    super(
      "PEER_MISSING",
      `expected ${NAME} to be installed for --peer llama.cpp, found none; run \`${installCommand()}\``,
    );
    this.name = "PeerMissingKvtunerError";
  }
}
