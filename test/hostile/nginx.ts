import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'

/** Where Debian's package puts it; null where there is none. */
export const nginxBinary = [process.env['NGINX'], '/usr/sbin/nginx', '/usr/local/sbin/nginx', '/usr/bin/nginx'].find(
  (path) => path !== undefined && existsSync(path),
)

export interface Nginx extends AsyncDisposable {
  /** Unix socket: nginx cannot be asked for any free port. */
  readonly path: string
  readonly version: string
  /** Of master and worker. */
  pids(): readonly number[]
}

export interface NginxOptions {
  readonly backendPort: number
  /** For heads and bodies that do not come. */
  readonly timeoutSeconds?: number
  /** Command that it is started by, such as `taskset -c 0`. */
  readonly by?: readonly string[]
  /** Instead of the socket in its folder. */
  readonly listen?: string
  /** It answers this itself, and is no proxy. */
  readonly answer?: string
}

/** nginx as a proxy as its documentation has it, with kept connections to the service and web sockets below /ws. */
export async function startNginx({
  backendPort,
  timeoutSeconds = 60,
  by = [],
  listen,
  answer,
}: NginxOptions): Promise<Nginx> {
  const folder = mkdtempSync(join(tmpdir(), 'nginx-'))
  const path = join(folder, 'nginx.sock')
  writeFileSync(
    join(folder, 'nginx.conf'),
    configText({ folder, backendPort, timeoutSeconds, listen: listen ?? `unix:${path}`, answer }),
  )
  const [command, ...args] = [
    ...by,
    nginxBinary!,
    '-e',
    join(folder, 'error.log'),
    '-p',
    folder,
    '-c',
    join(folder, 'nginx.conf'),
  ]
  const child = spawn(command!, args, { stdio: ['ignore', 'ignore', 'inherit'] })
  const ended = once(child, 'exit')
  const dispose = async () => {
    child.kill('SIGTERM')
    await ended
    rmSync(folder, { recursive: true, force: true })
  }
  try {
    await answering(child, listen ?? path)
  } catch (error) {
    await dispose()
    throw error
  }
  return { path, version: versionText(), pids: () => pidsOf(child), [Symbol.asyncDispose]: dispose }
}

function versionText(): string {
  return spawnSync(nginxBinary!, ['-v'], { encoding: 'utf8' }).stderr.trim().replace('nginx version: ', '')
}

function pidsOf(master: ChildProcess): number[] {
  const workers = readFileSync(`/proc/${master.pid}/task/${master.pid}/children`, 'utf8').trim().split(' ')
  return [master.pid!, ...workers.filter((pid) => pid !== '').map(Number)]
}

async function answering(child: ChildProcess, listen: string): Promise<void> {
  const deadline = performance.now() + 20_000
  for (;;) {
    const [host, port] = listen.split(':')
    const socket = port ? connect(Number(port), host) : connect(listen)
    const isThere = await once(socket, 'connect').then(
      () => true,
      () => false,
    )
    socket.destroy()
    if (isThere) return
    if (child.exitCode !== null || performance.now() > deadline) throw new Error('nginx does not start')
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

function configText(options: {
  folder: string
  backendPort: number
  timeoutSeconds: number
  listen: string
  answer?: string | undefined
}): string {
  const { folder, backendPort, timeoutSeconds, listen, answer } = options
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((name) => `  ${name}_temp_path ${folder}/${name};`)
    .join('\n')
  return `
daemon off;
worker_processes 1;
${process.getuid!() === 0 ? `user ${userInfo().username};` : ''}
pid ${folder}/nginx.pid;
error_log ${folder}/error.log;
events { worker_connections 1024; }
http {
  access_log off;
${temporary}
  client_header_timeout ${timeoutSeconds}s;
  client_body_timeout ${timeoutSeconds}s;
  proxy_read_timeout ${timeoutSeconds}s;
  keepalive_requests 1000000;
  # Else an answer races with the end of a client that has sent all it had to say.
  proxy_ignore_client_abort on;
  proxy_http_version 1.1;
  proxy_request_buffering off;
  proxy_set_header Host $http_host;
  proxy_set_header Connection "";
  upstream service { server 127.0.0.1:${backendPort}; keepalive 64; keepalive_requests 1000000; }
  map $http_upgrade $connection_upgrade { default upgrade; '' ''; }
  server {
    listen ${listen};
    location / { ${answer ? `return 200 "${answer}"` : 'proxy_pass http://service'}; }
    location /ws {
      proxy_pass http://service;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection $connection_upgrade;
    }
  }
}
`
}
