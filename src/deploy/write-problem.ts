import {systemCode, ThawError} from '../core/errors.ts';

/** What the system's refusal to write one of thaw's own files means to the user; any other error stays as it is. */
export function writeProblem(error: unknown, file: string): unknown {
  const code = systemCode(error);
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return new ThawError('DISK_FULL', `${file} could not be written: no space left`, {file}, {cause: error});
  }
  if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS') {
    return new ThawError(
      'PERMISSION_DENIED',
      `${file} could not be written: ${code}`,
      {file},
      {cause: error},
    );
  }
  return error;
}
