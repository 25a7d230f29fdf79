// First step of every script of a checkout.
import { bootstrap } from "./bootstrap.mjs";
import { buildPrograms } from "./build-programs.mjs";

/** Installs and builds what is missing or outdated. On failure, ends the process with a plain message. */
export const prepare = async () => {
  try {
    await bootstrap();
    await buildPrograms();
  } catch (error) {
    console.error(error.message);
    process.exit(1);
  }
};
