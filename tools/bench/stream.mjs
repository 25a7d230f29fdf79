import { spawn } from "node:child_process";
import { createInterface } from "node:readline";

/** Scores plans, shorthand or JSON, one after the other through `kvtuner eval --stream`. */
export const scorePlans = async (model, flags, plans, onScore = () => {}) => {
  const child = spawn(process.execPath, ["tools/kvtuner.mjs", "eval", model, "--stream", "--quiet", ...flags], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const exited = new Promise((resolve) => child.once("exit", resolve));
  for (const plan of plans) child.stdin.write(`${typeof plan === "string" ? plan : JSON.stringify(plan)}\n`);
  child.stdin.end();
  const scores = [];
  for await (const line of createInterface({ input: child.stdout })) {
    const score = JSON.parse(line);
    if (score.error) throw new Error(`${score.error.code}: ${score.error.message}`);
    onScore(scores.length, score);
    scores.push(score);
  }
  const code = await exited;
  if (code !== 0) throw new Error(`kvtuner eval ended with exit code ${code}`);
  return scores;
};
