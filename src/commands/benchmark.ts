import * as Args from '@oclif/core/args';
import * as Flags from '@oclif/core/flags';
import {ProjectCommand} from '../cli/project-command.ts';

const GROUPS = {load: 'LOAD', request: 'REQUEST'};

export default class Benchmark extends ProjectCommand<typeof Benchmark> {
  static override summary = 'Measure what a cold and a warm request really take, here or at any URL.';
  static override description =
    'Whether a request was cold is decided by what the instance says of itself in its answer, not by what was ' +
    'intended. Every sample is kept, none is dropped, and a quantile that the number of samples cannot carry is ' +
    'not given. A load is sent by the clock: a request counts from when it was due, so that a stall is not hidden.';
  static override examples = [
    '<%= config.bin %> <%= command.id %> local --cold 10 --warm 200',
    '<%= config.bin %> <%= command.id %> local --rate 200 --duration 20s --export html=report.html',
    '<%= config.bin %> <%= command.id %> ./before ./after --cold 20',
    '<%= config.bin %> <%= command.id %> https://example.com/score --data @request.json --warm 100',
    '<%= config.bin %> <%= command.id %> local --cold 60 --budget cold.p95=800ms',
  ];
  static override strict = false;
  static override args = {
    target: Args.string({
      ignoreStdin: true,
      description: 'Providers of thaw.yaml, URLs of any endpoints, or folders of other projects.',
    }),
  };
  static override flags = {
    cold: Flags.integer({summary: 'Cold requests; by default 10, and of a URL none.', min: 0}),
    warm: Flags.integer({summary: 'Warm requests; by default 200.', min: 0}),
    data: Flags.string({
      summary: 'A request: JSON, @file, or @- for standard input; several are sent in turn.',
      helpValue: 'JSON|@FILE|@-',
      multiple: true,
      multipleNonGreedy: true,
    }),
    rate: Flags.string({
      summary: 'A load of so many requests per second.',
      helpValue: 'R',
      helpGroup: GROUPS.load,
    }),
    steps: Flags.string({
      summary: 'A load at one rate after the other.',
      helpValue: 'R,R,…',
      helpGroup: GROUPS.load,
    }),
    ramp: Flags.string({
      summary: 'A load that grows until the endpoint no longer keeps up.',
      helpValue: 'FROM..TO',
      helpGroup: GROUPS.load,
    }),
    burst: Flags.integer({summary: 'A load of so many requests at once.', min: 1, helpGroup: GROUPS.load}),
    duration: Flags.string({
      summary: 'How long a load lasts, of --steps each step; by default 30s.',
      helpValue: 'DURATION',
      helpGroup: GROUPS.load,
    }),
    method: Flags.string({summary: 'HTTP method for URLs.', helpValue: 'M', helpGroup: GROUPS.request}),
    header: Flags.string({
      summary: 'A header for URLs.',
      helpValue: "'NAME: VALUE'",
      multiple: true,
      multipleNonGreedy: true,
      helpGroup: GROUPS.request,
    }),
    'bearer-env': Flags.string({
      summary: 'The environment variable that holds a bearer token for URLs.',
      helpValue: 'NAME',
      helpGroup: GROUPS.request,
    }),
    sign: Flags.string({
      summary: 'Sign requests to URLs.',
      helpValue: 'sigv4:REGION/SERVICE',
      helpGroup: GROUPS.request,
    }),
    timeout: Flags.string({
      summary: 'How long a URL may take to answer.',
      helpValue: 'DURATION',
      default: '60s',
      helpGroup: GROUPS.request,
    }),
    budget: Flags.string({
      summary: 'A limit, such as cold.p95=800ms; exit code 6 if it is exceeded.',
      helpValue: 'GROUP.MEASURE=LIMIT',
      multiple: true,
      multipleNonGreedy: true,
    }),
    export: Flags.string({
      summary: 'Write the report to a file as well: html, json, md or hdr.',
      helpValue: 'FORMAT=FILE',
      multiple: true,
      multipleNonGreedy: true,
    }),
    resume: Flags.boolean({summary: 'Go on with the last run that was cut off.'}),
  };

  async run(): Promise<object> {
    const {benchmark} = await import('../cli/benchmark/benchmark.ts');
    const {flags, terminal, signal} = this;
    const {document, exitCode} = await benchmark({
      named: this.argvRest,
      flags,
      terminal,
      signal,
      openProject: () => this.open(),
      openWorkshop: () => this.openWorkshop(),
      dataDir: this.config.dataDir,
    });
    if (exitCode !== 0) process.exitCode = exitCode;
    return document;
  }
}
