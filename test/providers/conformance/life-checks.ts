import assert from 'node:assert/strict';
import {readdir, readFile, stat} from 'node:fs/promises';
import {join} from 'node:path';
import type {LogLine} from '../../../src/core/deployment.ts';
import type {Context} from '../../../src/core/driver.ts';
import {ThawError} from '../../../src/core/errors.ts';
import type {Http} from '../../../src/core/ports.ts';
import {createRedactor} from '../../../src/core/redact.ts';
import {canonicalJson} from '../../../src/core/json.ts';
import type {ApplyEvent} from '../../../src/deploy/apply.ts';
import {baseOf, mapOps, openDesk, VALUES, type Answer, type Desk, type Wanted} from './desk.ts';
import type {ConformanceCheck, Harness, Traits} from './harness.ts';

/** Running, looking at, and ending what was deployed. */
export function lifeChecks({driver: {limits}}: Traits): ConformanceCheck[] {
  return [
    ...(limits.forceCold === 'chill' ? [cold, warm, tidied, cutCold] : []),
    ...(limits.concurrency.max >= 2 ? [joined] : []),
    limits.whenFull === 'wait' ? queued : refused,
    parallel,
    ...(limits.warm.min ? [prewarmed, warmUpAndDown] : []),
    ...(limits.scaleToZero ? [scaleToZero] : []),
    sentOnce,
    ...(limits.rollback ? [rollback] : []),
    logs,
    notDeployed,
    teardown,
    secrecy,
  ];
}

/** The function, with so many requests to an instance and so many instances. */
function scaled(harness: Harness, concurrency: number, maxInstances: number): Wanted {
  const base = baseOf(harness);
  const resources = {...base.spec.resources, concurrency};
  return {...base, spec: {...base.spec, resources, scaling: {maxInstances}}};
}

const classesOf = (answers: readonly Answer[]): string[] => answers.map((answer) => answer.class).sort();
const bootsOf = (answers: readonly Answer[]): number =>
  new Set(answers.map(({evidence}) => evidence.bootId)).size;
const ordinalsOf = (answers: readonly Answer[]): number[] =>
  answers.map(({evidence}) => evidence.ordinal).sort((a, b) => a - b);

const cold: ConformanceCheck = {
  name: 'after a chill the next request is cold, each time',
  async run(harness) {
    const desk = openDesk(harness);
    const base = baseOf(harness);
    await desk.deploy(base);
    assert.equal((await desk.invoke(base)).class, 'cold', 'the first request after a deploy');
    const boots = new Set<string>();
    for (let round = 0; round < 3; round++) {
      const asked = await desk.chill(base);
      const {evidence, class: found} = await desk.invoke(base, asked);
      assert.equal(found, 'cold', JSON.stringify(evidence));
      assert.equal(evidence.ordinal, 1);
      boots.add(evidence.bootId);
      if (evidence.image !== null) assert.equal(evidence.image, base.image.image.digest);
      await assertStartup(harness, desk, base, evidence.bootId, true);
    }
    assert.equal(boots.size, 3, 'two boots have one id');
  },
};

const warm: ConformanceCheck = {
  name: 'further requests are warm, numbered in order, and their boot grows older',
  async run(harness) {
    const desk = openDesk(harness);
    const base = baseOf(harness);
    const {clock} = harness.context.ports;
    await desk.deploy(base);
    const asked = await desk.chill(base);
    const first = await desk.invoke(base, asked);
    let last = first;
    for (let ordinal = 2; ordinal <= 4; ordinal++) {
      const beforeMs = clock.monotonicMs();
      await clock.sleep(50, harness.context.signal);
      const sleptMs = clock.monotonicMs() - beforeMs;
      const next = await desk.invoke(base, asked);
      assert.equal(next.class, 'warm', JSON.stringify(next.evidence));
      assert.equal(next.evidence.bootId, first.evidence.bootId);
      assert.equal(next.evidence.ordinal, ordinal);
      const grownMs = next.evidence.bootAgeMs - last.evidence.bootAgeMs;
      assert.ok(grownMs >= sleptMs - 1, `in ${sleptMs} ms and a request the boot grew ${grownMs} ms older`);
      last = next;
    }
  },
};

