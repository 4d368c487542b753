import {join} from 'node:path';
import {rootCertificates} from 'node:tls';
import {describe, expect, test} from 'vitest';
import {readTrust, secureContext} from '../../../../src/image/registry/trust.ts';
import {failureOf, scratch, writeTree} from '../fixture.ts';

const pem = (text: string): string => `-----BEGIN CERTIFICATE-----\n${text}\n-----END CERTIFICATE-----`;

/** What is trusted with these files in the home folder. */
async function trusted(
  files: {[path: string]: string},
  env: {[name: string]: string} = {},
  host = 'registry.example.com:5000',
) {
  const homeDir = await scratch();
  await writeTree(homeDir, files);
  const absolute = Object.fromEntries(
    Object.entries(env).map(([name, value]) => [name, value.replace('HOME', homeDir)]),
  );
  return readTrust(host, {homeDir, env: absolute}, 'linux');
}

describe('certificates', () => {
  test('of a host lie where Docker and Podman look for them, and count for no other host', async () => {
    const files = {
      '.docker/certs.d/registry.example.com:5000/ca.crt': `a comment\n${pem('AAAA')}\r\n${pem('BBBB')}`,
      '.config/docker/certs.d/registry.example.com:5000/rootless.crt': pem('CCCC'),
      '.config/containers/certs.d/registry.example.com:5000/podman.crt': pem('DDDD'),
      '.docker/certs.d/registry.example.com/other-port.crt': pem('EEEE'),
      '.docker/certs.d/registry.example.com:5000/notes.txt': pem('FFFF'),
    };
    expect((await trusted(files)).authorities).toEqual(['AAAA', 'BBBB', 'CCCC', 'DDDD'].map(pem));
    expect((await trusted(files, {}, 'other.example.com')).authorities).toEqual([]);
  });

  test('in the file that SSL_CERT_FILE names count too, but those that Node knows', async () => {
    const bundle = {'bundle.pem': `${rootCertificates[0]}\n${pem('AAAA')}\n`};
    const env = {SSL_CERT_FILE: 'HOME/bundle.pem'};
    expect((await trusted(bundle, env)).authorities).toEqual([pem('AAAA')]);
    expect((await trusted(bundle, {...env, NODE_EXTRA_CA_CERTS: 'HOME/bundle.pem'})).authorities).toEqual([]);
    const failure = await failureOf(trusted({}, env));
    expect(failure.code).toBe('CREDENTIALS_MISSING');
    expect(failure.message).toContain('bundle.pem');
  });

  test('that prove who one is need their key', async () => {
    const folder = '.docker/certs.d/registry.example.com:5000';
    const files = {
      [join(folder, 'client.cert')]: 'certificate',
      [join(folder, 'client.key')]: 'key',
      [join(folder, 'lonely.cert')]: 'certificate',
    };
    expect((await trusted(files)).identities).toEqual([{certificate: 'certificate', key: 'key'}]);
  });

  test('that make no sense are refused, and nothing of a key is shown', () => {
    expect(secureContext({authorities: [], identities: []}, 'a')).toBeNull();
    for (const trust of [
      {authorities: [pem('AAAA')], identities: []},
      {authorities: [], identities: [{certificate: 'x', key: 'hush-hush'}]},
    ]) {
      let caught: unknown;
      try {
        secureContext(trust, 'registry.example.com');
      } catch (error) {
        caught = error;
      }
      expect(caught).toMatchObject({code: 'CREDENTIALS_MISSING', facts: {host: 'registry.example.com'}});
      expect(String(caught)).not.toContain('hush');
    }
  });
});
