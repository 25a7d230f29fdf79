/**
 * Times plans, the float cache and llama.cpp on the same model and contexts, in turns, after comparing its greedy text with
 * ours. Needs node-llama-cpp; if it is missing, the error says how to install it.
 *   npm run -s bench:llama.cpp -- MODEL --plan kivi:K4V4,none [--context 512,4096] [--peer-types q8_0/q4_0,...|all]
 *     [--threads 1] [--weights compact] [--backend cpu] [--no-float] [--rounds 7] [--tokens 8] [--fill text|synthetic]
 *     [--text FILE] [--seed 0] [--json]
 */
import { runLlamaCppBench } from "./llama-cpp/command.ts";

process.exitCode = await runLlamaCppBench(process.argv.slice(2));
