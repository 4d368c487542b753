/** How a service says no: in its own terms. */
export class Refusal extends Error {
  /** `ResourceNotFoundException`, as the clients name it. */
  readonly type: string;
  /** Null: what the service's model says for that type, else 400. */
  readonly status: number | null;
  /** Further members of the answer. */
  readonly members: {readonly [member: string]: string};

  constructor(
    type: string,
    message: string,
    {status = null, members = {}}: {status?: number | null; members?: Refusal['members']} = {},
  ) {
    super(message);
    this.name = 'Refusal';
    this.type = type;
    this.status = status;
    this.members = members;
  }
}
