// The import rules of the house. Folders in the order of the sentence "config, plan, engine, journal, effects,
// views": a folder may import itself and what stands before it, never what stands behind it.
//
// Parsed with swc, because TypeScript 7 has no JavaScript API. Two limits: swc's visitor stops at `using`
// declarations (it says so, loudly), and it does not see `import('./x.ts').Type` in types.
const sentence = [
  'src/domain/',
  'src/errors/',
  'src/config/',
  'src/plan/',
  'src/engine/',
  'src/analysis/',
  'src/gates/',
  'src/journal/',
  'src/effects/ports/',
  'src/effects/(?!ports/)[^/]+/',
  'src/runner/',
  'src/verbs/',
  'src/views/',
  'src/compose\\.ts$',
  'src/main\\.ts$',
]
const anyOf = (paths) => `^(${paths.join('|')})`

const forward = sentence.slice(0, -1).map((folder, place) => ({
  name: 'imports-follow-the-sentence',
  comment: `${folder} comes before what it imports here. Move the code to the later folder, or hand the value in.`,
  severity: 'error',
  from: { path: `^${folder}` },
  to: { path: anyOf(sentence.slice(place + 1)) },
}))

const pureFolders = anyOf(['src/domain/', 'src/errors/', 'src/plan/', 'src/engine/', 'src/analysis/'])
const adapters = '^src/effects/(?!ports/)([^/]+)/'
// What the processes of the embedded platform agree on: types and paths, nothing that acts.
const contractsOfAdapters = '^src/effects/local/(protocol|paths)\\.ts$'

export default {
  forbidden: [
    ...forward,
    {
      name: 'no-cycles',
      comment: 'Files that import each other have to be read as one. Move what both need into a third.',
      severity: 'error',
      from: {},
      to: { circular: true },
    },
    {
      name: 'pure-folders-import-no-library',
      comment: 'Pure folders decide over data only. Do the work in src/effects and hand the result in.',
      severity: 'error',
      from: { path: pureFolders },
      to: { dependencyTypes: ['core', 'npm', 'npm-dev', 'npm-optional', 'npm-peer', 'npm-no-pkg', 'npm-unknown'] },
    },
    {
      name: 'adapters-stand-alone',
      comment: 'An adapter imports ports, domain, errors, types of the config and its own folder, no other adapter.',
      severity: 'error',
      from: { path: adapters },
      to: { path: '^src/', pathNot: ['^src/(domain|errors|config|effects/ports)/', '^src/effects/$1/'] },
    },
    {
      name: 'adapters-import-only-types-of-config',
      comment: 'Hand the value in through the constructor; `import type` is allowed.',
      severity: 'error',
      from: { path: adapters },
      to: { path: '^src/config/', dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'only-compose-constructs-adapters',
      comment: 'Take the port as a parameter and construct the adapter in src/compose.ts.',
      severity: 'error',
      from: { path: '^src/', pathNot: ['^src/(compose|main)\\.ts$', '^src/effects/'] },
      to: { path: adapters, pathNot: contractsOfAdapters },
    },
    {
      name: 'source-never-imports-tests-or-examples',
      comment: 'What ships must not need what does not ship.',
      severity: 'error',
      from: { path: '^src/' },
      to: { path: '^(test|demo|examples|tools|bench)/' },
    },
    {
      name: 'every-folder-has-its-place',
      comment: 'Add the new folder of src/ to the sentence in .dependency-cruiser.mjs.',
      severity: 'error',
      from: { path: '^src/', pathNot: anyOf(sentence) },
      to: {},
    },
    {
      name: 'imports-exist',
      comment: 'The file or package cannot be found: correct the path, or add the package to package.json.',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true },
    },
  ],
  options: {
    parser: 'swc',
    // Tests are not read: swc stops at their `using` declarations. That nothing in src imports them is still seen.
    doNotFollow: { path: ['node_modules', '^test/'] },
    exclude: { path: '^(node_modules|dist)/' },
    enhancedResolveOptions: {
      extensions: ['.ts', '.mjs', '.js', '.json'],
      exportsFields: ['exports'],
      conditionNames: ['import', 'node', 'default'],
    },
  },
}
