// Python is only needed for pip and its zip reader.
import { spawn } from "node:child_process";

/** Runs python3. Rejects with its error output if it fails or is not installed. */
export const python = (args) =>
  new Promise((resolve, reject) => {
    const child = spawn("python3", args, { stdio: ["ignore", "ignore", "pipe"] });
    let errors = "";
    child.stderr.on("data", (chunk) => (errors += chunk));
    child.on("error", (cause) => reject(new Error("could not start python3; install it, with pip", { cause })));
    child.on("close", (code) => {
      if (code === 0) resolve();
      else reject(new Error(`python3 ${args.slice(0, 3).join(" ")} failed:\n${errors.trim().slice(-2000)}`));
    });
  });
