import {mkdir, readFile, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {fileURLToPath} from 'node:url';
import {describe, expect, it} from 'vitest';
import {parse} from 'yaml';
import {digestOf} from '../../../src/core/digest.ts';
import {isFunctionName} from '../../../src/core/names.ts';
import {planScaffold} from '../../../src/scaffold/plan.ts';
import {listTemplates, readTemplate} from '../../../src/scaffold/template.ts';
import {writeScaffold} from '../../../src/scaffold/write.ts';
import {contentsOf, temporaryFolder} from './temporary-folder.ts';

const signal = new AbortController().signal;
const TEMPLATES = fileURLToPath(new URL('../../../templates', import.meta.url));
const FEATURES = 20;

async function scaffold(name: string, template = 'tabular'): Promise<string> {
  const dir = await temporaryFolder();
  const plan = planScaffold(await readTemplate(TEMPLATES, template), {name});
  await writeScaffold(plan, dir, {onConflict: 'refuse', signal});
  return dir;
}

describe('templates', () => {
  it('are listed with what one chooses them by', async () => {
    const templates = await listTemplates(TEMPLATES);
    expect(templates.map(({name}) => name)).toContain('tabular');
    for (const {title, description} of templates) {
      expect(title).not.toBe('');
      expect(description).not.toBe('');
    }
  });

  it('that are not known are refused with those that are', async () => {
    await expect(readTemplate(TEMPLATES, 'tabulra')).rejects.toMatchObject({
      code: 'TEMPLATE_UNKNOWN',
      message: 'there is no template "tabulra"',
      facts: {template: 'tabulra', known: expect.arrayContaining(['tabular']) as string[]},
    });
  });

  it('have the name put into the files that ask for it, and every other byte copied', async () => {
    const dir = await temporaryFolder();
    await mkdir(join(dir, 'tiny', 'sub'), {recursive: true});
    await writeFile(
      join(dir, 'tiny', 'template.json'),
      '{"title":"T","description":"D","render":["sub/a.txt"]}',
    );
    await writeFile(join(dir, 'tiny', 'sub', 'a.txt'), '{{name}} and {{name}}');
    await writeFile(join(dir, 'tiny', '_gitignore'), '{{name}}');
    await writeFile(join(dir, 'tiny', 'bytes.bin'), Buffer.from([0, 255, 254]));
    const {files} = planScaffold(await readTemplate(dir, 'tiny'), {name: 'my-fn'});
    expect(files.map((file) => [file.path, 'content' in file ? [...file.content] : null])).toEqual([
      ['.gitignore', [...Buffer.from('{{name}}')]],
      ['bytes.bin', [0, 255, 254]],
      ['sub/a.txt', [...Buffer.from('my-fn and my-fn')]],
    ]);
  });

  it('are not made under a name that no provider would take', async () => {
    const template = await readTemplate(TEMPLATES, 'tabular');
    expect(() => planScaffold(template, {name: 'My Function'})).toThrow(
      expect.objectContaining({
        code: 'USAGE',
        facts: expect.objectContaining({suggestion: 'my-function'}) as object,
      }),
    );
  });
});

describe('the tabular project', () => {
  it('holds what a project holds, and nothing that belongs to the template alone', async () => {
    expect(await contentsOf(await scaffold('my-credit'))).toEqual([
      '.gitignore',
      'README.md',
      'handler.mjs',
      'model',
      'model/calibration.jsonl',
      'model/model.onnx',
      'samples',
      'samples/request.json',
      'thaw.yaml',
      'training',
      'training/DATA.md',
      'training/german-credit.R',
      'training/german-credit.csv',
      'training/metrics.json',
      'training/requirements.txt',
      'training/train.py',
    ]);
  });

  it('asks, in its sample and in its calibration rows, with as many features as it was trained on', async () => {
    const dir = await scaffold('my-credit');
    const csv = await readFile(join(dir, 'training', 'german-credit.csv'), 'utf8');
    expect(csv.split('\n')[0]?.split(',')).toHaveLength(FEATURES + 1);
    const sample = await readFile(join(dir, 'samples', 'request.json'), 'utf8');
    const rows = (await readFile(join(dir, 'model', 'calibration.jsonl'), 'utf8')).trimEnd().split('\n');
    expect(rows.length).toBeGreaterThanOrEqual(100);
    expect(rows.length).toBeLessThanOrEqual(200);
    const credits = new Set(
      csv
        .trimEnd()
        .split('\n')
        .slice(1)
        .map((line) => line.split(',').slice(0, -1).join()),
    );
    for (const line of [sample, ...rows]) {
      const request = JSON.parse(line) as {features: number[]};
      expect(Object.keys(request)).toEqual(['features']);
      expect(request.features).toHaveLength(FEATURES);
      expect(credits).toContain(request.features.join());
    }
    expect(rows).not.toContain(sample.trimEnd());
  });

  it('documents every feature, in order', async () => {
    const dir = await scaffold('my-credit');
    const csv = await readFile(join(dir, 'training', 'german-credit.csv'), 'utf8');
    const readme = await readFile(join(dir, 'README.md'), 'utf8');
    const documented = [...readme.matchAll(/^\| +(\d+) +\| `(\w+)`/gm)].map(([, number, name]) => [
      Number(number),
      name,
    ]);
    const trained = csv.split('\n')[0]?.split(',').slice(0, -1) ?? [];
    expect(documented).toEqual(trained.map((name, index) => [index + 1, name]));
  });

  it('claims in its README what its training measured, of this very model and data', async () => {
    const dir = await scaffold('my-credit');
    const metrics = JSON.parse(await readFile(join(dir, 'training', 'metrics.json'), 'utf8')) as {
      rows: {train: number; heldOut: number};
      heldOut: {accuracy: number; rocAuc: number};
      logisticRegression: {accuracy: number; rocAuc: number};
      baseRate: number;
      sample: {prediction: number};
      data: string;
      model: string;
    };
    expect(digestOf(await readFile(join(dir, 'model', 'model.onnx')))).toBe(metrics.model);
    expect(digestOf(await readFile(join(dir, 'training', 'german-credit.csv')))).toBe(metrics.data);

    const readme = await readFile(join(dir, 'README.md'), 'utf8');
    const row = (title: string) =>
      readme
        .split('\n')
        .find((line) => line.startsWith(`| ${title}`))
        ?.split('|')
        .slice(2, 4)
        .map(Number);
    expect(row('this model')).toEqual([metrics.heldOut.accuracy, metrics.heldOut.rocAuc]);
    expect(row('a logistic regression')).toEqual([
      metrics.logisticRegression.accuracy,
      metrics.logisticRegression.rocAuc,
    ]);
    expect(row('saying "good" of everybody')).toEqual([metrics.baseRate, 0.5]);
    expect(readme).toContain(`Trained on ${metrics.rows.train} rows`);
    expect(readme).toContain(`the other ${metrics.rows.heldOut}`);
    expect(readme).toContain(`"prediction": ${String(metrics.sample.prediction).slice(0, 6)}…`);
  });

  it('says what was changed in the data that it was trained on', async () => {
    const dir = await scaffold('my-credit');
    expect(await readFile(join(dir, 'training', 'DATA.md'), 'utf8')).toContain('What was changed');
  });
});

describe.each(await listTemplates(TEMPLATES))('a project made from $name', ({name}) => {
  it('is about no machine in particular, and leaves no token unfilled', async () => {
    const dir = await scaffold('my-credit', name);
    for (const path of await contentsOf(dir)) {
      if (!/\.(md|mjs|yaml|json|py|R|txt)$/.test(path)) continue;
      const text = await readFile(join(dir, path), 'utf8');
      expect(text, path).not.toMatch(/(^|[\s"'=(])\/(home|root|Users|tmp|work|usr|opt)\//m);
      expect(text, path).not.toMatch(/[A-Z]:\\/);
      expect(text, path).not.toContain('{{');
    }
  });

  it('names whose data it was trained on, and under which licence', async () => {
    const dir = await scaffold('my-credit', name);
    const pages = (await contentsOf(dir)).filter((path) => path.endsWith('.md'));
    const texts = await Promise.all(pages.map((path) => readFile(join(dir, path), 'utf8')));
    for (const fact of ['Hans Hofmann', '10.24432/C5NC77', 'creativecommons.org/licenses/by/4.0']) {
      expect(texts.join('\n')).toContain(fact);
    }
  });

  it('has a thaw.yaml with its name, that names files which are there', async () => {
    const dir = await scaffold('my-credit', name);
    const config = parse(await readFile(join(dir, 'thaw.yaml'), 'utf8')) as {
      name: string;
      model?: {path: string; calibration: string};
      handler: string;
      python?: {requirements: string};
      default: string;
      providers: object;
    };
    expect(config.name).toBe('my-credit');
    const {model, handler, python} = config;
    const [file = ''] = handler.split(':');
    const named = [file, model?.path, model?.calibration, python?.requirements, 'samples/request.json'];
    expect(await contentsOf(dir)).toEqual(expect.arrayContaining(named.filter((path) => path !== undefined)));
    expect(Object.keys(config.providers)).toContain(config.default);
  });
});

describe('the python-onnx project', () => {
  it('serves the very model of the tabular one, asked the same and set up the same', async () => {
    const [python, tabular] = [await scaffold('my-credit', 'python-onnx'), await scaffold('my-credit')];
    for (const path of ['model/model.onnx', 'model/calibration.jsonl', 'samples/request.json']) {
      expect(await readFile(join(python, path)), path).toEqual(await readFile(join(tabular, path)));
    }
    const [one, other] = await Promise.all(
      [python, tabular].map(
        async (dir) => parse(await readFile(join(dir, 'thaw.yaml'), 'utf8')) as {[key: string]: unknown},
      ),
    );
    expect({...one, handler: null, python: null}).toEqual({...other, handler: null, python: null});
  });
});

describe('the python-torch project', () => {
  it('claims in its README what its training measured, of these very weights and data', async () => {
    const dir = await scaffold('my-credit', 'python-torch');
    const metrics = JSON.parse(await readFile(join(dir, 'training', 'metrics.json'), 'utf8')) as {
      rows: {train: number; heldOut: number};
      heldOut: {accuracy: number; rocAuc: number};
      baseRate: number;
      sample: {prediction: number};
      data: string;
      model: string;
    };
    expect(digestOf(await readFile(join(dir, 'model', 'model.pt')))).toBe(metrics.model);
    expect(digestOf(await readFile(join(dir, 'training', 'german-credit.csv')))).toBe(metrics.data);
    const readme = await readFile(join(dir, 'README.md'), 'utf8');
    const {heldOut, rows, baseRate, sample} = metrics;
    expect(readme).toMatch(new RegExp(`this model +\\| ${heldOut.accuracy} +\\| ${heldOut.rocAuc} `));
    expect(readme).toMatch(new RegExp(`saying "good" of everybody \\| ${baseRate} `));
    expect(readme).toContain(`Trained on ${rows.train} rows, and judged by the other ${rows.heldOut}`);
    expect(readme).toContain(`"prediction": ${String(sample.prediction).slice(0, 6)}…`);
  });

  it('brings a twin that is asked the same, under a name that fits the longest', async () => {
    for (const name of ['my-credit', 'x'.repeat(32)]) {
      const dir = await scaffold(name, 'python-torch');
      const twin = parse(await readFile(join(dir, 'converted', 'thaw.yaml'), 'utf8')) as {name: string};
      expect(isFunctionName(twin.name)).toBe(true);
      expect(twin.name).toBe(`${name.slice(0, 27)}-onnx`);
      expect(await readFile(join(dir, 'converted', 'samples', 'request.json'))).toEqual(
        await readFile(join(dir, 'samples', 'request.json')),
      );
    }
  });
});

describe('the tabular handler', () => {
  type Predict = (input: unknown, tools: {model: object}) => Promise<object>;
  const handler = async () =>
    (await import(new URL('../../../templates/tabular/handler.mjs', import.meta.url).href)) as {
      predict: Predict;
    };
  const answering = (probability: number) => {
    const asked: unknown[] = [];
    const run = async (feeds: unknown) => {
      asked.push(feeds);
      return {probability: {type: 'FP32', shape: [1, 1], data: Float32Array.of(probability)}};
    };
    return {asked, model: {run}};
  };

  it('asks for one row, and calls a credit bad from the threshold on', async () => {
    const {predict} = await handler();
    const good = answering(0.25);
    expect(await predict({features: [1, 2]}, good)).toEqual({prediction: 0.25, risk: 'good'});
    expect(good.asked).toEqual([{features: [[1, 2]]}]);
    expect(await predict({features: []}, answering(0.5))).toEqual({prediction: 0.5, risk: 'bad'});
  });

  it.each([null, {}, 3, 'text', []])('leaves it to the model to refuse a request like %j', async (input) => {
    const {predict} = await handler();
    const tools = answering(0.25);
    await predict(input, tools);
    expect(tools.asked).toEqual([{features: [[]]}]);
  });
});
