import {createReadStream} from 'node:fs';
import {readFile} from 'node:fs/promises';
import {buffer} from 'node:stream/consumers';
import {join} from 'node:path';
import {createGunzip} from 'node:zlib';
import {ZipFile} from 'yazl';
import type {Archive, ArchiveForm, ArchiveOnDisk} from '../core/archive.ts';
import {digestOf, digestOfJson, type Digest} from '../core/digest.ts';
import {writeWhole} from '../core/disk.ts';
import {messageOf, ThawError, throwIfInterrupted} from '../core/errors.ts';
import type {Layer} from '../core/image.ts';
import type {ImageOnDisk} from '../core/ports.ts';
import {formatBytes} from '../core/units.ts';
import {blobPath} from './blobs.ts';
import {unreadable} from './entries.ts';
import {invalid} from './layout.ts';
import {meter} from './meter.ts';
import {readMembers} from './tar-members.ts';

/** What an archive is made from, and where. */
export interface ArchiveInput {
  readonly image: ImageOnDisk;
  readonly form: ArchiveForm;
  /** Who asks for it, for messages. */
  readonly provider: string;
  /** `dist/runtime` of the installed package. */
  readonly programsDir: string;
  /** It is written in here, and found here the next time. */
  readonly dir: string;
  readonly signal: AbortSignal;
}

/** Raise it when the same image shall give other bytes. */
const FORMAT = 1;

/** Where everything of thaw's lies in an image. */
const ROOT = 'opt/thaw/';
/** What only an image needs: its interpreter, and the programs that serve where nobody else runs them. */
const OF_IMAGES = /^(bin|python)\/|^runtime\/([^/]+\.cjs|server\.py)$/;

const COMPRESSION = 6;

interface Member {
  readonly path: string;
  readonly executable: boolean;
  readonly content: Buffer;
}

interface ArchiveRecord {
  readonly key: Digest;
  readonly archive: Archive;
}

/**
 * Writes what an image holds as a zip archive: model, handler, packages, ONNX Runtime and configuration, each where it
 * lies in the image under `opt/thaw`, and at the root what the provider calls. The same image gives the same bytes, in
 * whichever folder and at whatever time. One that is there already is left alone.
 *
 * @throws ThawError IMAGE_TOO_LARGE with the facts `{provider, measure, bytes, bytesMax, largest, option?}`, IMAGE_INVALID,
 *   RUNTIME_UNAVAILABLE, DISK_FULL, PERMISSION_DENIED, INTERRUPTED
 */
export async function writeArchive(input: ArchiveInput): Promise<ArchiveOnDisk> {
  const {image, form, dir, signal} = input;
  const {runtime} = image.image;
  const entry = form.entry[runtime.kind];
  const program = await readProgram(input);
  const key = keyOf(input, program);
  const {file, recordFile} = filesIn(dir);
  const known = await readKnown(dir, key);
  if (known !== null) {
    refuseTooLarge(input, known.unpackedBytes, 'unpacked', []);
    refuseTooLarge(input, known.bytes, 'compressed', []);
    return {archive: known, file};
  }

  const members = [{path: entry.name, executable: false, content: program}, ...(await readContents(input))];
  const bytes = await zip(members);
  throwIfInterrupted(signal);
  refuseTooLarge(input, bytes.length, 'compressed', members);
  const unpackedBytes = totalOf(members);
  const archive: Archive = {digest: digestOf(bytes), bytes: bytes.length, unpackedBytes, runtime};
  await writeWhole(file, bytes, {signal});
  await writeWhole(recordFile, JSON.stringify({key, archive} satisfies ArchiveRecord), {signal});
  return {archive, file};
}

/** The archive of an image that was written before; null if there is none. */
export async function findArchive(input: Omit<ArchiveInput, 'provider' | 'signal'>): Promise<Archive | null> {
  return readKnown(input.dir, keyOf(input, await readProgram(input)));
}

type Made = Pick<ArchiveInput, 'image' | 'form' | 'programsDir'>;

async function readProgram({image, form, programsDir}: Made): Promise<Buffer> {
  const file = join(programsDir, form.entry[image.image.runtime.kind].file);
  return readFile(file).catch((error: unknown) => {
    throw unreadable(file, error);
  });
}

