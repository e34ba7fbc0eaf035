/** Times and limits of the supervisor itself. Tests shorten them; nobody else needs to. */
export interface Tuning {
  /** Pause before the first restart; doubles with each exit that follows soon. */
  readonly backoffFirstMs: number
  readonly backoffMaxMs: number
  /** A process that ran this long has recovered: its earlier exits are forgotten. */
  readonly stableMs: number
  /** This many exits within the window make a crash loop. */
  readonly crashLoopExits: number
  readonly crashWindowMs: number
  /** Until a replica is ready for the first time, it is probed at least this often. */
  readonly eagerProbeMs: number
  readonly drainPollMs: number
  readonly frontTickMs: number
  /** A front that has answered and then lives on without answering for this long is restarted. */
  readonly frontHungMs: number
  /** The same for one that has not answered yet. */
  readonly frontStartsMs: number
  /** How often fronts look whether the supervisor was killed; null: never. */
  readonly supervisorWatchMs: number | null
  /** A supervisor that lives on without answering a front for this long is killed and started again. */
  readonly supervisorHungMs: number
  readonly memoryTickMs: number
  readonly logTickMs: number
  readonly logMaxBytes: number
  /** Rotated logs kept of each process. */
  readonly logKeep: number
  /** Folders of ended replicas, with their logs, kept per slot. */
  readonly endedKeep: number
  /** SIGTERM to SIGKILL for runners and fronts. */
  readonly ownGraceMs: number
}

export const defaultTuning: Tuning = {
  backoffFirstMs: 1000,
  backoffMaxMs: 30_000,
  stableMs: 60_000,
  crashLoopExits: 3,
  crashWindowMs: 300_000,
  eagerProbeMs: 250,
  drainPollMs: 100,
  frontTickMs: 500,
  frontHungMs: 30_000,
  frontStartsMs: 30_000,
  supervisorWatchMs: 1000,
  supervisorHungMs: 30_000,
  memoryTickMs: 5000,
  logTickMs: 10_000,
  logMaxBytes: 10 * 1024 * 1024,
  logKeep: 2,
  endedKeep: 5,
  ownGraceMs: 10_000,
}
