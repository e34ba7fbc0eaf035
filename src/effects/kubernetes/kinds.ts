// Where the API server keeps objects of a kind.
import type { KubernetesObject, Resource } from './api.ts'

/**
 * The resource that an object belongs to. It is cluster-wide when the object names no namespace.
 */
export function resourceOf({ apiVersion, kind, metadata }: KubernetesObject): Resource {
  const { namespace } = metadata
  return { apiVersion, plural: pluralOf(kind), ...(namespace === undefined ? {} : { namespace }) }
}

/** English's rule, which every kind of Kubernetes and of the gateways follows but `Endpoints`. */
function pluralOf(kind: string): string {
  const name = kind.toLowerCase()
  if (name === 'endpoints') return name
  if (name.endsWith('y') && !/[aeiou]y$/.test(name)) return `${name.slice(0, -1)}ies`
  return /(s|x|z|ch|sh)$/.test(name) ? `${name}es` : `${name}s`
}
