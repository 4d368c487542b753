// node push.mjs BUNDLE LAYOUT DIGEST REFERENCE: one push of thaw's, in a process of its own like every other tool's.
import {pathToFileURL} from 'node:url';

const [bundle, layoutDir, digest, reference] = process.argv.slice(2);
const {parseReference, pushImage, systemClock} = await import(pathToFileURL(bundle).href);
await pushImage({
  layoutDir,
  digest,
  reference: parseReference(reference),
  credentials: null,
  clock: systemClock,
  progress: () => {},
  signal: new AbortController().signal,
});
