import {mkdtemp, readFile, realpath, rm} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {expect, test} from 'vitest';
import {play, record, scenesOf, shapeOf, type Scene, type Stage} from './docs-story.ts';
import {ROOT} from './thaw.ts';

/** The pages of docs/commands in the order in which a reader would follow them. */
const STORY: readonly string[] = [
  'init',
  'package',
  'plan',
  'deploy',
  'invoke',
  'warm',
  'status',
  'logs',
  'benchmark',
  'rollback',
  'destroy',
];

/** The `--json` form of commands whose page describes the document instead of showing it whole. */
const DESCRIBED: {readonly [page: string]: string} = {
  init: 'thaw init --list --json',
  package: 'thaw package --json',
  plan: 'thaw plan local --json',
  logs: 'thaw logs local --json',
  benchmark: 'thaw benchmark local --cold 1 --warm 5 --json',
  rollback: 'thaw rollback local --to 1 --yes --json',
};

/** Set to 1, it writes what the commands print into the pages instead of comparing. */
const recording = process.env['THAW_RECORD_DOCS'] === '1';

// Images can be made on Linux x64 only.
test.skipIf(process.platform !== 'linux' || process.arch !== 'x64')(
  'the examples of docs/commands, one after the other, print what the pages show',
  {timeout: 300_000},
  async () => {
    const home = await realpath(await mkdtemp(join(tmpdir(), 'thaw-docs-')));
    const stage: Stage = {home, cwd: home};
    try {
      for (const name of STORY) {
        const page = join(ROOT, 'docs', 'commands', `${name}.md`);
        const outputs: {scene: Scene; output: string}[] = [];
        for (const scene of scenesOf(await readFile(page, 'utf8'))) {
          const output = await play(scene, stage);
          outputs.push({scene, output});
          if (!recording)
            expect
              .soft(shapeOf(output), `${name}: ${scene.command}\n${output}`)
              .toEqual(shapeOf(scene.shown));
        }
        if (recording) await record(page, outputs);
        const described = DESCRIBED[name];
        if (described !== undefined)
          await expectDescribed(page, await play({command: described, shown: ''}, stage));
      }
    } finally {
      await play({command: 'thaw destroy local --yes', shown: ''}, stage);
      await rm(home, {recursive: true, force: true});
    }
  },
);

/** The page names the document's schema and each of its fields. */
async function expectDescribed(page: string, output: string): Promise<void> {
  const text = await readFile(page, 'utf8');
  const {schema, ...fields} = JSON.parse(output) as {readonly [field: string]: unknown};
  expect.soft(text).toContain(`\`${String(schema)}\``);
  const missing = Object.keys(fields).filter((field) => !new RegExp(`\`${field}\``).test(text));
  expect.soft(missing, `${page} does not describe them`).toEqual([]);
}

test('an output of another shape would be noticed', () => {
  const shown = '✓ local:CreateFunction 62.1 ms\nlocal\thttp://127.0.0.1:41633/';
  expect(shapeOf('✓ local:CreateFunction 1.04 s\nlocal\thttp://127.0.0.1:8080/')).toEqual(shapeOf(shown));
  expect(shapeOf('✗ local:StartGateway\nlocal\thttp://127.0.0.1:8080/')).not.toEqual(shapeOf(shown));
});
