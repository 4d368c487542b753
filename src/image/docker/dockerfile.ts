import type {BaseOrigin, Image, LayerRole} from '../../core/image.ts';
import type {ConfigDocument} from '../manifest.ts';

/** What each layer holds, for people who read the Dockerfile. */
const HOLDS: {readonly [R in LayerRole]: string} = {
  base: 'The loader, glibc, libstdc++ and certificates, as they were on the machine that packaged.',
  interpreter: 'Python.',
  runtime: "What serves the model: thaw's server, and where it is in JavaScript, Node and ONNX Runtime.",
  packages: 'The packages that the handler needs.',
  model: 'The model as chosen.',
  handler: 'The handler, with everything that it imports.',
  config: 'Which model to load, and how.',
};

/** The layers that are copied; a base from a registry is not, but named. */
export function copiedRoles({layers}: Pick<Image, 'layers'>, base: BaseOrigin): readonly LayerRole[] {
  const roles = [...new Set(layers.map(({role}) => role))];
  return base.kind === 'registry' ? roles.filter((role) => role !== 'base') : roles;
}

/**
 * Renders the Dockerfile of an image: its layers in their order, each copied from the folder of its name, then how it
 * is started. Read by BuildKit and by the builder before it.
 */
export function renderDockerfile(image: Image, base: BaseOrigin, {config}: ConfigDocument): string {
  const name = image.function;
  const copies = copiedRoles(image, base).flatMap((role) => [
    `# ${HOLDS[role]}`,
    `COPY --chown=0:0 ${role}/ /`,
  ]);
  const env = config.Env.map((variable) => {
    const equals = variable.indexOf('=');
    return `ENV ${variable.slice(0, equals)}=${quoted(variable.slice(equals + 1))}`;
  });
  const labels = Object.entries(config.Labels).map(([label, value]) => `LABEL ${label}=${quoted(value)}`);
  const lines = [
    `# The image of ${name}, as thaw package builds it. The folders beside this file are its layers. To build it:`,
    `#   docker build --platform ${image.platform} --tag ${name} .`,
    `FROM ${base.kind === 'registry' ? base.reference : 'scratch'}`,
    '',
    ...copies,
    '',
    ...env,
    ...labels,
    `USER ${config.User}`,
    `WORKDIR ${config.WorkingDir}`,
    `ENTRYPOINT ${JSON.stringify(config.Entrypoint)}`,
  ];
  return `${lines.join('\n')}\n`;
}

/** A value as Dockerfiles quote it: nothing in it is expanded. */
function quoted(value: string): string {
  return `"${value.replace(/[\\"$]/g, '\\$&')}"`;
}
