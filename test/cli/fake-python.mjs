// Stands for the user's Python in tests: it answers, makes environments, installs and converts as FAKE_PYTHON (JSON) says.
import {appendFileSync, copyFileSync, mkdirSync, readFileSync, symlinkSync, writeFileSync} from 'node:fs';
import {basename, join} from 'node:path';

const {
  version = '3.12.1',
  packages = {},
  venv = 0,
  pip = {},
  convert = {},
  log,
} = JSON.parse(process.env.FAKE_PYTHON ?? '{}');
const args = process.argv.slice(2);
const program = basename(args[0] ?? '');
if (log) appendFileSync(log, `${args.map((each) => basename(each)).join(' ')}\n`);

if (program === 'thaw_inspect.py') {
  const about = {
    executable: process.env.THAW_PYTHON,
    version,
    implementation: 'CPython',
    machine: 'x86_64',
    system: 'linux',
    siteFolders: [],
    hasVenv: true,
  };
  console.log(JSON.stringify({...about, packages}));
} else if (args[1] === 'venv') {
  if (venv !== 0) {
    console.error('The virtual environment was not created successfully because ensurepip is not available.');
    process.exit(venv);
  }
  mkdirSync(join(args[2], 'bin'), {recursive: true});
  symlinkSync(process.env.THAW_PYTHON, join(args[2], 'bin', 'python'));
} else if (args[1] === 'pip') {
  console.log('Collecting scikit-learn');
  if (pip.stderr) {
    console.error(pip.stderr);
    process.exit(1);
  }
} else if (args[0] === '-c') console.log(args[1]);
else if (program.startsWith('thaw_')) await answer();

async function answer() {
  const request = JSON.parse(readFileSync(0, 'utf8'));
  const say = (event) =>
    process.stdout.write(`{"event": ${JSON.stringify(event.event)}, ${JSON.stringify(event).slice(1)}\n`);
  say({event: 'step', text: 'loading the model'});
  console.error('printed by a library');
  if (convert.wait) {
    writeFileSync(convert.wait, 'here');
    await new Promise((resolve) => setTimeout(resolve, 600_000));
  }
  if (convert.exitCode) process.exit(convert.exitCode);
  if (convert.refused) return say({event: 'refused', ...convert.refused});
  copyFileSync(convert.model, request.out);
  const rows = [
    [1, 0, 0, 0],
    [1, 1, 1, 1],
  ].map((data) => ({features: {type: 'FP32', shape: [1, 4], data}}));
  const expected = convert.scores.map((score) => ({score: {type: 'FP64', shape: [1], data: [score]}}));
  writeFileSync(request.rowsFile, JSON.stringify({rows, expected}));
  say({event: 'note', text: 'imported nets from somewhere'});
  return say({event: 'result', varying: false, versions: {'scikit-learn': '1.4.2'}});
}
