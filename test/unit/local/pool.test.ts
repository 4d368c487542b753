import {availableParallelism} from 'node:os';
import {afterEach, beforeAll, beforeEach, describe, expect, it, vi} from 'vitest';
import type {Engine, Exit, Launch, Ready} from '../../../src/providers/local/engine.ts';
import {StartFailure} from '../../../src/providers/local/engine.ts';
import {Connections} from '../../../src/providers/local/gateway/connections.ts';
import {Metrics} from '../../../src/providers/local/gateway/metrics.ts';
import {Pool, type Scaling} from '../../../src/providers/local/gateway/pool.ts';
import {Trace} from '../../../src/providers/local/trace.ts';

/** An instance whose fate the test decides. */
interface Puppet {
  readonly launch: Launch;
  becomeReady(): void;
  failToStart(message: string): void;
  exit(exit: Exit): void;
  killed: boolean;
}

/** An engine that starts nothing: what its instances do is up to the test. */
function puppetEngine(): {engine: Engine; puppets: Puppet[]} {
  const puppets: Puppet[] = [];
  const engine: Engine = {
    name: 'process',
    start(launch) {
      let becomeReady: (ready: Ready) => void = () => {};
      let fail: (error: Error) => void = () => {};
      let exit: (exit: Exit) => void = () => {};
      const ready = new Promise<Ready>((resolve, reject) => {
        becomeReady = resolve;
        fail = reject;
      });
      const exited = new Promise<Exit>((resolve) => (exit = resolve));
      ready.catch(() => {});
      const puppet: Puppet = {
        launch,
        becomeReady: () => becomeReady({host: '127.0.0.1', port: 1, bootId: launch.id, phases: {}}),
        failToStart: (message) => fail(new StartFailure(message)),
        exit,
        killed: false,
      };
      puppets.push(puppet);
      return {
        ready,
        exited,
        stop: () => {
          exit({how: 'exited with code 0'});
          return exited;
        },
        kill: () => {
          puppet.killed = true;
          exit({how: 'was ended by SIGKILL'});
        },
      };
    },
  };
  return {engine, puppets};
}

const recipe = {
  engine: {name: 'process'},
  rootDir: '/',
  image: `sha256:${'0'.repeat(64)}`,
  env: {},
  memoryMb: 512,
  cpu: null,
  concurrency: 1,
  emulation: null,
} as const;
const scaling: Scaling = {
  maxInstances: 1000,
  warmMin: 0,
  idleTimeoutMs: 60_000,
  startTimeoutMs: 10_000,
  queueTimeoutMs: 1_000_000,
};

function makePool(change: Partial<Scaling> = {}): {
  pool: Pool;
  puppets: Puppet[];
  metrics: Metrics;
  lines: string[];
} {
  const {engine, puppets} = puppetEngine();
  const metrics = new Metrics();
  const lines: string[] = [];
  const onLine = (_instance: string, _stream: string, text: string): void => void lines.push(text);
  const pool = new Pool(engine, recipe, {...scaling, ...change}, {trace: new Trace(), metrics, onLine});
  return {pool, puppets, metrics, lines};
}

/** Queues, and keeps how it went for later. */
function queue(pool: Pool): Promise<string> {
  return pool.wait().slot.then(
    (slot) => slot.id,
    (error: Error & {code?: string}) => `${error.code}: ${error.message}`,
  );
}

const passMs = (ms: number): Promise<unknown> => vi.advanceTimersByTimeAsync(ms);

// Loaded when the first instance starts, in real time.
beforeAll(async () => void (await Connections.prepare()));
beforeEach(() => {
  vi.useFakeTimers({toFake: ['setTimeout', 'clearTimeout', 'performance', 'Date']});
});
afterEach(() => {
  vi.useRealTimers();
});

