import type {Deployment} from '../../../core/deployment.ts';

/** What this driver needs to invoke a function and to read its log. */
export type Handle = {
  readonly region: string;
  readonly profile: string | null;
  readonly function: string;
  /** The version or alias that is asked. */
  readonly qualifier: string;
  readonly logGroup: string;
  readonly via: 'url' | 'direct';
  readonly auth: 'iam' | 'none';
  /** Whether its environment is thaw's: of another, what it says of the image can be of long ago. */
  readonly tellsImage: boolean;
};

export const handleOf = (deployment: Deployment): Handle => deployment.handle as Handle;
