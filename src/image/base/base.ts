import type {BaseOrigin} from '../../core/image.ts';
import {noMemory, type FileMemory} from '../file-memory.ts';
import type {BaseContents} from './contents.ts';
import type {HostBase} from './host.ts';
import {inspectHostContents} from './host-packages.ts';
import type {RegistryBase} from './registry.ts';

/** What an image stands on: this machine's own files, or an image from a registry. */
export type Base = HostBase | RegistryBase;

/** What the image's record says of its base. */
export function originOf(base: Base): BaseOrigin {
  return base.kind === 'host'
    ? {kind: 'host', glibc: base.glibc}
    : {kind: 'registry', reference: base.reference, glibc: base.contents.glibc};
}

/** What a base's files are: of this machine's, its package manager is asked. */
export async function inspectBaseContents(base: Base, memory: FileMemory = noMemory): Promise<BaseContents> {
  return base.kind === 'host' ? inspectHostContents(base, memory) : base.contents;
}
