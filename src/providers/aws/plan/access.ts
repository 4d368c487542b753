import type {FunctionSpec, Trigger} from '../../../core/function.ts';
import type {Arg, Change} from '../../../core/plan.ts';
import type {FunctionFound} from '../inspect/have.ts';
import type {Draft} from './draft.ts';
import type {Named} from './named.ts';

/** Anybody may call the URL. A URL needs both since October 2025, and the second opens nothing but the URL. */
export const PUBLIC: readonly {readonly sid: string; readonly permission: {readonly [key: string]: Arg}}[] = [
  {
    sid: 'thaw-url',
    permission: {Action: 'lambda:InvokeFunctionUrl', Principal: '*', FunctionUrlAuthType: 'NONE'},
  },
  {
    sid: 'thaw-url-invoke',
    permission: {Action: 'lambda:InvokeFunction', Principal: '*', InvokedViaFunctionUrl: true},
  },
];

/** How the function can be asked over HTTP: null if not at all. */
export function authOf(triggers: readonly Trigger[]): 'iam' | 'none' | null {
  const http = triggers.find((trigger) => trigger.kind === 'http');
  return http?.kind === 'http' ? http.auth : null;
}

/** Permissions that are missing, and those that allow what is not asked for. */
function permissionsBetween(fn: FunctionSpec, found: FunctionFound | null) {
  const statements = found?.statements ?? [];
  const wanted = authOf(fn.triggers) === 'none' ? PUBLIC : [];
  const isThere = ({sid, permission}: (typeof PUBLIC)[number]): boolean =>
    statements.some((have) => have.sid === sid && have.statement['Action'] === permission['Action']);
  return {
    missing: wanted.filter((statement) => !isThere(statement)),
    stale: statements.filter(
      ({sid}) =>
        PUBLIC.some((ours) => ours.sid === sid) &&
        !wanted.some((statement) => statement.sid === sid && isThere(statement)),
    ),
  };
}

/** What differs where the URL itself is as it shall be. */
export function accessBetween(fn: FunctionSpec, found: FunctionFound | null): readonly Change[] {
  const {missing, stale} = permissionsBetween(fn, found);
  if (missing.length + stale.length === 0) return [];
  const sids = (all: readonly {readonly sid: string}[]): string[] => all.map(({sid}) => sid);
  return [{path: 'triggers.http.permissions', from: sids(stale), to: sids(missing)}];
}

/** Adds what makes the URL, and lets those call it who may. */
export function addAccess(draft: Draft, fn: FunctionSpec, found: FunctionFound | null, named: Named): void {
  const {name, add} = draft;
  const auth = authOf(fn.triggers);
  const url = found?.url ?? null;
  const {missing, stale} = permissionsBetween(fn, found);
  const authType = auth === 'none' ? 'NONE' : 'AWS_IAM';
  if (auth === null && url !== null) {
    add('url', 'lambda:DeleteFunctionUrlConfig', {name}, named(), 'nothing is to ask it over HTTP');
  } else if (auth !== null && url === null) {
    add('url', 'lambda:CreateFunctionUrlConfig', {name, authType}, named(), 'it is asked over HTTP');
  } else if (auth !== null && url !== null && url.auth !== auth) {
    const why = auth === 'none' ? 'anybody may ask it' : 'only who signs requests may ask it';
    add('url', 'lambda:UpdateFunctionUrlConfig', {name, authType}, named(), why);
  }
  for (const {sid} of stale) {
    add(`forbid-${sid}`, 'lambda:RemovePermission', {name, sid}, named(), 'it allows what is not asked for');
  }
  for (const {sid, permission} of missing) {
    add(`permit-${sid}`, 'lambda:AddPermission', {name, sid, permission}, named(), 'anybody may ask it');
  }
}
