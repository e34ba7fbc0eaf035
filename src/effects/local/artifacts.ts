export { directoryOf, prepareArtifact, pruneArtifacts } from './artifacts/prepare.ts'
export { knownVersions, resolveVersion } from './artifacts/resolve.ts'
export { makeRevision } from './artifacts/revision.ts'
