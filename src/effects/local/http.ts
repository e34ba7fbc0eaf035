// node:http without `import`: that would look at everything the module exports, and one of those is a getter behind
// which Node loads its whole fetch, for more time than the rest of a command takes.
export const { Agent, createServer, request, STATUS_CODES } = process.getBuiltinModule('node:http')
