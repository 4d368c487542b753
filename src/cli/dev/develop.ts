import {relative, resolve} from 'node:path';
import type {Config} from '../../config/config.ts';
import type {Context} from '../../core/driver.ts';
import {EXIT_CODES, ThawError} from '../../core/errors.ts';
import type {Image, LayerRole} from '../../core/image.ts';
import {systemClock} from '../../net/clock.ts';
import type {Workshop} from '../compose.ts';
import {describeFailure} from '../failure.ts';
import {packageFunction} from '../package-function.ts';
import type {Project, ProjectProvider} from '../project.ts';
import type {Terminal} from '../terminal.ts';
import {ChangeQueue} from './change-queue.ts';
import type {DevEvent} from './events.ts';
import {LiveFunctions} from './live-functions.ts';
import {showEvent} from './show-event.ts';
import {watchFiles} from './watch-files.ts';
import {countsAsChange} from './watched.ts';

export interface DevelopRequest {
  /** Reads thaw.yaml as it is now. */
  readonly open: () => Promise<{readonly project: Project; readonly provider: ProjectProvider}>;
  readonly workshop: Workshop;
  readonly terminal: Terminal;
  /** `auto`, `host` or a reference; null: as thaw.yaml says. */
  readonly base: string | null;
  /** Ends it. */
  readonly signal: AbortSignal;
}

/** An editor that saves several files, or one in several steps, is done by then. */
const QUIET_MS = 60;
/** What is brought along besides the handler's own files, and what says how. */
const BESIDE_HANDLER = {
  javascript: ['package.json', 'package-lock.json', 'tsconfig.json'],
  python: ['requirements.txt', 'pyproject.toml', '.thawignore'],
};

/**
 * Runs the project's function, and makes it anew whenever what it is made from changes, until the signal fires. What
 * is wrong is told, and the version before goes on. In the end nothing is left of what was not there before.
 *
 * @throws ThawError if it cannot even begin, for another reason than one that the next change may mend
 */
export async function develop(request: DevelopRequest): Promise<void> {
  const {open, workshop, terminal, signal} = request;
  const show = (event: DevEvent, at = new Date()): void => showEvent(event, at, terminal);
  const {project} = await open();
  const {dir} = project.config;
  const context: Context = {...workshop.context(dir), signal};
  const functions = new LiveFunctions(context, terminal, show);
  const queue = new ChangeQueue(systemClock, QUIET_MS);

  let failed = false;
  let superseded = new AbortController();
  let image: Image | null = null;
  const watch = await watchFiles(dir, (file) => {
    if (!countsAsChange(file, failed, watch.watched)) return;
    queue.add(file);
    // A version that does not come to its start would keep the next one waiting.
    superseded.abort();
  });

  /** One way from what lies on disk to what answers. */
  const build = async (changed: ReadonlySet<string> | null): Promise<void> => {
    const startedMs = performance.now();
    const {project, provider} = await open();
    const {config} = project;
    await watch.follow([...watch.watched.files, ...namedFiles(config)]);
    // What takes long is told of step by step: the first time, and when the model may have to be measured again.
    const isLong = changed === null || modelFiles(config).some((file) => changed.has(file));
    const packaged = await packageFunction({
      project,
      workshop,
      terminal: isLong ? terminal : terminal.muted(),
      report: 'steps',
      base: request.base,
      platform: null,
      push: null,
      attachSbom: false,
      allowHttp: false,
      outputs: {out: null, archive: null, load: false, builder: 'thaw', dockerfile: false},
      signal,
    });
    const sources = packaged.image.sources.map(({path}) => resolve(dir, path));
    await watch.follow([...namedFiles(config), ...sources]);
    failed = false;
    const {deployment, settings, first} = await functions.deploy(project, provider, superseded.signal);
    const layers = changedLayers(image, packaged.image);
    image = packaged.image;
    const {url, version} = deployment;
    show({
      event: 'deployed',
      provider: provider.driver.name,
      function: config.name,
      url,
      version,
      image: image.digest,
      first,
      layers,
      settings,
      totalMs: performance.now() - startedMs,
    });
  };

  try {
    let changed: ReadonlySet<string> | null = null;
    for (;;) {
      superseded = new AbortController();
      try {
        await build(changed);
      } catch (error) {
        if (signal.aborted) break;
        if (error instanceof ThawError && error.code === 'IMAGE_STALE') {
          // Saved again meanwhile. That is no news where the watch saw it too.
          for (const path of error.facts['changed'] as readonly string[]) queue.add(resolve(dir, path));
        } else if (!superseded.signal.aborted || !isInterruption(error)) {
          if (changed === null && !isMendedByChange(error)) throw error;
          failed = true;
          show({event: 'failed', failure: describeFailure(error), serving: functions.url});
        }
      }
      changed = await queue.next(signal);
      if (changed === null) break;
      const {dir: root} = watch.watched;
      show({event: 'changed', files: [...changed].map((file) => relative(root, file).replaceAll('\\', '/'))});
    }
  } finally {
    await watch.close();
    const {destroyed, left} = await functions.leave();
    show({event: 'stopped', destroyed, left});
  }
}

const modelFiles = ({model}: Config): string[] =>
  [model?.path, model?.calibration].filter((file) => typeof file === 'string');

/** What the function is made from, as thaw.yaml names it. */
const namedFiles = (config: Config): string[] => [
  config.file,
  ...modelFiles(config),
  ...(config.handler === null
    ? []
    : [
        config.handler.file,
        ...BESIDE_HANDLER[config.handler.language].map((name) => resolve(config.dir, name)),
      ]),
];

function changedLayers(before: Image | null, now: Image): LayerRole[] {
  const known = new Set(before?.layers.map(({digest}) => digest));
  return before === null ? [] : now.layers.filter(({digest}) => !known.has(digest)).map(({role}) => role);
}

const isInterruption = (error: unknown): boolean =>
  error instanceof ThawError && error.code === 'INTERRUPTED';

/** A project that is wrong can be made right while it is watched; what surrounds it cannot. */
const isMendedByChange = (error: unknown): boolean =>
  error instanceof ThawError &&
  (EXIT_CODES[error.code] === EXIT_CODES.HANDLER_INVALID || error.code === 'INSTANCE_FAILED');
