/** Prompts that the model continues if no calibration text is given; written for this project. */
export const CALIBRATION_PROMPTS: readonly string[] = [
  "The harbour had been quiet since the last ferry left. Marta locked the ticket office, lifted her collar against the wind and",
  "A shop sells pencils in boxes of 12. Anna buys 7 boxes and gives 19 pencils to her class. How many are left? Let us go step by step.\nStep 1: 7 boxes of 12 pencils are 7 * 12 = 84 pencils.\nStep 2:",
  "/** Returns the length of the longest run of equal numbers in a list. */\nfunction longestRun(numbers) {\n  let best = 0;\n",
  "Things to pack for a week in the mountains:\n1. A warm jacket, because nights are cold even in July\n2. Two pairs of boots\n3.",
  "Am Rand der kleinen Stadt stand eine alte Mühle, in der seit Jahren niemand mehr gewohnt hatte. Eines Morgens",
  "El mercado abría a las seis de la mañana. Los pescadores traían cajas de hielo y la gente",
  "Water boils at a lower temperature on a high mountain than at the sea. The reason is that",
  "Question: A train leaves at 9:40 and arrives at 13:05. It stops twice for 10 minutes. How long does it move?\nAnswer: From 9:40 to 13:05 are 3 hours and 25 minutes, that is 205 minutes.",
  'import csv\n\ndef read_prices(path):\n    """Read a CSV file with the columns name and price and return a dict."""\n',
  "Dear Mr. Okafor,\n\nthank you for your letter of 3 May about the broken heating in the library. We have",
  "| Planet | Moons | Year in Earth days |\n|---|---|---|\n| Mercury | 0 | 88 |\n| Venus | 0 | 225 |\n| Earth |",
  '"You cannot be serious," said the old clockmaker, and put down his glasses. "Nobody has wound that clock since"',
];
