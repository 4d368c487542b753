import {writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {fileURLToPath} from 'node:url';
import {gunzipSync} from 'node:zlib';
import {build} from 'esbuild';
import {afterEach, beforeAll, describe, expect, test} from 'vitest';
import {openDeflater, ownThread, type Deflater} from '../../../src/image/deflater.ts';
import {gzip} from '../../../src/image/gzip.ts';
import {scratch} from './fixture.ts';

/** Built as the build script builds it. */
let workerFile: string;
beforeAll(async () => {
  workerFile = join(await scratch(), 'deflate-worker.js');
  await build({
    entryPoints: [fileURLToPath(new URL('../../../src/image/deflate-worker.ts', import.meta.url))],
    outfile: workerFile,
    bundle: true,
    platform: 'node',
    format: 'cjs',
    target: 'node20.19',
  });
});

const opened: Deflater[] = [];
afterEach(async () => {
  for (const deflater of opened.splice(0)) await deflater.close();
});

function open(file: string, workersMax: number): Deflater {
  const deflater = openDeflater(file, workersMax);
  opened.push(deflater);
  return deflater;
}

/** Neither noise nor all the same: words of a small vocabulary, in an order that does not repeat. */
function text(bytes: number): Buffer {
  const content = Buffer.alloc(bytes);
  let state = 1;
  for (let at = 0; at < bytes; at += 4) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    content.write(['to be', 'or not', 'that', 'is the'][state >>> 30] ?? '', at);
  }
  return content;
}

const MIB = 1 << 20;

async function compress(content: Buffer, deflater: Deflater, chunkBytes = 200_000): Promise<Buffer> {
  async function* chunks() {
    for (let from = 0; from < content.length; from += chunkBytes)
      yield content.subarray(from, from + chunkBytes);
  }
  const pieces: Uint8Array[] = [];
  for await (const piece of gzip(chunks(), 6, deflater)) pieces.push(piece);
  return Buffer.concat(pieces);
}

describe('compressing in threads', () => {
  test.each([0, 1, MIB, MIB + 1, 3 * MIB + 12_345])(
    'gives %i bytes the form that one thread gives them, which unpacks to them',
    async (bytes) => {
      const content = text(bytes);
      const alone = await compress(content, ownThread);
      expect(gunzipSync(alone).equals(content)).toBe(true);
      for (const workers of [1, 3]) {
        expect((await compress(content, open(workerFile, workers), 77_777)).equals(alone)).toBe(true);
      }
    },
  );

  test('goes on from block to block: what stands at the end of one is not written again in the next', async () => {
    const noise = Buffer.alloc(MIB);
    let state = 1;
    for (let at = 0; at < MIB; at++) {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      noise[at] = state >>> 24;
    }
    // Just within what deflate can see.
    const end = noise.subarray(-32_000);
    const first = (await compress(noise, ownThread)).length;
    const both = (await compress(Buffer.concat([noise, end]), ownThread)).length;
    expect(both - first).toBeLessThan(2_000);
  });

  test('is done in this thread where no worker was built', async () => {
    expect(openDeflater(join(await scratch(), 'deflate-worker.js'))).toBe(ownThread);
  });

  test.each([
    ['fails to load', "throw new Error('no such luck')", 'no such luck'],
    ['ends', "require('node:worker_threads').parentPort.once('message', () => process.exit(0))", 'has ended'],
  ])('fails, and does not wait for ever, if a worker %s', async (_, program, message) => {
    const file = join(await scratch(), 'deflate-worker.js');
    await writeFile(file, program);
    await expect(compress(text(4 * MIB), open(file, 2))).rejects.toThrow(message);
  });

  test('leaves nothing waiting when it is closed half-way', async () => {
    const deflater = open(workerFile, 2);
    const content = text(MIB);
    const results = Promise.allSettled(
      [1, 2, 3, 4].map(() =>
        deflater.deflate({content: Uint8Array.from(content), before: new Uint8Array()}, 7),
      ),
    );
    await deflater.close();
    const settled = await results;
    expect(settled.some(({status}) => status === 'rejected')).toBe(true);
  });
});
