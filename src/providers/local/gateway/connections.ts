import type {Client} from 'undici';

/** An idle connection is closed after this time, or before the instance closes it, if it says when. */
const KEEP_ALIVE_MS = 60_000;

/** The kept connections to one instance: as many as it has been asked at a time, the one used last first. */
export class Connections {
  readonly #Client: typeof Client;
  readonly #origin: string;
  readonly #idle: Client[] = [];
  readonly #all = new Set<Client>();

  private constructor(ClientClass: typeof Client, host: string, port: number) {
    this.#Client = ClientClass;
    this.#origin = `http://${host.includes(':') ? `[${host}]` : host}:${port}`;
  }

  /**
   * Gets ready to connect to an instance, which may still be starting. Loading undici takes tens of milliseconds the
   * first time: a gateway is there without, and the instance starts meanwhile.
   */
  static async prepare(): Promise<(host: string, port: number) => Connections> {
    const {default: undici} = await import('undici');
    return (host, port) => new Connections(undici.Client, host, port);
  }

  /** Takes a connection for one request. Give it back when the request is over, however it went. */
  take(): Client {
    return this.#idle.pop() ?? this.#open();
  }

  giveBack(connection: Client): void {
    this.#idle.push(connection);
  }

  /** Cuts all of them. */
  destroy(): void {
    for (const connection of this.#all) void connection.destroy();
    this.#all.clear();
    this.#idle.length = 0;
  }

  #open(): Client {
    // How long an answer may take is the function's own setting.
    const connection = new this.#Client(this.#origin, {
      headersTimeout: 0,
      bodyTimeout: 0,
      keepAliveTimeout: KEEP_ALIVE_MS,
    });
    this.#all.add(connection);
    return connection;
  }
}