const tidied: ConformanceCheck = {
  name: 'a cold start is asked of the same function, and nothing is left of it; nobody else notices where it has a twin',
  async run(harness) {
    const desk = openDesk(harness);
    const base = baseOf(harness);
    await desk.deploy(base);
    assert.deepEqual((await desk.tidy(base)).steps, [], 'there is something to tidy up after a deploy');
    const before = await desk.endState(base);
    const live = await desk.deployment(base);
    const everybody = await desk.invoke(base);
    const asked = await desk.chill(base);
    const {evidence} = await desk.invoke(base, asked);
    assert.equal(asked.provider, live.provider);
    assert.equal(asked.function, live.function);
    assert.equal(asked.image, live.image);
    if (canonicalJson(asked) !== canonicalJson(live)) {
      assert.deepEqual(await desk.deployment(base), live, 'something else went live');
      const next = await desk.invoke(base);
      assert.equal(next.evidence.bootId, everybody.evidence.bootId, 'everybody had to wait');
      assert.equal(next.evidence.ordinal, 2, 'the cold start was asked of what is live');
      assert.notEqual(evidence.bootId, everybody.evidence.bootId);
    }
    await desk.tidy(base);
    assert.deepEqual(await desk.endState(base), before, 'a cold start left something behind');
    assert.deepEqual((await desk.plan(base)).steps, [], 'a cold start left something to deploy');
    assert.deepEqual((await desk.tidy(base)).steps, [], 'there is more to tidy up');
    await desk.teardown(base);
    assert.deepEqual((await desk.inspect(base)).tidy().steps, [], 'there is something to tidy up of nothing');
  },
};

class Cut extends Error {}

const cutCold: ConformanceCheck = {
  name: 'a cold start that is cut off after any of its steps leaves nothing that tidying up does not find',
  async run(harness) {
    const desk = openDesk(harness);
    const base = baseOf(harness);
    await desk.deploy(base);
    const before = await desk.endState(base);
    const {steps} = (await desk.inspect(base)).chill().plan;
    for (const [cutAt] of steps.entries()) {
      let current = -1;
      const ops = mapOps(harness.driver.ops, (op) => async (context, args) => {
        const outputs = await op.run(context, args);
        if (current === cutAt) throw new Cut();
        return outputs;
      });
      const onEvent = (event: ApplyEvent): void => {
        if (event.kind === 'stepStarted') current = event.index - 1;
      };
      await assert.rejects(desk.chill(base, {ops, onEvent}), Cut);
      await desk.tidy(base);
      const where = `cut after step ${cutAt + 1} of ${steps.length}`;
      assert.deepEqual(await desk.endState(base), before, where);
      assert.deepEqual((await desk.tidy(base)).steps, [], where);
    }
  },
};

const joined: ConformanceCheck = {
  name: 'of four requests on one boot one is cold and three joined it',
  async run(harness) {
    const desk = openDesk(harness);
    const wanted = scaled(harness, Math.min(4, harness.driver.limits.concurrency.max), 1);
    await desk.deploy(wanted);
    const asked = await desk.chill(wanted);
    const answers = await desk.invokeAtOnce(wanted, 4, asked);
    assert.deepEqual(classesOf(answers), ['cold', 'joined', 'joined', 'joined']);
    assert.equal(bootsOf(answers), 1);
    assert.deepEqual(ordinalsOf(answers), [1, 2, 3, 4]);
  },
};

const queued: ConformanceCheck = {
  name: 'more requests than there may be instances wait their turn',
  async run(harness) {
    const desk = openDesk(harness);
    const {concurrency, maxInstances} = harness.driver.limits;
    const wanted = scaled(harness, concurrency.min, maxInstances.min);
    await desk.deploy(wanted);
    const answers = await desk.invokeAtOnce(wanted, 5);
    assert.equal(bootsOf(answers), Math.max(1, maxInstances.min));
    assert.deepEqual(ordinalsOf(answers), [1, 2, 3, 4, 5]);
  },
};

const refused: ConformanceCheck = {
  name: 'more requests than there may be instances get a 429, and the others an answer',
  async run(harness) {
    const desk = openDesk(harness);
    const {concurrency, maxInstances} = harness.driver.limits;
    const wanted = scaled(harness, concurrency.min, maxInstances.min);
    await desk.deploy(wanted);
    const site = harness.driver.open(wanted.options);
    const target = await desk.deployment(wanted);
    const sent = Array.from({length: 5}, () => site.invoke(harness.context, target, harness.request));
    const statuses = (await Promise.all(sent)).map(({status}) => status ?? 0).sort((a, b) => a - b);
    assert.equal(statuses[0], 200);
    assert.equal(statuses.at(-1), 429);
    assert.ok(
      statuses.every((status) => status === 200 || status === 429),
      statuses.join(', '),
    );
    const {evidence} = await desk.invoke(wanted);
    assert.equal(evidence.ordinal, statuses.filter((status) => status === 200).length + 1);
  },
};

