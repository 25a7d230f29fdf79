import { Command } from "commander";

import { serveLlamaCpp } from "../bench/llama-cpp/child.ts";
import { PEER_COMMAND } from "../bench/llama-cpp/process.ts";

/** The hidden command that a benchmark starts itself with: runs llama.cpp for it. */
export const peerLlamaCppCommand = (): Command =>
  new Command(PEER_COMMAND).description("run llama.cpp for `bench`").action(async () => {
    await serveLlamaCpp();
    // llama.cpp's threads would keep the process.
    process.exit(0);
  });
