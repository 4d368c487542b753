import {twinsOf} from '../inspect/findings.ts';
import type {FunctionFound} from '../inspect/have.ts';
import {gone, type Draft} from './draft.ts';

/** Adds the deletion of what cold starts have left behind: aliases with their URLs, then the versions they hold. */
export function addTidying({name, add}: Draft, found: FunctionFound): void {
  const why = 'a cold start was made of it';
  for (const {name: alias} of found.coldAliases) {
    add(`tidy-url-${alias}`, 'lambda:DeleteFunctionUrlConfig', {name, alias}, [], why);
    add(`tidy-${alias}`, 'lambda:DeleteAlias', {name, alias}, gone('cold.alias', alias), why);
  }
  for (const {version} of twinsOf(found)) {
    add(`tidy-${version}`, 'lambda:DeleteFunction', {name, version}, gone('cold.version', version), why);
  }
}
