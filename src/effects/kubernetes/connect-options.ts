import type { Agent, RequestOptions } from 'node:https'

export interface ConnectOptions {
  /** Absolute path of a kubeconfig; by default what kubectl would take. */
  readonly kubeconfig?: string | undefined
  /** Name of a context in it; by default its current one. */
  readonly context?: string | undefined
  /** As the service account of the pod that this runs in; no kubeconfig is looked for. */
  readonly serviceAccount?: boolean
}

export interface Credentials {
  readonly server: URL
  readonly context: string
  /** Namespace that the context names, or null. */
  readonly namespace: string | null
  /** Set where requests go through a proxy. */
  readonly agent: Agent | null
  /** TLS and authorization of the next request; tokens and certificates that expire are renewed. */
  apply(): Promise<RequestOptions>
}
