import {formatBytes, formatMs} from '../core/units.ts';
import {parseAccept} from '../model/accept.ts';
import type {Workshop} from './compose.ts';
import {withTask} from './progress.ts';
import {quantizeFile, type QuantizedFile, type QuantizeFileRequest} from './quantize-file.ts';
import {renderVerdict} from './render-package.ts';
import type {Terminal} from './terminal.ts';

export interface QuantizeModelRequest extends Pick<
  QuantizeFileRequest,
  'model' | 'mode' | 'cpu' | 'objective' | 'calibration' | 'out' | 'signal'
> {
  /** Bounds as `--accept` gives them. */
  readonly accept: readonly string[];
  readonly workshop: Workshop;
  readonly terminal: Terminal;
}

/** Quantizes a model file, and shows what was measured. */
export async function quantizeModel(request: QuantizeModelRequest): Promise<QuantizedFile> {
  const {workshop, terminal, accept, ...wish} = request;
  const {paint} = terminal;
  const bounds = parseAccept(accept);
  const quantized = await withTask(
    terminal,
    'measuring the model',
    (task) =>
      quantizeFile({
        ...wish,
        accept: bounds,
        packageDir: workshop.installation.root,
        hostOnnxRuntime: () => workshop.hostOnnxRuntime(task.bytes),
        onStep: (step) => task.update(step),
      }),
    ({verdict}) => verdict.why,
  );
  const {verdict, file, bytes} = quantized;
  terminal.note(renderVerdict(verdict, paint));
  terminal.note(`  measured with ONNX Runtime ${verdict.onnxruntime} on ${verdict.cpu}`);
  const quantizeMs = verdict.candidates.find(({mode}) => mode === verdict.chosen)?.quantizeMs ?? null;
  const took = quantizeMs === null ? '' : `, made in ${formatMs(quantizeMs)}`;
  if (verdict.chosen !== 'none') terminal.note(`  ${formatBytes(bytes)} in ${file}${took}`);
  terminal.result(file);
  return quantized;
}
