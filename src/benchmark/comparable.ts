import {shortDigest} from '../core/digest.ts';
import {sameJson, type Json} from '../core/json.ts';
import type {ProviderReport, Report} from '../core/report.ts';

type Pairs = readonly (readonly [ProviderReport, ProviderReport])[];

/** What casts doubt on a comparison of two reports, each in one clause. */
export function findCaveats(a: Report, b: Report, pairs: Pairs): readonly string[] {
  return [
    ...(pairs.length === 0 ? ['the reports have no provider in common'] : []),
    ...machineCaveats(a, b),
    ...requestCaveats(a, b),
    ...(a.interrupted ? ['A was ended before every shot was fired'] : []),
    ...(b.interrupted ? ['B was ended before every shot was fired'] : []),
    ...pairs
      .filter(([before, after]) => before.provider !== after.provider)
      .map(([before, after]) => `A measured ${before.provider}, B ${after.provider}`),
    ...pairs.flatMap(([before, after]) => noteCaveats(before, after)),
    ...unpaired(a, b, pairs),
  ];
}

/** What else is different between two reports, as it may be meant to be, each in one clause. */
export function findDifferences(a: Report, b: Report, pairs: Pairs): readonly string[] {
  return [
    ...(a.function === b.function ? [] : [`function: A ${a.function ?? 'none'}, B ${b.function ?? 'none'}`]),
    ...(a.thaw === b.thaw ? [] : [`thaw: A ${a.thaw}, B ${b.thaw}`]),
    ...pairs.flatMap(([before, after]) => [
      ...(before.image === after.image
        ? []
        : [`${after.provider} image: A ${imageName(before)}, B ${imageName(after)}`]),
      // Where an image names what is measured, its address may change as it likes.
      ...(before.url === after.url || (before.image !== null && after.image !== null)
        ? []
        : [`${after.provider} url: A ${before.url}, B ${after.url}`]),
    ]),
  ];
}

/** Other hardware or another runtime is a cause of its own: nobody can tell it from the change that is looked for. */
function machineCaveats(a: Report, b: Report): string[] {
  const keys = [...new Set([...Object.keys(a.machine), ...Object.keys(b.machine)])];
  const changed = keys.filter((key) => !sameJson(a.machine[key], b.machine[key]));
  if (changed.length === 0) return [];
  const each = changed.map((key) => `${key}: A ${plain(a.machine[key])}, B ${plain(b.machine[key])}`);
  return [`measured from different machines (${each.join('; ')})`];
}

function requestCaveats(a: Report, b: Report): string[] {
  const digests = ({request}: Report): string[] => request.bodies.map(({digest}) => digest);
  return [
    ...(a.request.method === b.request.method
      ? []
      : [`other requests: A sent ${a.request.method}, B ${b.request.method}`]),
    ...(sameJson(digests(a), digests(b)) ? [] : ['other requests: the bodies differ']),
    ...(sameJson(names(a), names(b)) ? [] : ['other requests: the headers differ']),
  ];
}

const names = ({request}: Report): string[] => request.headers.map((name) => name.toLowerCase()).sort();

function noteCaveats(a: ProviderReport, b: ProviderReport): string[] {
  const only = (these: readonly string[], those: readonly string[], which: string): string[] =>
    these.filter((note) => !those.includes(note)).map((note) => `only ${which}, ${b.provider}: ${note}`);
  return [...only(a.notes, b.notes, 'A'), ...only(b.notes, a.notes, 'B')];
}

function unpaired(a: Report, b: Report, pairs: Pairs): string[] {
  const [inA, inB] = [pairs.map(([before]) => before), pairs.map(([, after]) => after)];
  const only = (report: Report, paired: readonly ProviderReport[], which: string): string[] =>
    report.providers
      .filter((provider) => !paired.includes(provider))
      .map(({provider}) => `only ${which} has ${provider}`);
  return [...only(a, inA, 'A'), ...only(b, inB, 'B')];
}

const imageName = ({image}: ProviderReport): string => (image === null ? 'unknown' : shortDigest(image));

function plain(value: Json | undefined): string {
  if (value === undefined || value === null) return 'unknown';
  return typeof value === 'string' ? value : JSON.stringify(value);
}