/** What an archive is made of. */
function keyOf({image, form}: Made, program: Buffer): Digest {
  const {runtime, digest} = image.image;
  const entry = form.entry[runtime.kind].name;
  return digestOfJson({format: FORMAT, image: digest, entry, program: digestOf(program)});
}

const filesIn = (dir: string) => ({file: join(dir, 'code.zip'), recordFile: join(dir, 'code.json')});

/** The archive that lies in a folder, if it is whole and made of that. */
async function readKnown(dir: string, key: Digest): Promise<Archive | null> {
  const {file, recordFile} = filesIn(dir);
  const known = await readRecord(recordFile);
  return known?.key === key && (await digestOfFile(file)) === known.archive.digest ? known.archive : null;
}

async function readRecord(file: string): Promise<ArchiveRecord | null> {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as ArchiveRecord;
  } catch {
    return null;
  }
}

const digestOfFile = (file: string): Promise<Digest | null> => readFile(file).then(digestOf, () => null);

/** Reads the image's own layers; those of its base and its interpreter are the provider's affair. */
async function readContents(input: ArchiveInput): Promise<Member[]> {
  const {image, signal} = input;
  const files = new Map<string, Member>();
  for (const layer of image.image.layers) {
    if (layer.role === 'base' || layer.role === 'interpreter') continue;
    throwIfInterrupted(signal);
    for (const member of await readLayer(image, layer)) files.set(member.path, member);
    const members = [...files.values()];
    refuseTooLarge(input, totalOf(members), 'unpacked', members);
  }
  return [...files.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
}

async function readLayer({layoutDir}: ImageOnDisk, layer: Layer): Promise<Member[]> {
  const content = meter();
  const members: Member[] = [];
  const stages = [createReadStream(blobPath(layoutDir, layer.digest)), createGunzip(), content.through];
  try {
    await readMembers(stages, async ({name, type, mode}, data) => {
      const path = name.startsWith(ROOT) ? name.slice(ROOT.length) : '';
      if (type === 'directory' || path === '' || OF_IMAGES.test(path)) {
        data.resume();
        return;
      }
      if (type !== 'file') {
        const message = `${name} is a ${type ?? 'member of unknown type'}, and archives are made of files alone`;
        throw new ThawError('INPUT_INVALID', message, {file: name});
      }
      members.push({path, executable: ((mode ?? 0) & 0o100) !== 0, content: await buffer(data)});
    });
  } catch (error) {
    throw error instanceof ThawError ? error : invalid(layoutDir, messageOf(error), layer.digest);
  }
  if (content.read().digest === layer.diffId) return members;
  throw invalid(layoutDir, `the ${layer.role} layer unpacks to other content`, layer.digest);
}

const totalOf = (members: readonly Member[]): number =>
  members.reduce((sum, {content}) => sum + content.length, 0);

async function zip(members: readonly Member[]): Promise<Buffer> {
  const archive = new ZipFile();
  // A zip archive knows no time before, and writes down what a clock on the wall shows: this in every zone.
  const epoch = new Date(1980, 0, 1);
  for (const {path, executable, content} of members) {
    archive.addBuffer(content, path, {
      mtime: epoch,
      // Else it holds the time in seconds since 1970 as well, which depends on the zone.
      forceDosTimestamp: true,
      mode: executable ? 0o100755 : 0o100644,
      compressionLevel: COMPRESSION,
    });
  }
  archive.end();
  return buffer(archive.outputStream);
}

function refuseTooLarge(
  {form, provider}: ArchiveInput,
  bytes: number,
  measure: 'compressed' | 'unpacked',
  members: readonly Member[],
): void {
  const bytesMax = measure === 'compressed' ? form.bytesMax : form.unpackedBytesMax;
  if (bytes <= bytesMax) return;
  const largest = [...members].sort((a, b) => b.content.length - a.content.length).slice(0, 3);
  const parts = largest.map(({path, content}) => `${path} ${formatBytes(content.length)}`);
  throw new ThawError(
    'IMAGE_TOO_LARGE',
    `as a zip archive the image has ${formatBytes(bytes)} ${measure}, and ${provider} takes ${formatBytes(bytesMax)}` +
      (parts.length === 0 ? '' : `: ${parts.join(', ')}`),
    {
      provider,
      measure,
      bytes,
      bytesMax,
      largest: 'archive',
      ...(measure === 'compressed' && form.largerBy !== null ? {option: form.largerBy} : {}),
    },
  );
}
