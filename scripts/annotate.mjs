// Turns the JSON that `thaw benchmark` printed into annotations of a GitHub workflow: an error for each budget that was
// exceeded and for a run that failed, a warning for each budget of which nothing can be told.
// Usage: node scripts/annotate.mjs RESULT.json
import {readFileSync} from 'node:fs';

const [file] = process.argv.slice(2);
if (file === undefined) throw new Error('usage: node scripts/annotate.mjs RESULT.json');

const text = readFileSync(file, 'utf8').trim();
const {error, budgets = []} = text === '' ? {error: {message: 'thaw printed no result'}} : JSON.parse(text);

if (error) annotate('error', error.message);
for (const {provider, budget, verdict, why} of budgets) {
  if (verdict === 'exceeded') annotate('error', `${provider} ${budget.text}: exceeded (${why})`);
  if (verdict === 'cannot-tell') annotate('warning', `${provider} ${budget.text}: cannot tell (${why})`);
}

function annotate(level, message) {
  // A line end would end the command, and what follows could be another one.
  const escaped = message.replaceAll('%', '%25').replaceAll('\r', '%0D').replaceAll('\n', '%0A');
  console.log(`::${level} title=thaw::${escaped}`);
}
