import {expect, test} from 'vitest';
import {rehearse} from '../../../../src/benchmark/load/rehearse.ts';
import {systemClock} from '../../../../src/net/clock.ts';
import {createHttp} from '../../../../src/net/http.ts';

test('a rehearsal sends hundreds of requests to this process and leaves nothing behind', async () => {
  const {signal} = new AbortController();
  const http = createHttp();
  const urls = new Set<string>();
  let answered = 0;
  await rehearse(
    async (url) => {
      urls.add(url);
      const invocation = await http({url, timeoutMs: 10_000, signal});
      if (invocation.status === 200) answered++;
      return invocation;
    },
    systemClock,
    signal,
  );
  expect(answered).toBeGreaterThan(300);
  const [url = ''] = urls;
  expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/$/);
  expect(await createHttp()({url, timeoutMs: 10_000, signal})).toMatchObject({error: {kind: 'refused'}});
});

test('an interrupt ends a rehearsal', async () => {
  const http = createHttp();
  const {signal} = new AbortController();
  let sent = 0;
  const send = (url: string) => (sent++, http({url, timeoutMs: 10_000, signal}));
  await rehearse(send, systemClock, AbortSignal.abort());
  expect(sent).toBe(0);
});