const parallel: ConformanceCheck = {
  name: 'requests at once start several instances where one serves one',
  async run(harness) {
    const desk = openDesk(harness);
    const wanted = scaled(harness, 1, 3);
    await desk.deploy(wanted);
    const answers = await desk.invokeAtOnce(wanted, 3);
    // Whichever instance is ready first may answer all three: it was faster than the boots of the others.
    const turns = answers.map(({evidence}) => `${evidence.bootId} ${evidence.ordinal}`);
    assert.equal(new Set(turns).size, 3, `two answers have one turn: ${turns.join(', ')}`);
    const classes = classesOf(answers);
    assert.equal(classes[0], 'cold');
    assert.ok(
      classes.every((found) => found === 'cold' || found === 'joined'),
      classes.join(', '),
    );
    const {instances} = (await desk.inspect(wanted)).status;
    if (instances !== null) assert.ok(instances.length > 1, `there is ${instances.length} instance`);
  },
};

const prewarmed: ConformanceCheck = {
  name: 'the first request to an instance that is kept ready is prewarmed',
  async run(harness) {
    const desk = openDesk(harness);
    const base = baseOf(harness);
    const wanted = {...base, spec: {...base.spec, warm: {min: 1, schedule: []}}};
    await desk.deploy(wanted);
    // Long enough that an instance that was born by now is older than the request takes.
    await harness.context.ports.clock.sleep(500, harness.context.signal);
    const {status} = await desk.inspect(wanted);
    assert.equal(status.warmMin, 1);
    if (status.instances !== null) assert.equal(status.instances.length, 1);
    const answer = await desk.invoke(wanted);
    assert.equal(answer.class, 'prewarmed', JSON.stringify(answer.evidence));
    await assertStartup(harness, desk, wanted, answer.evidence.bootId, false);
    assert.equal((await desk.invoke(wanted)).class, 'warm');
  },
};

const warmUpAndDown: ConformanceCheck = {
  name: 'warming up and down is one step each, and is what status says',
  async run(harness) {
    const desk = openDesk(harness);
    const base = baseOf(harness);
    await desk.deploy(base);
    for (const min of [2, 1, 0]) {
      const plan = (await desk.inspect(base)).warm({min, schedule: []});
      const paths = plan.steps.flatMap((step) => step.changes.map((change) => change.path));
      assert.deepEqual(paths, ['warm.min']);
      await desk.apply(plan, base);
      const view = await desk.inspect(base);
      assert.equal(view.status.warmMin, min);
      assert.deepEqual(view.warm({min, schedule: []}).steps, [], 'warming again has something to do');
      const wanted = {...base, spec: {...base.spec, warm: {min, schedule: []}}};
      assert.deepEqual(
        (await desk.plan(wanted)).steps,
        [],
        'a deploy with the same warmth has something to do',
      );
    }
  },
};

const scaleToZero: ConformanceCheck = {
  name: 'after its idle time no instance is left, and the next request is cold',
  async run(harness) {
    const desk = openDesk(harness);
    const {options, waitMs} = harness.shortIdle;
    const wanted = {...baseOf(harness), options: {...harness.options, ...options}};
    await desk.deploy(wanted);
    const first = await desk.invoke(wanted);
    await harness.context.ports.clock.sleep(waitMs, harness.context.signal);
    const {instances} = (await desk.inspect(wanted)).status;
    if (instances !== null) assert.deepEqual(instances, []);
    const second = await desk.invoke(wanted);
    assert.equal(second.class, 'cold', JSON.stringify(second.evidence));
    assert.notEqual(second.evidence.bootId, first.evidence.bootId);
  },
};

const sentOnce: ConformanceCheck = {
  name: 'a request is never sent twice, whatever becomes of it',
  async run(harness) {
    const desk = openDesk(harness);
    const base = baseOf(harness);
    await desk.deploy(base);
    const {http} = harness.context.ports;
    for (const kind of ['reset', 'timeout'] as const) {
      let sent = 0;
      const lossy: Http = async (request) => {
        const answer = await http(request);
        if (!sameBytes(request.body, harness.request.body)) return answer;
        sent++;
        const {at, timings} = answer;
        const lost = {status: null, headers: {}, body: new Uint8Array(), evidence: null};
        return {...lost, at, timings: {...timings, firstByteMs: null}, error: {kind, message: 'lost'}};
      };
      const {error, status} = await desk.send(base, lossy);
      assert.equal(sent, 1, `after a ${kind} it was sent ${sent} times`);
      assert.deepEqual([error?.kind, status], [kind, null]);
    }
    for (const wrong of [500, 503, 429]) {
      let sent = 0;
      const failing: Http = async (request) => {
        const answer = await http(request);
        if (!sameBytes(request.body, harness.request.body)) return answer;
        sent++;
        return {...answer, status: wrong};
      };
      assert.equal((await desk.send(base, failing)).status, wrong);
      assert.equal(sent, 1, `after a ${wrong} it was sent ${sent} times`);
    }
  },
};

