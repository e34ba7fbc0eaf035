// Every way in which an operation can fail that is not a bug and not an outcome of a release. A code is
// permanent: it is never given another meaning, and never removed while a release that printed it is in use.

/** Exit codes of the command line. Documented in docs/reference/exit-codes.md, generated from here. */
export const exitCodes = {
  released: { code: 0, means: 'done: released, rolled back as asked, or nothing to do' },
  badInput: { code: 2, means: 'bad input: flags, configuration or version; nothing was changed' },
  rolledBack: { code: 3, means: 'the release failed and was taken back by itself' },
  refused: { code: 4, means: 'refused by a gate or by the state of the environment; nothing was changed' },
  unknown: { code: 5, means: 'the outcome is unknown: the release holds and waits for a decision' },
  operating: { code: 6, means: 'something needed did not work: platform, network, disk' },
  internalBug: { code: 70, means: 'a bug in moodify; a report was written' },
  interrupted: { code: 130, means: 'interrupted; on the embedded platform the release goes on' },
} as const
export type ExitName = keyof typeof exitCodes

interface ErrorEntry {
  readonly exit: ExitName
  readonly httpStatus: number
  /** What it means, for the documentation. */
  readonly means: string
}

export const catalogue = {
  BAD_FLAG: { exit: 'badInput', httpStatus: 400, means: 'A flag or argument has no valid value.' },
  CONFIG_NOT_FOUND: { exit: 'badInput', httpStatus: 400, means: 'No moodify.yaml in this folder or above it.' },
  CONFIG_INVALID: { exit: 'badInput', httpStatus: 400, means: 'moodify.yaml has problems; all are listed.' },
  MANIFEST_INVALID: {
    exit: 'badInput',
    httpStatus: 400,
    means: 'A manifest file cannot be filled in or read; file and line are named.',
  },
  CONFIG_EXISTS: { exit: 'badInput', httpStatus: 409, means: 'moodify init would overwrite a file.' },
  UNKNOWN_ENVIRONMENT: { exit: 'badInput', httpStatus: 404, means: 'moodify.yaml has no such environment.' },
  UNKNOWN_VERSION: { exit: 'badInput', httpStatus: 404, means: 'No tag, commit or folder of that name.' },
  UNKNOWN_RELEASE: { exit: 'badInput', httpStatus: 404, means: 'The journal has no release of that name.' },
  UNKNOWN_SLOT: { exit: 'badInput', httpStatus: 404, means: 'No service has such a slot.' },
  REFUSED: { exit: 'refused', httpStatus: 409, means: 'The state of the environment does not allow the verb.' },
  NOT_CONFIRMED: { exit: 'refused', httpStatus: 409, means: 'The question was answered with no.' },
  PLATFORM_DOWN: { exit: 'operating', httpStatus: 503, means: 'The embedded platform of this folder is not running.' },
  PLATFORM_FAILED: { exit: 'operating', httpStatus: 502, means: 'The platform did not do what it was asked to.' },
  KUBECONFIG_INVALID: {
    exit: 'operating',
    httpStatus: 500,
    means: 'The kubeconfig names no cluster, context or way to authenticate that works.',
  },
  CLUSTER_UNREACHABLE: { exit: 'operating', httpStatus: 503, means: 'The API server of the cluster did not answer.' },
  CLUSTER_REFUSED: { exit: 'operating', httpStatus: 502, means: 'The cluster refused a read or a write.' },
  PORT_BUSY: { exit: 'operating', httpStatus: 503, means: 'Another program listens on the port.' },
  STALE_EPOCH: { exit: 'operating', httpStatus: 409, means: 'A newer runner has taken over; the write was refused.' },
  STALE_GENERATION: {
    exit: 'operating',
    httpStatus: 409,
    means: 'A newer change of shares was made; this one was refused.',
  },
  CHECK_FAILED: { exit: 'operating', httpStatus: 502, means: 'A smoke test failed that a person asked for.' },
  BUILD_FAILED: { exit: 'operating', httpStatus: 500, means: 'The build command of a version failed.' },
  HOOK_FAILED: { exit: 'operating', httpStatus: 500, means: 'A hook ended with another exit code than 0.' },
  NOTIFY_FAILED: { exit: 'operating', httpStatus: 502, means: 'A webhook did not accept the message.' },
  JOURNAL_FAILED: { exit: 'operating', httpStatus: 500, means: 'The journal refused a read or an append.' },
  JOURNAL_NEWER: { exit: 'operating', httpStatus: 500, means: 'The journal was written by a newer moodify.' },
  UNSUPPORTED_NODE: { exit: 'operating', httpStatus: 500, means: 'This needs Node 26 or newer.' },
} as const satisfies Record<string, ErrorEntry>
export type ErrorCode = keyof typeof catalogue

/** A failure that a user can do something about. Says what happened and, in `hint`, what to do next. */
export class OperatingError extends Error {
  readonly code: ErrorCode
  readonly hint: string | null

  constructor(code: ErrorCode, message: string, hint: string | null = null) {
    super(message)
    this.name = 'OperatingError'
    this.code = code
    this.hint = hint
  }

  get exitCode(): number {
    return exitCodes[catalogue[this.code].exit].code
  }
}

/** A bug: something that cannot be, was. */
export class InvariantError extends Error {
  override readonly name = 'InvariantError'
}

export function invariant(condition: unknown, message: string): asserts condition {
  if (!condition) throw new InvariantError(message)
}
