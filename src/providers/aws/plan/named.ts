import type {Change} from '../../../core/plan.ts';

/** Gives a step the changes that no step has named yet; of them those alone whose paths are its own, if it says which. */
export type Named = (isMine?: (path: string) => boolean) => readonly Change[];

/** Changes of which each is named by one step: the first that asks for it. */
export function namedOnce(changes: readonly Change[]): Named {
  let unnamed = changes;
  return (isMine = () => true) => {
    const mine = unnamed.filter(({path}) => isMine(path));
    unnamed = unnamed.filter(({path}) => !isMine(path));
    return mine;
  };
}