const rollback: ConformanceCheck = {
  name: 'a rollback makes the version before live again, and a named one',
  async run(harness) {
    const desk = openDesk(harness);
    const base = baseOf(harness);
    const other = {...base, image: harness.images[1]};
    await desk.deploy(base);
    await assertRefused(
      async () => (await desk.inspect(base)).rollback(null),
      'a rollback without an earlier version',
    );
    const first = await desk.deployment(base);
    await desk.deploy(other);
    const second = await desk.deployment(other);
    await assertRefused(
      async () => (await desk.inspect(other)).rollback('no-such-version'),
      'a version that is not',
    );

    for (const [to, version, image] of [
      [null, first.version, base.image],
      [second.version, second.version, other.image],
      [first.version, first.version, base.image],
    ] as const) {
      const plan = (await desk.inspect(other)).rollback(to);
      assert.ok(plan.steps.length > 0, 'the rollback plans nothing');
      await desk.apply(plan, other);
      const {status} = await desk.inspect(other);
      assert.equal(status.deployment?.version, version);
      assert.equal(status.deployment?.image, image.image.digest);
      assert.deepEqual(
        status.versions.filter((candidate) => candidate.live).map((candidate) => candidate.version),
        [version],
      );
      const {evidence} = await desk.invoke(other);
      if (evidence.image !== null) assert.equal(evidence.image, image.image.digest, 'another image answers');
      assert.deepEqual((await desk.inspect(other)).rollback(version).steps, [], 'to where it is already');
    }
    assert.ok(
      (await desk.plan(other)).steps.length > 0,
      'after a rollback the newer image is not planned again',
    );
    await desk.deploy(other);
    await desk.assertDeployed(other);
  },
};

const logs: ConformanceCheck = {
  name: 'logs are told from the beginning, from a time on, and as they come',
  async run(harness) {
    const desk = openDesk(harness);
    const base = baseOf(harness);
    const {context} = harness;
    await desk.deploy(base);
    const {evidence} = await desk.invoke(base);
    const site = harness.driver.open(base.options);
    const deployment = await desk.deployment(base);
    const read = async (sinceMs: number | null): Promise<LogLine[]> => {
      const lines = [];
      for await (const line of site.logs(context, deployment, {sinceMs, follow: false})) lines.push(line);
      return lines;
    };
    const lines = await settled(() => read(null), context);
    assert.ok(lines.length > 0, 'there is no line');
    const times = lines.map((line) => Date.parse(line.at));
    assert.ok(times.every(Number.isFinite), 'a line has no time');
    assert.ok(lines.every((line) => typeof line.text === 'string' && !line.text.includes('\n')));
    assert.ok(new Set(lines.map((line) => line.instance)).size >= 1, evidence.bootId);
    assert.deepEqual(await read(context.ports.clock.now() + 60_000), []);
    const newest = Math.max(...times);
    assert.ok((await read(newest)).length > 0, 'the newest line is not read from its own time on');

    const controller = new AbortController();
    const followed: LogLine[] = [];
    const query = {sinceMs: null, follow: true};
    try {
      for await (const line of site.logs({...context, signal: controller.signal}, deployment, query)) {
        followed.push(line);
        if (followed.length === lines.length) controller.abort();
      }
    } catch (error) {
      assert.ok(error instanceof ThawError && error.code === 'INTERRUPTED', String(error));
    }
    assert.deepEqual(followed.slice(0, lines.length), lines);
  },
};

const notDeployed: ConformanceCheck = {
  name: 'what needs a deployment says that there is none',
  async run(harness) {
    const desk = openDesk(harness);
    const base = baseOf(harness);
    const {warm, rollback} = harness.driver.limits;
    const refuses = (what: string, plan: (view: Awaited<ReturnType<Desk['inspect']>>) => unknown) =>
      assertRefused(async () => plan(await desk.inspect(base)), what, 'NOT_DEPLOYED');
    await refuses('a chill', (view) => view.chill());
    if (warm.min) await refuses('warming', (view) => view.warm({min: 1, schedule: []}));
    if (rollback) await refuses('a rollback', (view) => view.rollback(null));
  },
};

