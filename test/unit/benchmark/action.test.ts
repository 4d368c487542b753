import {spawnSync} from 'node:child_process';
import {chmod, mkdir, mkdtemp, readFile, rm, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {delimiter, join} from 'node:path';
import {fileURLToPath} from 'node:url';
import {afterEach, beforeEach, describe, expect, test} from 'vitest';
import {parse} from 'yaml';

const root = fileURLToPath(new URL('../../../', import.meta.url));

interface Step {
  readonly id?: string;
  readonly name: string;
  readonly if?: string;
  readonly shell: string;
  readonly env?: {readonly [name: string]: string};
  readonly run: string;
}
interface Action {
  readonly inputs: {readonly [name: string]: {readonly description: string; readonly default?: string}};
  readonly outputs: {readonly [name: string]: {readonly value: string}};
  readonly runs: {readonly using: string; readonly steps: readonly Step[]};
}

const action = parse(await readFile(join(root, 'action.yml'), 'utf8')) as Action;
const {commands} = JSON.parse(await readFile(join(root, 'oclif.manifest.json'), 'utf8')) as {
  commands: {readonly [id: string]: {readonly flags: object}};
};
const steps = action.runs.steps;

test('the action is a composite whose steps say how they are run', () => {
  expect(action.runs.using).toBe('composite');
  for (const step of steps) expect(step).toMatchObject({shell: 'bash', run: expect.any(String)});
});

test('every input is used, and every one that is used exists', () => {
  const used = JSON.stringify(steps).matchAll(/inputs\.([a-z-]+)/g);
  expect(new Set([...used].map(([, name]) => name))).toEqual(new Set(Object.keys(action.inputs)));
});

test('no script has a value of somebody else pasted into it', () => {
  for (const {run} of steps) expect(run).not.toContain('${{');
});

test('every step that uses a variable is given it', () => {
  const given = ['GITHUB_OUTPUT', 'GITHUB_STEP_SUMMARY', 'GITHUB_ACTION_PATH', 'GITHUB_REPOSITORY'];
  for (const {name, run, env = {}} of steps) {
    const used = [...run.matchAll(/\$\{?([A-Z][A-Z_]*)/g)].map(([, variable]) => variable ?? '');
    const missing = used.filter((variable) => !given.includes(variable) && !(variable in env));
    expect({name, missing}).toEqual({name, missing: []});
  }
});

test.each(['benchmark', 'compare'])('thaw %s has every flag that the action uses', (command) => {
  const lines = steps.flatMap(({run}) => run.replaceAll('\\\n', ' ').split('\n'));
  const flags = lines
    .filter((line) =>
      command === 'compare' ? line.includes(' compare ') : /arguments(\+=|\[@\])/.test(line),
    )
    .flatMap((line) => [...line.matchAll(/--([a-z-]+)/g)].map(([, flag]) => flag ?? ''));
  expect(flags.length).toBeGreaterThan(0);
  expect(Object.keys(commands)).toContain(command);
  expect(Object.keys(commands[command]?.flags ?? {})).toEqual(expect.arrayContaining([...new Set(flags)]));
});

test('the example workflow uses inputs that the action has, and the documentation names every one', async () => {
  const page = await readFile(join(root, 'docs', 'ci.md'), 'utf8');
  const [, block = ''] = /```yaml\n(.*?)```/s.exec(page) ?? [];
  const workflow = parse(block) as {
    jobs: {measure: {steps: readonly {readonly uses?: string; readonly with?: object}[]}};
  };
  const use = workflow.jobs.measure.steps.find(({uses}) => uses?.includes('/thaw@'));
  expect(Object.keys(action.inputs)).toEqual(expect.arrayContaining(Object.keys(use?.with ?? {})));
  for (const input of Object.keys(action.inputs)) expect(page).toContain(`\`${input}\``);
});

// The steps themselves, with a thaw and a gh that write down how they are called.
describe.skipIf(process.platform === 'win32')('under bash', () => {
  let dir: string;
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'thaw-action-'));
    await mkdir(join(dir, 'bin'));
    await program(
      'thaw',
      `printf '%s\\n' "$@" >>"$CALLS"
       for argument in "$@"; do
         case "$argument" in
           json=*) echo '{}' >"\${argument#json=}" ;;
           md=*) echo "markdown of $1" >"\${argument#md=}" ;;
         esac
       done
       if [ "$1" = benchmark ]; then cat "$RESULT"; exit "$EXIT_CODE"; fi`,
    );
    await program(
      'gh',
      `printf '%s\\n' "$@" >>"$GH_CALLS"\ncase "$*" in *--paginate*) printf "$COMMENTS" ;; esac`,
    );
  });
  afterEach(() => rm(dir, {recursive: true}));

  async function program(name: string, script: string): Promise<void> {
    await writeFile(join(dir, 'bin', name), `#!/bin/bash\n${script}\n`);
    await chmod(join(dir, 'bin', name), 0o755);
  }
  const fileOf = (name: string): Promise<string> => readFile(join(dir, name), 'utf8').catch(() => '');

  /** Runs one step as GitHub does: `bash --noprofile --norc -eo pipefail FILE`. */
  async function runStep(name: string, env: {readonly [name: string]: string}) {
    const step = steps.find((known) => known.name === name);
    if (!step) throw new Error(`no step ${name}`);
    const script = join(dir, 'step.sh');
    await writeFile(script, step.run);
    const defaults = Object.fromEntries(
      Object.entries(step.env ?? {}).map(([variable, value]) => {
        const input = /inputs\.([a-z-]+)/.exec(value)?.[1] ?? '';
        return [variable, action.inputs[input]?.default ?? ''];
      }),
    );
    return spawnSync('bash', ['--noprofile', '--norc', '-eo', 'pipefail', script], {
      cwd: dir,
      encoding: 'utf8',
      env: {
        PATH: [join(dir, 'bin'), process.env['PATH']].join(delimiter),
        ...defaults,
        THAW: 'thaw',
        CALLS: join(dir, 'calls'),
        GH_CALLS: join(dir, 'gh-calls'),
        RESULT: join(dir, 'result'),
        EXIT_CODE: '0',
        COMMENTS: '',
        GITHUB_OUTPUT: join(dir, 'output'),
        GITHUB_STEP_SUMMARY: join(dir, 'summary'),
        GITHUB_ACTION_PATH: root,
        GITHUB_REPOSITORY: 'someone/something',
        ...env,
      },
    });
  }

  test('what was asked for becomes arguments, one each', async () => {
    await writeFile(join(dir, 'result'), '{"schema":"thaw.report/1"}');
    const {status, stderr} = await runStep('Measure', {
      TARGETS: 'local  https://example.com/a?b=c\nfar',
      COLD: '60',
      WARM: '500',
      BUDGETS: 'cold.p95=800ms\n\n  warm.p50=2ms\n',
      ARGUMENTS: '--rate=200\n--header=a: b c; $(touch hacked)\n',
    });
    expect({status, stderr}).toEqual({status: 0, stderr: ''});
    const reports = join(dir, 'thaw-reports');
    expect((await fileOf('calls')).trimEnd().split('\n')).toEqual([
      'benchmark',
      'local',
      'https://example.com/a?b=c',
      'far',
      '--cold',
      '60',
      '--warm',
      '500',
      '--budget',
      'cold.p95=800ms',
      '--budget',
      'warm.p50=2ms',
      '--rate=200',
      '--header=a: b c; $(touch hacked)',
      '--export',
      `json=${reports}/report.json`,
      '--export',
      `md=${reports}/report.md`,
      '--export',
      `html=${reports}/report.html`,
      '--json',
    ]);
    expect(await fileOf('output')).toBe(`report=${reports}/report.json\nexit-code=0\n`);
    expect(await fileOf('hacked')).toBe('');
  });

  test('without inputs thaw is left to its own defaults', async () => {
    await writeFile(join(dir, 'result'), '{}');
    expect((await runStep('Measure', {})).status).toBe(0);
    expect((await fileOf('calls')).split('\n').slice(0, 2)).toEqual(['benchmark', '--export']);
  });

  test('an exceeded budget is an annotation, and fails the last step only', async () => {
    const budget = (verdict: string, why: string) => ({
      provider: 'local',
      budget: {text: 'cold.p95=1ms'},
      verdict,
      why,
    });
    const budgets = [
      budget('exceeded', '100 % over\n::set-output name=a::b'),
      budget('cannot-tell', 'too few'),
      budget('within', 'fine'),
    ];
    await writeFile(join(dir, 'result'), JSON.stringify({budgets}));
    const {status, stdout} = await runStep('Measure', {EXIT_CODE: '6'});
    expect(status).toBe(0);
    expect(stdout.trimEnd().split('\n')).toEqual([
      '::error title=thaw::local cold.p95=1ms: exceeded (100 %25 over%0A::set-output name=a::b)',
      '::warning title=thaw::local cold.p95=1ms: cannot tell (too few)',
    ]);
    expect(await fileOf('output')).toContain('exit-code=6\n');
    expect((await runStep('Fail if the measurement did', {CODE: '6'})).status).toBe(6);
    expect((await runStep('Fail if the measurement did', {CODE: '0'})).status).toBe(0);
    // The step before was cut off.
    expect((await runStep('Fail if the measurement did', {CODE: ''})).status).toBe(1);
  });

  test('a run that fails says why', async () => {
    await writeFile(
      join(dir, 'result'),
      JSON.stringify({error: {code: 'NOT_DEPLOYED', message: 'nothing is deployed'}}),
    );
    expect((await runStep('Measure', {EXIT_CODE: '5'})).stdout).toBe(
      '::error title=thaw::nothing is deployed\n',
    );
    await writeFile(join(dir, 'result'), '');
    expect((await runStep('Measure', {EXIT_CODE: '1'})).stdout).toBe(
      '::error title=thaw::thaw printed no result\n',
    );
  });

  test('a base that is there is compared with, and both reports are in the summary', async () => {
    await mkdir(join(dir, 'thaw-reports'));
    await writeFile(join(dir, 'thaw-reports', 'report.json'), '{}');
    await writeFile(join(dir, 'thaw-reports', 'report.md'), 'the report\n');
    const missing = await runStep('Compare with the base', {BASE: 'none.json'});
    expect(missing).toMatchObject({
      status: 0,
      stdout: expect.stringContaining('::notice title=thaw::There is no base'),
    });
    await writeFile(join(dir, 'base.json'), '{}');
    expect((await runStep('Compare with the base', {BASE: 'base.json'})).status).toBe(0);
    expect(await fileOf('calls')).toBe(
      'compare\nbase.json\nthaw-reports/report.json\n--export\nmd=thaw-reports/comparison.md\n',
    );
    expect((await runStep('Summarize', {})).status).toBe(0);
    expect(await fileOf('summary')).toBe('<!-- thaw -->\nmarkdown of compare\n\nthe report\n\n');
  });

  test('there is one comment: the first run writes it, later ones renew it', async () => {
    const first = await runStep('Comment', {PULL_REQUEST: '17'});
    expect(first).toMatchObject({status: 0, stderr: ''});
    expect(await fileOf('gh-calls')).toContain('POST\nrepos/someone/something/issues/17/comments\n');
    await rm(join(dir, 'gh-calls'));
    expect((await runStep('Comment', {PULL_REQUEST: '17', COMMENTS: '41\\n42\\n'})).status).toBe(0);
    expect(await fileOf('gh-calls')).toContain('PATCH\nrepos/someone/something/issues/comments/42\n');
    expect(await fileOf('gh-calls')).not.toContain('POST');
  });
});
