import {rm} from 'node:fs/promises';
import {afterEach, describe, expect, test} from 'vitest';
import type {RunningServer} from '../instance.ts';
import {layPythonInstance, startPythonServer} from '../python-instance.ts';
import {openPython} from './python.ts';

const PATIENCE = {timeout: 300_000};
const stops: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0).toReversed()) await stop();
});

/** Serves a handler, asks it once, and gives its output lines that are none of the runtime's. */
async function linesOf(handler: string): Promise<readonly string[]> {
  const dir = await layPythonInstance({handler});
  stops.push(() => rm(dir, {recursive: true, force: true}));
  const server: RunningServer = await startPythonServer((await openPython()).file, dir);
  stops.push(() => server.stop());
  const answer = await fetch(server.url, {method: 'POST', body: '{}'});
  expect(answer.status, await answer.text()).toBe(200);
  const lines = (): string[] => [...server.stdout, ...server.stderr].filter((line) => !line.startsWith('{'));
  await expect.poll(lines).toContainEqual(expect.stringContaining('the end'));
  return lines();
}

const stamped = (level: string, text: string): unknown =>
  expect.stringMatching(new RegExp(`^\\[${level}\\]\\t\\d{4}-\\d\\d-\\d\\dT[\\d:.]+Z\\t${text}$`));

describe('what a Python handler logs', () => {
  test('is shown from the level on that it sets, while it is imported as well', PATIENCE, async () => {
    const lines = await linesOf(`
import logging
logger = logging.getLogger()
logger.setLevel(logging.INFO)
logger.info('imported')

def predict(input, context):
    logger.debug('not this')
    logging.getLogger('mine').warning('called')
    logger.info('the end')
`);
    expect(lines).toEqual([
      stamped('INFO', 'imported'),
      stamped('WARNING', 'called'),
      stamped('INFO', 'the end'),
    ]);
  });

  test('is warnings alone if it sets no level', PATIENCE, async () => {
    const lines = await linesOf(`
import logging

def predict(input, context):
    logging.info('not this')
    logging.error('the end')
`);
    expect(lines).toEqual([stamped('ERROR', 'the end')]);
  });

  test(
    'is formatted as it says, by the handler that Lambda has, or by one of its own',
    PATIENCE,
    async () => {
      const served = `
def predict(input, context):
    logging.getLogger().warning('the end')
`;
      const formatted = `
import logging
logging.getLogger().handlers[0].setFormatter(logging.Formatter('F %(message)s'))
${served}`;
      expect(await linesOf(formatted)).toEqual(['F the end']);
      const configured = `
import logging
logging.basicConfig(level=logging.INFO, format='B %(message)s')
logging.info('shown')
${served}`;
      expect(await linesOf(configured)).toEqual(['B shown', 'B the end']);
      const replaced = `
import logging, sys
for each in list(logging.getLogger().handlers):
    logging.getLogger().removeHandler(each)
logging.getLogger().addHandler(logging.StreamHandler(sys.stdout))
${served}`;
      expect(await linesOf(replaced)).toEqual(['the end']);
    },
  );

  test('is what its own module of that name makes of it', PATIENCE, async () => {
    const dir = await layPythonInstance({
      handler: {
        'app.py': 'import logging\n\ndef predict(input):\n    return logging.MINE\n',
        'logging.py': 'MINE = "own"\n',
      },
    });
    stops.push(() => rm(dir, {recursive: true, force: true}));
    const server = await startPythonServer((await openPython()).file, dir);
    stops.push(() => server.stop());
    expect(await (await fetch(server.url, {method: 'POST', body: '{}'})).json()).toBe('own');
  });
});
