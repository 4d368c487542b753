// Images of Python with what models are usually served with, made of Debian's packages and of pip's.
import {spawnSync} from 'node:child_process';
import {cpSync, existsSync, mkdirSync, rmSync} from 'node:fs';
import {dirname, join} from 'node:path';

const apt = (packages) => `apt-get install -y --no-install-recommends ${packages}`;
const clean = 'apt-get clean; rm -rf /var/lib/apt/lists/* /root/.cache';

const IMAGES = [
  {
    name: 'Debian with Python, ONNX Runtime and NumPy (pip)',
    install: `${apt('python3 python3-pip')} && apt-mark manual python3 &&
      pip install --break-system-packages --no-cache-dir onnxruntime numpy &&
      apt-get purge -y --auto-remove python3-pip`,
  },
  {name: 'Debian with Python and PyTorch (Debian’s, for the CPU)', install: apt('python3 python3-torch')},
];

function run(file, args) {
  const {status, stderr} = spawnSync(file, args, {encoding: 'utf8', stdio: ['ignore', 'ignore', 'pipe']});
  if (status !== 0) throw new Error(`${file} ended with ${status}: ${stderr.slice(-500)}`);
}

/** What lets pip through to where this machine gets its packages. */
const CERTIFICATES = '/etc/ssl/certs/ca-certificates.crt';

/** Makes the images in a folder and compresses them as engines do (gzip at level 6). Needs root and debootstrap. */
export function measurePythonImages(dir) {
  const debian = join(dir, 'debian');
  run('debootstrap', ['--variant=minbase', 'bookworm', debian]);
  return IMAGES.map(({name, install}) => {
    const root = join(dir, 'python');
    mkdirSync(root);
    run('cp', ['-a', `${debian}/.`, root]);
    if (existsSync(CERTIFICATES)) {
      mkdirSync(dirname(join(root, CERTIFICATES)), {recursive: true});
      cpSync(CERTIFICATES, join(root, CERTIFICATES));
    }
    run('chroot', [root, 'env', `PIP_CERT=${CERTIFICATES}`, 'sh', '-c', `${install} && { ${clean}; }`]);
    const pipe = `tar -C ${root} -c . | gzip -6 | wc -c`;
    const bytes = Number(spawnSync('sh', ['-c', pipe], {encoding: 'utf8'}).stdout);
    rmSync(root, {recursive: true});
    return {name, bytes};
  });
}