describe('a pool', () => {
  it('ends a start that takes too long, and says so to who waited for it', async () => {
    const {pool, puppets} = makePool();
    const asked = queue(pool);
    await passMs(9999);
    expect(puppets[0]?.killed).toBe(false);
    await passMs(1);
    expect(puppets[0]?.killed).toBe(true);
    expect(await asked).toBe(
      'INSTANCE_FAILED: an instance could not start: it was not ready within 10000 ms',
    );
  });

  it('starts a few at a time, each of the others when one of them is ready', async () => {
    const {pool, puppets} = makePool();
    const served = Array.from({length: 100}, () => queue(pool));
    const atOnce = puppets.length;
    expect(atOnce).toBeGreaterThanOrEqual(4);
    expect(atOnce).toBeLessThanOrEqual(Math.max(4, 2 * availableParallelism()));
    for (let nth = 0; nth < 100; nth++) {
      // Nobody is kept waiting behind a start that is over, and no start gets less time for having come later.
      expect(puppets).toHaveLength(Math.min(100, nth + atOnce));
      await passMs(5000 / atOnce);
      puppets[nth]?.becomeReady();
      await passMs(0);
    }
    expect(new Set(await Promise.all(served)).size).toBe(100);
    expect(pool.readyCount).toBe(100);
    expect(puppets.some(({killed}) => killed)).toBe(false);
  });

  it('pauses longer after every start that fails, and starts at once again after one that served', async () => {
    const {pool, puppets} = makePool();
    const startedAt: number[] = [];
    const beganMs = performance.now();
    for (let nth = 0; nth < 8; nth++) {
      // Refused during the pause: who comes after it starts one.
      while (puppets.length === nth) {
        void queue(pool);
        await passMs(50);
      }
      startedAt.push(Math.round(performance.now() - beganMs));
      puppets[nth]?.failToStart('broken');
      await passMs(0);
    }
    const pauses = startedAt.slice(1).map((at, i) => at - (startedAt[i] as number));
    expect(pauses[1]).toBeLessThan(500);
    for (let i = 2; i < pauses.length; i++) {
      expect(pauses[i]).toBeGreaterThan(1.5 * (pauses[i - 1] as number));
    }

    await passMs(60_000);
    const asked = pool.wait();
    puppets.at(-1)?.becomeReady();
    const slot = await asked.slot;
    pool.release(slot, true);
    expect(pool.problem).toBeNull();
  });

  it('keeps as many as shall be kept, refills after a crash, and pauses when they crash again and again', async () => {
    const {pool, puppets} = makePool();
    pool.use(recipe, {...scaling, warmMin: 2});
    expect(puppets).toHaveLength(2);
    for (const puppet of puppets) puppet.becomeReady();
    await passMs(20_000);
    expect(pool.readyCount).toBe(2);

    puppets[0]?.exit({how: 'exited with code 9'});
    await passMs(0);
    expect(puppets).toHaveLength(3);
    puppets[2]?.becomeReady();
    await passMs(0);
    expect(pool.readyCount).toBe(2);

    // Within an hour of crashing as soon as it is ready: at most one start for every pause.
    const began = puppets.length;
    const untilMs = performance.now() + 3_600_000;
    while (performance.now() < untilMs) {
      puppets.at(-1)?.becomeReady();
      await passMs(0);
      puppets.at(-1)?.exit({how: 'exited with code 9'});
      await passMs(1000);
    }
    expect(puppets.length - began).toBeLessThan(3_600_000 / 30_000 + 10);
  });

  it('goes by a clock that cannot be set', async () => {
    const {pool, puppets, lines} = makePool({idleTimeoutMs: 5000});
    const asked = pool.wait();
    puppets[0]?.becomeReady();
    pool.release(await asked.slot, true);
    vi.setSystemTime(Date.now() - 86_400_000);
    await passMs(4900);
    expect(pool.readyCount).toBe(1);
    await passMs(200);
    expect(pool.readyCount).toBe(0);
    expect(lines).toContain('ending: idle for 5000 ms');

    const again = pool.wait();
    vi.setSystemTime(Date.now() + 86_400_000);
    await passMs(1000);
    expect(puppets[1]?.killed).toBe(false);
    puppets[1]?.becomeReady();
    pool.release(await again.slot, true);
    expect(pool.readyCount).toBe(1);
  });

  it('ends idle instances by their own idle time while others are busy', async () => {
    const {pool, puppets} = makePool({idleTimeoutMs: 5000});
    const places = [pool.wait(), pool.wait()];
    for (const puppet of puppets) puppet.becomeReady();
    const [busy, idle] = await Promise.all(places.map(({slot}) => slot));
    pool.release(idle as never, true);
    for (let i = 0; i < 40; i++) {
      await passMs(100);
      pool.release(busy as never, true);
      expect(pool.take()?.id).toBe(busy?.id);
    }
    expect(pool.instances().map(({state}) => state)).toEqual(['busy', 'idle']);
    await passMs(1200);
    expect(pool.instances().map(({id}) => id)).toEqual([busy?.id]);
  });

  it('hands a place that becomes free to who came first', async () => {
    const {pool, puppets} = makePool({maxInstances: 1});
    const order: number[] = [];
    const first = pool.wait();
    const others = [1, 2, 3].map((nth) => {
      const place = pool.wait();
      void place.slot.then(
        () => order.push(nth),
        () => order.push(-nth),
      );
      return place;
    });
    others[1]?.leave(new Error('the client went away'));
    puppets[0]?.becomeReady();
    const slot = await first.slot;
    expect(pool.queueLength).toBe(2);
    pool.release(slot, true);
    await others[0]?.slot;
    expect(pool.take()).toBeNull();
    pool.release(slot, true);
    await others[2]?.slot;
    expect(order).toEqual([-2, 1, 3]);
    expect(puppets).toHaveLength(1);
  });

  it('waits for a request that has come but has no instance yet before it stops', async () => {
    const {pool, puppets} = makePool();
    pool.arrive();
    let stopped = false;
    const stopping = pool.stop(30_000).then(() => (stopped = true));
    const asked = pool.wait();
    puppets[0]?.becomeReady();
    const slot = await asked.slot;
    await passMs(10_000);
    expect(stopped).toBe(false);
    pool.release(slot, true);
    pool.depart();
    await stopping;
    expect(() => pool.wait()).toThrow('the gateway is stopping');
  });

  it('counts an instance that took too much memory as such', async () => {
    const {pool, puppets, metrics} = makePool();
    const asked = pool.wait();
    puppets[0]?.becomeReady();
    await asked.slot;
    puppets[0]?.exit({how: 'took more than its 256 MiB', reason: 'out-of-memory'});
    await passMs(0);
    const text = metrics.render({instances: pool.instances(), queueLength: 0});
    expect(text).toContain('thaw_instance_exits_total{reason="out_of_memory"} 1\n');
    expect(text).toContain('thaw_boots_total{result="ready"} 1\n');
  });

  describe('with a change that takes over when it is ready', () => {
    const changed = {...recipe, env: {LEVEL: 'new'}};
    const {signal} = new AbortController();
    const readyWith = async (pool: Pool, puppets: Puppet[]): Promise<string> => {
      const asked = queue(pool);
      puppets[0]?.becomeReady();
      await passMs(0);
      return asked;
    };

    it('is served by an instance that has started, and what was there ends after what it has', async () => {
      const {pool, puppets, lines} = makePool();
      const old = await readyWith(pool, puppets);
      const tried = pool.tryInstance(changed, 10_000, signal);
      expect(puppets[1]?.launch.env).toEqual({LEVEL: 'new'});
      // Whoever comes meanwhile does not wait for it.
      expect(pool.readyCount).toBe(1);
      expect(pool.take()).toBeNull();
      puppets[1]?.becomeReady();
      const heir = await tried;
      expect(pool.instances()).toHaveLength(1);
      pool.use(changed, scaling, heir);
      expect(pool.take()?.id).toBe(heir.id);
      expect(pool.instances().map(({id, state}) => [id, state])).toEqual([
        [old, 'stopping'],
        [heir.id, 'busy'],
      ]);
      expect(lines).toContain('ending: the function was changed');
      expect(puppets).toHaveLength(2);
    });

    it('goes on as before when none can start', async () => {
      const {pool, puppets} = makePool();
      const old = await readyWith(pool, puppets);
      const tried = pool.tryInstance(changed, 10_000, signal);
      const waiting = queue(pool);
      puppets[1]?.failToStart('broken');
      await expect(tried).rejects.toThrow('an instance could not start: broken');
      expect(puppets[1]?.killed).toBe(true);
      expect(pool.problem).toBeNull();
      // Nobody who waits is told of it, and the next instance is of the old recipe.
      puppets[2]?.becomeReady();
      await passMs(0);
      expect(await waiting).toBe(puppets[2]?.launch.id);
      expect(puppets[2]?.launch.env).toEqual({});
      expect(pool.instances().map(({id}) => id)).toContain(old);
    });

    it('gives up on one that takes too long, and on one that is not wanted any more', async () => {
      const {pool, puppets} = makePool();
      const late = pool.tryInstance(changed, 10_000, signal).catch((error: Error) => error.message);
      await passMs(10_000);
      puppets[0]?.failToStart('it was ended by SIGKILL before it was ready');
      expect(await late).toBe('an instance could not start: it was not ready within 10000 ms');

      const unwanted = new AbortController();
      const dropped = pool
        .tryInstance(changed, 10_000, unwanted.signal)
        .catch((error: Error) => error.message);
      unwanted.abort();
      expect(puppets[1]?.killed).toBe(true);
      puppets[1]?.failToStart('it was ended by SIGKILL before it was ready');
      expect(await dropped).toBe('an instance could not start: it is not wanted any more');
      expect(pool.instances()).toEqual([]);
    });
  });
});
