import {describe, expect, it} from 'vitest';
import {pathsOf} from '../../../src/providers/local/paths.ts';

describe('paths of a function', () => {
  it('lie in a folder of its own', () => {
    const paths = pathsOf('/home/ada/.local/share/thaw', 'probe', 'linux', 1000);
    expect(paths.dir).toBe('/home/ada/.local/share/thaw/local/probe');
    expect(paths.socket).toBe('/home/ada/.local/share/thaw/local/probe/control.sock');
    expect(paths.socketDir).toBeNull();
  });

  it('have a short socket, always the same and never another function’s, where the folder is too deep for one', () => {
    const deep = `/home/${'x'.repeat(90)}`;
    const paths = pathsOf(deep, 'probe', 'linux', 1000);
    expect(paths.socketDir).toBe('/tmp/thaw-1000');
    expect(paths.socket.startsWith('/tmp/thaw-1000/')).toBe(true);
    expect(Buffer.byteLength(paths.socket)).toBeLessThan(104);
    expect(pathsOf(deep, 'probe', 'linux', 1000).socket).toBe(paths.socket);
    expect(pathsOf(deep, 'other', 'linux', 1000).socket).not.toBe(paths.socket);
  });

  it('measures the socket in bytes, not in letters', () => {
    const letters = `/home/${'ü'.repeat(45)}`;
    expect(pathsOf(letters, 'probe', 'linux', 1000).socketDir).not.toBeNull();
  });

  it('has a named pipe on Windows', () => {
    expect(pathsOf('C:\\state', 'probe', 'win32', undefined).socket).toMatch(
      /^\\\\\.\\pipe\\thaw-[0-9a-f]{20}$/,
    );
  });

  it.each(['../x', 'a/b', '', '.hidden', 'a\0b'])('refuses the name %j', (name) => {
    expect(() => pathsOf('/state', name)).toThrow(/cannot name a function/);
  });
});
