// Writes the parts of docs/ that follow from the code: each command's reference, the flags that all share, the error
// codes, and the JSON Schemas of thaw.yaml and of a report. With --check it writes nothing, names what is stale and
// ends with exit code 1.
import {mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {dirname, join} from 'node:path';
import {fileURLToPath, pathToFileURL} from 'node:url';
import {build} from 'esbuild';
import {format, resolveConfig} from 'prettier';

process.chdir(join(dirname(fileURLToPath(import.meta.url)), '..'));
const checking = process.argv.includes('--check');

const manifest = JSON.parse(readFileSync('oclif.manifest.json', 'utf8'));
const commands = Object.values(manifest.commands).filter((command) => !command.hidden);
const isShared = (flag) => flag.helpGroup === 'GLOBAL';

// Commands

function renderCommandList(groups) {
  const rows = Object.values(groups)
    .flat()
    .map((id) => [`[\`${id}\`](commands/${id}.md)`, manifest.commands[id]?.summary]);
  return table(['command', 'is for'], rows);
}

function renderReference(command) {
  const own = flagsOf(command).filter((flag) => !isShared(flag));
  const args = Object.values(command.args);
  return [
    `\`\`\`text\n${usageOf(command)}\n\`\`\``,
    args.length > 0
      ? table(
          ['argument', 'is', 'default'],
          args.map((arg) => rowOfArg(command, arg)),
        )
      : '',
    own.length > 0 ? table(['flag', 'is', 'default'], own.map(rowOfFlag)) : '',
    'Besides: the [flags of all commands](../README.md#flags-of-all-commands).',
  ]
    .filter((block) => block !== '')
    .join('\n\n');
}

function renderSharedFlags() {
  const [command] = commands;
  const rows = flagsOf(command).filter(isShared).map(rowOfFlag);
  return table(['flag', 'is', 'default'], rows);
}

function usageOf({id, args, strict}) {
  const words = Object.values(args).map(({name, required}) => {
    const word = `${name.toUpperCase()}`;
    return `${required ? word : `[${word}]`}${strict ? '' : '...'}`;
  });
  return ['thaw', id, ...words, '[FLAGS]'].join(' ');
}

const rowOfArg = ({strict}, {name, description, default: value}) => [
  `\`${name.toUpperCase()}\`${strict ? '' : '...'}`,
  description,
  showDefault(value),
];

function rowOfFlag(flag) {
  const {name, char, type, helpValue, allowNo, multiple, summary, description, env, exclusive} = flag;
  const value = type === 'boolean' ? '' : ` ${helpValue ?? (flag.options?.join('|') || 'N')}`;
  const spelled = [
    ...(char ? [`\`-${char}\``] : []),
    `\`--${allowNo ? '[no-]' : ''}${name}${value}\``.replaceAll('|', String.raw`\|`),
  ].join(', ');
  const remarks = [
    ...(multiple ? ['May be given more than once.'] : []),
    ...(exclusive?.length
      ? [`Not together with ${exclusive.map((other) => `\`--${other}\``).join(', ')}.`]
      : []),
    ...(env ? [`Also \`${env}\` in the environment.`] : []),
  ];
  return [spelled, [summary ?? description, ...remarks].join(' '), showDefault(flag.default)];
}

const showDefault = (value) =>
  value === undefined || value === false ? '' : `\`${value === true ? 'yes' : value}\``;

const flagsOf = ({flags}) => Object.values(flags).filter((flag) => !flag.hidden);

// Error codes

const EXIT_MEANINGS = {
  2: 'the command line is wrong',
  3: 'thaw.yaml, the model or the handler is wrong',
  4: 'credentials or a permission are missing',
  5: 'the provider, the network or this machine said no',
  130: 'interrupted, or answered with no',
};

