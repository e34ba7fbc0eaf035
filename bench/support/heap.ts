// How much of its heap another Node process on this machine really uses: what it has at the moment is mostly garbage that
// nobody has collected yet.

/** Where a process that gets SIGUSR1 listens for a debugger, on 127.0.0.1. */
const INSPECTOR = 'http://127.0.0.1:9229/json/list'
const DEADLINE_MS = 10_000

/** Bytes of its heap in use after a garbage collection. One process at a time: they would share the port. */
export async function heapInUse(pid: number): Promise<number> {
  process.kill(pid, 'SIGUSR1')
  const socket = new WebSocket(await debuggerUrl())
  await new Promise((resolve, reject) => {
    socket.onopen = resolve
    socket.onerror = reject
  })
  try {
    await call(socket, 'HeapProfiler.collectGarbage')
    await call(socket, 'HeapProfiler.collectGarbage')
    const { usedSize } = (await call(socket, 'Runtime.getHeapUsage')) as { usedSize: number }
    await call(socket, 'Runtime.evaluate', { expression: 'setTimeout(() => process._debugEnd(), 10)' })
    return usedSize
  } finally {
    socket.close()
    await nobodyListens()
  }
}

async function debuggerUrl(): Promise<string> {
  const deadline = performance.now() + DEADLINE_MS
  for (;;) {
    const targets = await list()
    if (targets) return targets[0]!.webSocketDebuggerUrl
    if (performance.now() > deadline) throw new Error('the process does not listen for a debugger')
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

async function nobodyListens(): Promise<void> {
  while (await list()) await new Promise((resolve) => setTimeout(resolve, 50))
}

function list(): Promise<{ webSocketDebuggerUrl: string }[] | null> {
  return fetch(INSPECTOR)
    .then((answer) => answer.json() as Promise<{ webSocketDebuggerUrl: string }[]>)
    .catch(() => null)
}

function call(socket: WebSocket, method: string, params: object = {}): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const id = Math.floor(Math.random() * 1e9)
    const hear = ({ data }: MessageEvent) => {
      const message = JSON.parse(data as string)
      if (message.id !== id) return
      socket.removeEventListener('message', hear)
      if (message.error) reject(new Error(message.error.message))
      else resolve(message.result)
    }
    socket.addEventListener('message', hear)
    socket.send(JSON.stringify({ id, method, params }))
  })
}
