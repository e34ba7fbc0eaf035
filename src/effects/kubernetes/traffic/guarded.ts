// One guarded write of one traffic object: read, refuse what is stale, patch with tests, and again when somebody
// else wrote in between.
import type { Shares } from '../../../domain/names.ts'
import { OperatingError } from '../../../errors/catalogue.ts'
import {
  type Api,
  ApiError,
  ApiUnreachable,
  type KubernetesObject,
  type PatchOperation,
  type Resource,
} from '../api.ts'
import { type Stamp, stampOf, stampOperations } from './stamp.ts'

const ATTEMPTS = 5

export interface Target {
  readonly resource: Resource
  readonly name: string
}

/**
 * @param plan  the operations for the object as it is now; none when it already is as wanted
 * @returns     the object as it is afterwards
 * @throws      OperatingError STALE_EPOCH; PLATFORM_FAILED when it is missing, CLUSTER_REFUSED, CLUSTER_UNREACHABLE
 */
export async function writeGuarded(
  api: Api,
  target: Target,
  epoch: number,
  plan: (object: KubernetesObject, stamp: Stamp) => readonly PatchOperation[],
): Promise<KubernetesObject> {
  for (let attempt = 1; ; attempt++) {
    const object = await read(api, target)
    const stamp = stampOf(object)
    guardEpoch(stamp, epoch, target)
    const operations = plan(object, stamp)
    if (operations.every(({ op }) => op === 'test')) return object
    try {
      return await api.patch(target.resource, target.name, operations)
    } catch (error) {
      if (!isConflict(error) || attempt === ATTEMPTS) throw asOperating(error, `patch ${inWords(target)}`)
    }
  }
}

/** From now on the object refuses writers with a lower epoch. Objects that do not exist yet are left out. */
export async function stampEpoch(api: Api, target: Target, epoch: number): Promise<void> {
  if (!(await readIfThere(api, target))) return
  await writeGuarded(api, target, epoch, (object, stamp) =>
    stamp.epoch === epoch ? [] : stampOperations(object, { epoch }),
  )
}

export async function read(api: Api, target: Target): Promise<KubernetesObject> {
  const object = await readIfThere(api, target)
  if (object) return object
  throw new OperatingError(
    'PLATFORM_FAILED',
    `There is no ${inWords(target)}.`,
    'Apply the files of kubernetes/, or name the object in moodify.yaml; see what is missing with: moodify doctor',
  )
}

export async function readIfThere(api: Api, target: Target): Promise<KubernetesObject | null> {
  return api.get(target.resource, target.name).catch((error: unknown) => {
    throw asOperating(error, `read ${inWords(target)}`)
  })
}

export function guardEpoch(stamp: Stamp, epoch: number, target: Target): void {
  if (stamp.epoch <= epoch) return
  const message = `${inWords(target)} was taken over by epoch ${stamp.epoch}; epoch ${epoch} writes nothing any more.`
  throw new OperatingError('STALE_EPOCH', message)
}

/** A generation is used once: the same one with the same shares is a repeat, anything else must be above. */
export function guardGeneration(stamp: Stamp, change: { shares: Shares; generation: number }): void {
  const isRepeat = change.generation === stamp.generation && sameShares(stamp.shares ?? change.shares, change.shares)
  if (isRepeat || change.generation > stamp.generation) return
  throw new OperatingError(
    'STALE_GENERATION',
    `Generation ${change.generation} is not above ${stamp.generation}; the shares stay as they are.`,
  )
}

/** A slot that is not named has no share. */
export function sameShares(a: Shares, b: Shares): boolean {
  return [...Object.keys(a), ...Object.keys(b)].every((slot) => (a[slot] ?? 0) === (b[slot] ?? 0))
}

/** A test of a patch failed, or the object was written at the same moment. */
function isConflict(error: unknown): boolean {
  return error instanceof ApiError && (error.status === 409 || error.status === 422)
}

export function asOperating(error: unknown, what: string): unknown {
  if (error instanceof ApiError) {
    return new OperatingError('CLUSTER_REFUSED', `The cluster refused to ${what}: ${error.message}`)
  }
  if (error instanceof ApiUnreachable) {
    const message = `The API server did not answer a request to ${what}: ${error.message}`
    return new OperatingError('CLUSTER_UNREACHABLE', message, 'Look with: kubectl cluster-info')
  }
  return error
}

function inWords({ resource, name }: Target): string {
  return `${resource.plural}/${name} in ${resource.namespace}`
}
