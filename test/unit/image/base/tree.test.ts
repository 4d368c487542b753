import {describe, expect, test} from 'vitest';
import {BadMember, createTree, type Tree, type TreeMember} from '../../../../src/image/base/tree.ts';

type Step = TreeMember<string>;
const file = (path: string, content = path): Step => ({kind: 'file', path, content});
const directory = (path: string): Step => ({kind: 'directory', path});
const symlink = (path: string, target: string): Step => ({kind: 'symlink', path, target});
const link = (path: string, target: string): Step => ({kind: 'link', path, target});

function treeOf(...layers: readonly (readonly Step[])[]): Tree<string> {
  const tree = createTree<string>();
  for (const [nth, members] of layers.entries()) for (const member of members) tree.apply(member, nth);
  return tree;
}

describe('the tree of an image', () => {
  test('has the files of all layers, the upper ones over the lower ones', () => {
    const tree = treeOf([file('etc/a', 'old'), file('etc/b')], [file('./etc/a', 'new'), file('/etc/c')]);
    expect(['etc/a', '/etc/b', 'etc//c', 'etc', 'etc/a/x', 'none'].map((path) => tree.file(path))).toEqual([
      'new',
      'etc/b',
      '/etc/c',
      null,
      null,
      null,
    ]);
    expect(tree.list('etc')).toEqual(['a', 'b', 'c']);
  });

  test('follows links, and none of them leads out of it', () => {
    const tree = treeOf([
      file('usr/lib/x/libc.so.6', 'libc'),
      symlink('lib', 'usr/lib'),
      symlink('lib64', '/usr/lib/x'),
      symlink('usr/up', '../../../../usr/lib/x/libc.so.6'),
      symlink('loop', 'loop'),
      symlink('one', 'two'),
      symlink('two', 'one'),
    ]);
    const paths = ['lib/x/libc.so.6', 'lib64/libc.so.6', 'usr/up', 'loop', 'one/x', '../../lib64/libc.so.6'];
    expect(paths.map((path) => tree.file(path))).toEqual(['libc', 'libc', 'libc', null, null, 'libc']);
  });

  test('puts what lies under a link to where the link leads', () => {
    const tree = treeOf([directory('usr/lib'), symlink('lib', 'usr/lib')], [file('lib/a')]);
    expect(tree.list('usr/lib')).toEqual(['a']);
  });

  test('hides what whiteouts name, of the layers below alone and wherever they stand', () => {
    const below = [file('d/a', 'old'), file('d/b', 'old'), file('e/x', 'old')];
    const tree = treeOf(below, [
      file('d/a', 'new'),
      file('d/.wh.a', ''),
      file('d/.wh.b', ''),
      file('d/.wh.never', ''),
      file('.wh.e', ''),
      file('e/y', 'new'),
      file('.wh..wh.plnk', ''),
    ]);
    expect([tree.file('d/a'), tree.file('d/b'), tree.list('e'), tree.list('')]).toEqual([
      'new',
      null,
      ['y'],
      ['d', 'e'],
    ]);
  });

  test('empties an opaque folder of what was below it, down to the last file', () => {
    const below = [file('d/a'), file('d/sub/b'), file('d/kept/c')];
    const tree = treeOf(below, [
      file('d/sub/new'),
      directory('d/kept'),
      file('d/.wh..wh..opq', ''),
      file('d/z'),
    ]);
    expect([tree.list('d'), tree.list('d/sub'), tree.list('d/kept')]).toEqual([
      ['sub', 'kept', 'z'],
      ['new'],
      [],
    ]);
  });

  test('knows a hard link as the file that it names, also after that is gone', () => {
    const tree = treeOf(
      [file('a', 'content'), link('b', 'a'), symlink('s', 'a'), link('t', '/s')],
      [file('.wh.a', '')],
    );
    expect([tree.file('a'), tree.file('b'), tree.file('t')]).toEqual([null, 'content', null]);
  });

  test('replaces a folder by a file, a file by a folder, and a link by a folder', () => {
    const tree = treeOf([file('d/a'), file('f'), symlink('s', 'd')], [file('d'), file('f2'), directory('s')]);
    expect([tree.file('d'), tree.list('s')]).toEqual(['d', []]);
    tree.apply(directory('f2'), 1);
    expect([tree.file('f2'), tree.list('f2')]).toEqual([null, []]);
  });

  const deep = 'x/'.repeat(3000);
  test.for<[string, Step]>([
    ['upwards', file('../etc/passwd')],
    ['upwards from inside', file('a/../../etc/passwd')],
    ['of no end', file(deep)],
    ['with a zero byte', file('a\0b')],
    ['below a file', file('plain/x')],
    ['below a link to itself', file('loop/x')],
    ['for the root that is no folder', file('./')],
    ['that links to nothing', link('b', 'nowhere')],
    ['that links to a folder', link('b', 'folder')],
    ['that links upwards', link('b', '../../etc/shadow')],
    ['that links to an endless path', symlink('b', deep)],
    ['that links to no path', symlink('b', '')],
  ])('refuses a member %s', ([, member]) => {
    const tree = treeOf([file('plain'), directory('folder'), symlink('loop', 'loop')]);
    expect(() => tree.apply(member, 1)).toThrow(BadMember);
  });
});