const teardown: ConformanceCheck = {
  name: 'a teardown leaves nothing of ours, and everything that is not',
  async run(harness) {
    const desk = openDesk(harness);
    const base = baseOf(harness);
    assert.deepEqual(
      (await desk.inspect(base)).teardown().steps,
      [],
      'there is something to tear down at first',
    );
    await harness.plant();
    const foreign = await harness.inventory();
    assert.ok(foreign.length > 0, 'the harness plants nothing');
    await desk.deploy(base);
    await desk.assertDeployed(base);
    await desk.deploy({...base, image: harness.images[1]});
    await desk.invoke(base);
    assert.ok(
      (await harness.inventory()).length > foreign.length,
      'the inventory does not see what was deployed',
    );
    await desk.teardown(base);
    assert.deepEqual(await harness.inventory(), foreign);
    const view = await desk.inspect(base);
    assert.equal(view.status.state, 'absent');
    assert.deepEqual(view.teardown().steps, [], 'a second teardown has something to do');
    await desk.deploy(base);
    await desk.assertDeployed(base);
  },
};

const secrecy: ConformanceCheck = {
  name: 'no value of the environment is in a plan, a status, an output, an error or a file',
  async run(harness) {
    const desk = openDesk(harness);
    const base = baseOf(harness);
    const changed = {GREETING: 'good-evening-4711-Xq', TOKEN: 'another+token/value=='};
    const other = {...base, image: harness.images[1], values: changed};
    harness.refuseOnce?.();
    await desk.deploy(base);
    await desk.invoke(base);
    await desk.deploy(other);
    await desk.invoke(other);
    await desk.inspect(other);
    const site = harness.driver.open(other.options);
    const query = {sinceMs: null, follow: false};
    for await (const line of site.logs(harness.context, await desk.deployment(other), query))
      desk.record(line);
    const {projectDir, stateDir} = harness.context;
    const values = [...Object.values(VALUES), ...Object.values(changed)];
    for (const dir of [projectDir, stateDir]) await assertHidden(await textsUnder(dir), values);
    await desk.teardown(other);
    await assertHidden(desk.tape, values);
  },
};

async function assertHidden(texts: readonly string[], values: readonly string[]): Promise<void> {
  const redact = createRedactor(values);
  for (const text of texts) assert.equal(redact(text) === text, true, `a value is shown: ${redact(text)}`);
}

/** The text of every file under a folder, unless it is as large as only a model or a library is. */
async function textsUnder(dir: string): Promise<string[]> {
  const entries = await readdir(dir, {recursive: true, withFileTypes: true}).catch(() => []);
  const texts: string[] = [];
  for (const entry of entries.filter((candidate) => candidate.isFile())) {
    const file = join(entry.parentPath, entry.name);
    if ((await stat(file)).size < 1e6) texts.push(await readFile(file, 'latin1'));
  }
  return texts;
}

/** What the provider says of a boot, if it says anything, agrees with what the answer proved. */
async function assertStartup(
  {driver, context}: Harness,
  desk: Desk,
  wanted: Wanted,
  bootId: string,
  onDemand: boolean,
): Promise<void> {
  const records = await driver
    .open(wanted.options)
    .startup(context, await desk.deployment(wanted), {bootIds: [bootId], sinceMs: null});
  for (const record of records) {
    assert.deepEqual([record.bootId, record.onDemand], [bootId, onDemand]);
    assert.ok(Object.values(record.phases).every((ms) => ms >= 0));
  }
}

/** Lines come a little later than what they tell of: reads until there are some, and no more come. */
async function settled(read: () => Promise<LogLine[]>, {ports, signal}: Context): Promise<LogLine[]> {
  let lines = await read();
  for (let round = 0; round < 30; round++) {
    await ports.clock.sleep(250, signal);
    const next = await read();
    if (next.length > 0 && next.length === lines.length) return next;
    lines = next;
  }
  return lines;
}

async function assertRefused(plan: () => Promise<unknown>, what: string, code?: string): Promise<void> {
  await assert.rejects(plan, (error: unknown) => {
    assert.ok(error instanceof ThawError, `${what}: ${String(error)}`);
    if (code !== undefined) assert.equal(error.code, code, what);
    return true;
  });
}

function sameBytes(body: Uint8Array | string | undefined, expected: Uint8Array): boolean {
  return body !== undefined && Buffer.from(body).equals(expected);
}
