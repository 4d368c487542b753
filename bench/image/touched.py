"""touched.py CONTEXT REQUEST: how many bytes of an image's files are in memory after its first answer.

CONTEXT holds a folder for each layer. They are copied into one root, dropped from memory, and served from there.
Prints a JSON list of {name, touched, bytes}, in bytes.
"""
import ctypes, json, mmap, os, shutil, subprocess, sys, tempfile, urllib.request

LAYERS = ['base', 'runtime', 'model', 'handler', 'config']
libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
libc.mincore.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p]


def files_in(folder):
    for parent, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(parent, name)
            if os.path.getsize(path) > 0 and not os.path.islink(path):
                yield os.path.relpath(path, folder)


def forget(path):
    with open(path, 'rb') as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def in_memory(path):
    """The bytes of a file's pages that are in memory."""
    size = os.path.getsize(path)
    with open(path, 'rb') as file:
        at = libc.mmap(None, size, mmap.PROT_READ, mmap.MAP_SHARED, file.fileno(), 0)
    pages = (size + mmap.PAGESIZE - 1) // mmap.PAGESIZE
    present = (ctypes.c_ubyte * pages)()
    if libc.mincore(at, size, present) != 0:
        raise OSError(ctypes.get_errno(), 'mincore')
    libc.munmap(at, size)
    return min(size, sum(page & 1 for page in present) * mmap.PAGESIZE)


def answer_once(root, request):
    command = ['chroot', '--userspec=65532:65532', root, '/opt/thaw/bin/node', '/opt/thaw/runtime/server.cjs']
    env = {'PATH': os.environ['PATH'], 'PORT': '0', 'ORT_DISABLE_TELEMETRY': '1'}
    server = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        port = json.loads(server.stdout.readline())['port']
        urllib.request.urlopen(f'http://127.0.0.1:{port}/', data=request.encode()).read()
    finally:
        server.terminate()
        server.wait()


def main():
    context, request = sys.argv[1:]
    with tempfile.TemporaryDirectory(dir=os.path.dirname(context)) as root:
        for layer in LAYERS:
            shutil.copytree(os.path.join(context, layer), root, symlinks=True, dirs_exist_ok=True)
        os.chmod(root, 0o755)
        by_layer = {layer: list(files_in(os.path.join(context, layer))) for layer in LAYERS}
        for path in files_in(root):
            forget(os.path.join(root, path))
        before = sum(in_memory(os.path.join(root, path)) for path in files_in(root))
        if before > 1 << 20:
            sys.exit(f'{before} bytes stayed in memory')
        answer_once(root, request)
        print(json.dumps([
            {
                'name': layer,
                'touched': sum(in_memory(os.path.join(root, path)) for path in paths),
                'bytes': sum(os.path.getsize(os.path.join(root, path)) for path in paths),
            }
            for layer, paths in by_layer.items()
        ]))


main()
