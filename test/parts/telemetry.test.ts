import {spawn, spawnSync} from 'node:child_process';
import {once} from 'node:events';
import {mkdtemp, readFile, rm} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {expect, it} from 'vitest';
import {fixture, RUNTIME_DIR} from '../instance.ts';
import {hostOrt} from '../onnxruntime.ts';

const hasStrace = spawnSync('strace', ['--version']).status === 0;

/** Every system call that could tell anyone anything: an address dialled, or a file opened to be written. */
it.runIf(hasStrace)('measuring a model dials no address and opens no file to write', async () => {
  const home = await mkdtemp(join(tmpdir(), 'thaw-home-'));
  const trace = join(home, '..', `${home.split('/').pop()}.trace`);
  const {dir} = await hostOrt();
  // Unasked, the first address is dialled about four seconds after the model was loaded: stay longer than that.
  const warmCalls = 1_500_000;
  const request = JSON.stringify({model: fixture('linear.onnx'), onnxruntime: dir, warmCalls});
  const calls = 'trace=socket,connect,sendto,sendmsg,open,openat,creat,mkdir,rename,unlink';
  const args = ['-f', '-o', trace, '-e', calls, process.execPath, join(RUNTIME_DIR, 'probe.cjs')];
  const child = spawn('strace', args, {
    env: {HOME: home, TMPDIR: home},
    stdio: ['pipe', 'ignore', 'inherit'],
  });
  child.stdin.end(request);
  expect((await once(child, 'close'))[0]).toBe(0);
  const lines = (await readFile(trace, 'utf8')).split('\n');
  await rm(home, {recursive: true, force: true});
  await rm(trace);

  expect(lines.some((line) => line.includes('onnxruntime_binding.node'))).toBe(true);
  const dialled = lines.filter((line) => /\b(connect|sendto|sendmsg)\(|socket\(AF_INET/.test(line));
  const written = lines.filter((line) => /O_(WRONLY|RDWR|CREAT)|\b(creat|mkdir|rename|unlink)\(/.test(line));
  expect(dialled).toEqual([]);
  expect(written.filter((line) => !line.includes('"/dev/'))).toEqual([]);
});
