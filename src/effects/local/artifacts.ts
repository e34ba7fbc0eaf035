export { directoryOf, prepareArtifact, pruneArtifacts } from './artifacts/prepare.ts'
export { knownVersions, type ResolvedVersion, resolveVersion } from './artifacts/resolve.ts'
export { makeRevision } from './artifacts/revision.ts'
