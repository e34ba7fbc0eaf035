export interface HeaderFacts {
  readonly environment: string
  readonly platform: string
  readonly application: string
  /** Where users reach it; null when the platform is down. */
  readonly url: string | null
}

/** The first line of every command: what it is about. `production · local (http://127.0.0.1:8080) · moodify` */
export function headerLine({ environment, platform, application, url }: HeaderFacts): string {
  return `${environment} · ${platform} (${url ?? 'down'}) · ${application}`
}
