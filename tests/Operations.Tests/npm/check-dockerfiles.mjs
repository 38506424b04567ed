// node check-dockerfiles.mjs FILE…: two linters; a line of JSON for each finding.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);
const { validate } = require('dockerfile-utils');
const { run } = require('dockerfilelint');

for (const file of process.argv.slice(2)) {
  const text = readFileSync(file, 'utf8');
  for (const finding of validate(text)) console.log(JSON.stringify({ file, line: finding.range.start.line + 1, message: finding.message }));
  for (const finding of run('.', text)) console.log(JSON.stringify({ file, line: finding.line, message: finding.title }));
}
