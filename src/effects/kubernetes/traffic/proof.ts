// Proof that a data plane follows: answers that carry the generation which was written in the same object as the
// weights. What was answered with it was routed by those weights.
//
// One such answer proves nothing about the rest of a gateway: its workers and replicas take changes over one by one.
// So several answers in a row are wanted on several connections of every front. The status of the answers does not
// matter: errors of the gateway itself carry the marker too.
import { Agent, request } from 'node:http'
import { Agent as TlsAgent, request as tlsRequest } from 'node:https'
import { connect } from 'node:net'
import { type FrontAddress, MARKER_HEADER } from './plane.ts'

const CONNECTIONS = 4
const ANSWERS_PER_CONNECTION = 3
const TIMEOUT_MS = 1000

export interface Question {
  readonly host: string
  readonly path: string
  readonly generation: number
}

/** What speaks against it that all these fronts follow; null when every answer was marked. */
export async function unmarkedAnswer(fronts: readonly FrontAddress[], question: Question): Promise<string | null> {
  const answers = await Promise.all(fronts.map((front) => unmarkedAtFront(front, question)))
  return answers.find((answer) => answer !== null) ?? null
}

async function unmarkedAtFront(front: FrontAddress, question: Question): Promise<string | null> {
  const at = `${front.host}:${front.port}`
  for (let connection = 0; connection < CONNECTIONS; connection++) {
    const agent = new (front.tls ? TlsAgent : Agent)({ keepAlive: true, maxSockets: 1 })
    try {
      for (let answer = 0; answer < ANSWERS_PER_CONNECTION; answer++) {
        const { status, marker } = await ask(front, question, agent)
        if (marker === String(question.generation)) continue
        return marker === null
          ? `${at} answers without the header ${MARKER_HEADER} (status ${status})`
          : `${at} still answers with generation ${marker}`
      }
    } catch (error) {
      return `${at} does not answer: ${(error as Error).message}`
    } finally {
      agent.destroy()
    }
  }
  return null
}

function ask(
  front: FrontAddress,
  { host, path }: Question,
  agent: Agent,
): Promise<{ status: number; marker: string | null }> {
  const { promise, resolve, reject } = Promise.withResolvers<{ status: number; marker: string | null }>()
  const hostHeader = front.hostHeader ?? host
  // Nothing secret is sent, and what is proven is where requests go: the certificate is not this question.
  const tls = { servername: hostHeader.split(':')[0]!, rejectUnauthorized: false }
  const send = front.tls ? tlsRequest : request
  const sent = send(
    { host: front.host, port: front.port, path, agent, headers: { host: hostHeader }, ...(front.tls ? tls : {}) },
    (answer) => {
      const marker = answer.headers[MARKER_HEADER]
      answer.on('end', () => resolve({ status: answer.statusCode ?? 0, marker: marker ? String(marker) : null }))
      answer.on('error', reject)
      answer.resume()
    },
  )
  sent.setTimeout(TIMEOUT_MS, () => sent.destroy(new Error(`no answer within ${TIMEOUT_MS} ms`)))
  sent.on('error', reject)
  sent.end()
  return promise
}

/** Whether all of them can be connected to from here. */
export async function areReachable(fronts: readonly FrontAddress[]): Promise<boolean> {
  const answers = await Promise.all(fronts.map(isReachable))
  return answers.length > 0 && answers.every(Boolean)
}

function isReachable({ host, port }: FrontAddress): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>()
  const socket = connect({ host, port, timeout: TIMEOUT_MS })
  const end = (reachable: boolean) => {
    socket.destroy()
    resolve(reachable)
  }
  socket.on('connect', () => end(true))
  socket.on('timeout', () => end(false))
  socket.on('error', () => end(false))
  return promise
}