function renderErrorCodes(exitCodes) {
  const rows = Object.entries(exitCodes).map(([code, exitCode]) => [
    `\`${code}\``,
    String(exitCode),
    EXIT_MEANINGS[exitCode],
  ]);
  return table(
    ['code', 'exit code', 'which means'],
    rows.sort((a, b) => Number(a[1]) - Number(b[1])),
  );
}

// Writing

const table = (header, rows) =>
  [header, header.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');

/** Runs a few lines that import thaw's own TypeScript. */
async function evaluate(code) {
  const folder = mkdtempSync(join(tmpdir(), 'thaw-docs-'));
  try {
    await build({
      stdin: {contents: code, resolveDir: process.cwd(), loader: 'ts'},
      outdir: folder,
      entryNames: 'entry',
      outExtension: {'.js': '.mjs'},
      bundle: true,
      splitting: true,
      platform: 'node',
      format: 'esm',
      target: 'node20.19',
      external: ['esbuild'],
      logLevel: 'error',
      banner: {
        js: "import {createRequire} from 'node:module';const require = createRequire(import.meta.url);",
      },
    });
    return (await import(pathToFileURL(join(folder, 'entry.mjs')).href)).default;
  } finally {
    rmSync(folder, {recursive: true, force: true});
  }
}

const stale = [];

async function write(file, text) {
  const formatted = await format(text, {...(await resolveConfig(file)), filepath: file});
  if (readIfPresent(file) === formatted) return;
  stale.push(file);
  if (!checking) writeFileSync(file, formatted);
}

/** Replaces what stands between a page's markers. */
async function writeSections(file, sections) {
  let text = readIfPresent(file) ?? '';
  for (const [name, content] of Object.entries(sections)) {
    const [start, end] = [`<!-- generated: ${name} -->`, '<!-- end of generated -->'];
    const from = text.indexOf(start);
    const to = text.indexOf(end, from);
    if (from < 0 || to < 0) throw new Error(`${file} has no ${start} … ${end}`);
    text = `${text.slice(0, from)}${start}\n\n${content}\n\n${text.slice(to)}`;
  }
  await write(file, text);
}

function readIfPresent(file) {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return null;
  }
}

const {exitCodes, groups, schema, reportSchema} = await evaluate(`
  import {COMMAND_GROUPS} from './src/cli/help.ts';
  import {EXIT_CODES} from './src/core/errors.ts';
  import {renderJsonSchema} from './src/config/json-schema.ts';
  import {loadDriver, PROVIDER_NAMES} from './src/providers/index.ts';
  import {renderReportSchema} from './src/report/schema.ts';
  const sections = await Promise.all(PROVIDER_NAMES.map(async (name) => [name, (await loadDriver(name)).optionsSchema]));
  export default {
    exitCodes: EXIT_CODES,
    groups: COMMAND_GROUPS,
    schema: renderJsonSchema(Object.fromEntries(sections)),
    reportSchema: renderReportSchema(),
  };
`);

for (const command of commands) {
  await writeSections(join('docs', 'commands', `${command.id}.md`), {reference: renderReference(command)});
}
await writeSections(join('docs', 'README.md'), {
  commands: renderCommandList(groups),
  'shared flags': renderSharedFlags(),
});
await writeSections(join('docs', 'exit-codes.md'), {codes: renderErrorCodes(exitCodes)});
await write(join('docs', 'thaw.schema.json'), JSON.stringify(schema));
await write(join('docs', 'report.schema.json'), JSON.stringify(reportSchema));

const strangers = readdirSync(join('docs', 'commands'))
  .map((file) => file.replace(/\.md$/, ''))
  .filter((name) => !commands.some(({id}) => id === name));
if (strangers.length > 0) throw new Error(`docs/commands has pages for no command: ${strangers.join(', ')}`);

if (checking && stale.length > 0) {
  console.error(`stale: ${stale.join(', ')}; run: node scripts/docs.mjs`);
  process.exitCode = 1;
} else if (stale.length > 0) console.log(`wrote ${stale.join(', ')}`);
