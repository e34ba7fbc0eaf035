// A unit for systemd, so that a machine that starts also serves. The platform keeps its processes itself: the unit
// starts it, ends it, and by `reload` replaces it by another build without an outage.

export interface UnitFacts {
  readonly application: string
  /** Absolute folder of moodify.yaml. */
  readonly root: string
  /** Program and first arguments of moodify, absolute paths. */
  readonly command: readonly string[]
  readonly user: string
  /** What the commands of services and builds need to find, and where the state is. */
  readonly environment: Readonly<Record<string, string>>
}

export function systemdUnit({ application, root, command, user, environment }: UnitFacts): string {
  const file = `moodify-${application}.service`
  const run = (...args: string[]) => [...command, ...args].map(quoted).join(' ')
  const variables = Object.entries(environment).map(([name, value]) => `Environment=${quoted(`${name}=${value}`)}`)
  return `# moodify up --systemd | sudo tee /etc/systemd/system/${file}
# sudo systemctl daemon-reload && sudo systemctl enable --now ${file}
# After an update of moodify or of moodify.yaml: sudo systemctl reload ${file}, without an outage.
[Unit]
Description=${escaped(`${application}, served by moodify from ${root}`)}
After=network.target

[Service]
Type=oneshot
RemainAfterExit=yes
User=${escaped(user)}
WorkingDirectory=${escaped(root)}
${variables.join('\n')}
ExecStart=${run('up')}
ExecReload=${run('up')}
ExecStop=${run('down', '--yes')}
TimeoutStartSec=120
TimeoutStopSec=180
LimitCORE=0

[Install]
WantedBy=multi-user.target
`
}

/** One word of a command line. @see systemd.syntax(7), systemd.service(5) */
function quoted(word: string): string {
  const text = escaped(word).replaceAll('$', '$$$$')
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `"${text.replace(/["\\]/g, '\\$&')}"`
}

/** Specifiers such as %h begin with a percent sign. */
function escaped(text: string): string {
  return text.replaceAll('%', '%%')
}
